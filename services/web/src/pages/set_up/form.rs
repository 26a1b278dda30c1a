//! The one form of first boot.

use maud::{Markup, html};
use patronus_ipc::link::Port;

use super::super::{
    layout::{self, token, username},
    network::token_field,
    parts::{Tone, carrier, described_by, field, message},
};
use crate::{form::Form, setup::Errors};

/// The form with what was typed (never passwords) and what is wrong with it.
pub(crate) fn form(values: &Form, ports: &[Port], errors: &Errors, csrf: &str) -> Markup {
    layout::plain(
        "Set up",
        html! {
            @if !errors.is_empty() { (summary(ports, errors)) }
            section.intro {
                p.eyebrow { "First start" }
                h1 { "Set up this router" }
                p.lead { "One page, about two minutes. Everything can be changed later, and nothing is saved until you press Finish." }
            }
            form method="post" action="/setup" novalidate {
                (token(csrf))
                (site(values, errors))
                (password(errors))
                (network_ports(values, ports, errors))
                (lan(values, errors))
                (network(values, errors))
                div.finish {
                    button type="submit" { "Finish" }
                    p.hint { "Saves everything at once and takes you to the network's page." }
                }
            }
        },
    )
}

fn summary(ports: &[Port], errors: &Errors) -> Markup {
    let ordered = in_page_order(ports, errors);
    let count = errors.len();
    let title = if count == 1 {
        "One thing needs your attention".to_owned()
    } else {
        format!("{count} things need your attention")
    };
    html! {
        div #summary tabindex="-1" {
            (message(Tone::Bad, &title, html! {
                ul { @for (name, error) in ordered { li { a href={ "#" (name) } { (error) } } } }
                p { "Please type the passwords again: they are not kept." }
            }))
        }
    }
}

/// The errors as the eye meets their fields.
fn in_page_order<'e>(ports: &[Port], errors: &'e Errors) -> Vec<(&'e String, &'e String)> {
    let of_port = |port: &Port| ["address", "gateway", "dns"].map(|field| format!("{field}-{}", port.name));
    let mut order: Vec<String> =
        ["site", "timezone", "password", "password-again", "ports"].map(str::to_owned).to_vec();
    order.extend(ports.iter().flat_map(of_port));
    order.extend(["lan-address", "network", "token"].map(str::to_owned));
    let mut ordered: Vec<_> = errors.iter().collect();
    ordered.sort_by_key(|(name, _)| order.iter().position(|field| field == *name));
    ordered
}

fn site(values: &Form, errors: &Errors) -> Markup {
    let zones: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    html! {
        section.card {
            h2 { "Your site" }
            (text("site", "Name of the site", "Letters a-z, digits and dashes. Also the router's host name, such as office-zurich.", values, errors))
            (field("timezone", "Time zone", Some("Start typing a city."), errors.get("timezone"), html! {
                input #timezone name="timezone" type="text" list="zones" value=(values.raw("timezone")) autocomplete="off" spellcheck="false"
                    aria-invalid=[errors.contains_key("timezone").then_some("true")]
                    aria-describedby=[described_by("timezone", true, errors.contains_key("timezone"))];
                datalist #zones { @for zone in zones { option value=(zone) {} } }
            }))
        }
    }
}

fn password(errors: &Errors) -> Markup {
    let input = |name: &str, has_hint: bool| {
        html! {
            input id=(name) name=(name) type="password" autocomplete="new-password" maxlength="256"
                data-strength[name == "password"]
                aria-invalid=[errors.contains_key(name).then_some("true")]
                aria-describedby=[described_by(name, has_hint, errors.contains_key(name))];
        }
    };
    html! {
        section.card {
            h2 { "Administrator password" }
            (username())
            (field("password", "Password", Some("Four or five unrelated words are strong and easy to remember."),
                errors.get("password"), input("password", true)))
            p #strength.strength role="status" aria-live="polite" {}
            (field("password-again", "The same password again", None, errors.get("password-again"), input("password-again", false)))
        }
    }
}

fn network_ports(values: &Form, ports: &[Port], errors: &Errors) -> Markup {
    html! {
        section.card {
            h2 { "Ports" }
            p.hint { "WAN ports lead to your providers, LAN ports to your own devices. Plug a cable in and watch which one lights up here." }
            div #ports {
                @if let Some(error) = errors.get("ports") { p.error { (error) } }
                @if ports.is_empty() { p { "No Ethernet port was found." } }
                @for port in ports { (port_fields(values, port, errors)) }
            }
        }
    }
}

fn port_fields(values: &Form, port: &Port, errors: &Errors) -> Markup {
    let name = port.name.as_str();
    let role = format!("role-{name}");
    html! {
        fieldset.port {
            legend { (name) }
            p.state id={ "link-" (name) } data-live aria-live="polite" {
                (carrier(port.carrier, port.speed_mbps)) " "
                span.detail { (port.mac.to_string()) " · " (port.driver) }
            }
            div.segments role="group" aria-label={ "Role of " (name) } {
                @for (value, label) in [("wan", "WAN"), ("lan", "LAN"), ("unused", "Unused")] {
                    label { input type="radio" name=(role) value=(value) checked[values.text(&role) == value]; span { (label) } }
                }
            }
            (uplink_fields(values, name, errors))
        }
    }
}

fn uplink_fields(values: &Form, port: &str, errors: &Errors) -> Markup {
    let method = format!("ipv4-{port}");
    html! {
        div.uplink {
            div.segments role="group" aria-label={ "Address of " (port) } {
                @for (value, label) in [("dhcp", "Automatic (DHCP)"), ("static", "Fixed address")] {
                    label { input type="radio" name=(method) value=(value) checked[values.text(&method) == value]; span { (label) } }
                }
            }
            div.static {
                (text(&format!("address-{port}"), "Address with prefix length", "Such as 203.0.113.10/29.", values, errors))
                (text(&format!("gateway-{port}"), "Gateway", "The provider's router, such as 203.0.113.9.", values, errors))
                (text(&format!("dns-{port}"), "DNS servers", "Separated by commas; may be empty.", values, errors))
            }
        }
    }
}

fn lan(values: &Form, errors: &Errors) -> Markup {
    html! {
        section.card {
            h2 { "LAN" }
            (text("lan-address", "The router's address on the LAN", "With prefix length. Each site of a network needs a LAN of its own. \
                If you change it, this page moves there; you will be told before it does.", values, errors))
        }
    }
}

fn network(values: &Form, errors: &Errors) -> Markup {
    html! {
        section.card #network {
            h2 { "Network" }
            @if let Some(error) = errors.get("network") { p.error #network-error { (error) } }
            div.choices role="radiogroup" aria-label="Network" {
                label.choice {
                    input type="radio" name="network" value="create" checked[values.text("network") != "join"];
                    span { strong { "Create a network" } span.hint { "This is the first site, or the only one. You save the network's recovery key on the next page." } }
                }
                label.choice {
                    input type="radio" name="network" value="join" checked[values.text("network") == "join"];
                    span { strong { "Join with a token" } span.hint { "Another site has made a token for this one." } }
                }
            }
            div.joining { (token_field(values.raw("token"), errors.get("token"))) }
        }
    }
}

fn text(name: &str, label: &str, hint: &str, values: &Form, errors: &Errors) -> Markup {
    field(
        name,
        label,
        Some(hint),
        errors.get(name),
        html! {
            input id=(name) name=(name) type="text" value=(values.raw(name)) autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="120"
                aria-invalid=[errors.contains_key(name).then_some("true")]
                aria-describedby=[described_by(name, true, errors.contains_key(name))];
        },
    )
}
