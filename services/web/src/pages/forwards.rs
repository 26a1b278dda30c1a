//! Port forwards, and the form for one more.

use maud::{Markup, html};
use patronus_types::{Document, Forward};

use super::{
    configuration::{on_trial, trial_field},
    layout::{self, token},
    parts::{Tone, described_by, field, list, message},
};
use crate::{form::Form, view::Status};

/// The page; `typed` is what the form holds.
pub(crate) fn page(status: &Status, document: &Document, typed: &Form, error: Option<&str>, csrf: &str) -> Markup {
    layout::administrator(
        "Port forwards",
        "/forwards",
        &status.site,
        csrf,
        html! {
            div.headline { h1 { "Port forwards" } }
            @if let Some(trial) = &status.trial { (on_trial(trial, status.generation, csrf)) }
            @if let Some(error) = error { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            section.card {
                h2 { "From outside to the LAN" }
                p.hint { "Computers on the LAN reach them by the same address and port as everybody else." }
                @if document.forwards.is_empty() { p.none { "None: nothing outside can begin to talk to a computer on the LAN." } }
                @else { (table(&document.forwards, csrf)) }
            }
            section.card { h2 { "Add one" } (form(document, typed, csrf)) }
        },
    )
}

fn table(forwards: &[Forward], csrf: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Port forwards" { table {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Port outside" } th scope="col" { "Leads to" } th scope="col" { "For" }
                th scope="col" { span.hidden { "Action" } }
            } }
            tbody { @for forward in forwards { tr {
                th scope="row" { (forward.name) }
                td { code { (forward.protocol) " " (forward.outside) }
                    span.detail { @match &forward.uplink { Some(uplink) => { (uplink) } None => { "every uplink" } } } }
                td { code { (forward.inside) @if forward.outside.more() > 0 { "-" (forward.inside.port().saturating_add(forward.outside.more())) } } }
                td { @if forward.sources.is_empty() { "everybody" } @else { (list(&forward.sources.iter().map(ToString::to_string).collect::<Vec<_>>())) } }
                td.action { form method="post" action="/forwards/remove" {
                    (token(csrf))
                    input type="hidden" name="name" value=(forward.name);
                    input type="hidden" name="confirm_within_s" value="120";
                    button.quiet.small type="submit" aria-label={ "Remove " (forward.name) } { "Remove" }
                } }
            } } }
        } }
    }
}

fn form(document: &Document, typed: &Form, csrf: &str) -> Markup {
    let text = |name: &str, label: &str, hint: &str| {
        let input = html! {
            input id=(name) name=(name) type="text" value=(typed.raw(name)) autocomplete="off" autocapitalize="none" spellcheck="false"
                maxlength="400" aria-describedby=[described_by(name, true, false)];
        };
        field(name, label, Some(hint), None, input)
    };
    html! {
        form method="post" action="/forwards" {
            (token(csrf))
            (text("name", "Name", "Such as web-server."))
            (field("protocol", "Protocol", None, None, html! {
                select #protocol name="protocol" {
                    @for name in ["tcp", "udp"] { option value=(name) selected[typed.text("protocol") == name] { (name.to_uppercase()) } }
                }
            }))
            (text("outside", "Port outside", "Such as 8080, or several that follow each other, such as 8000-8010."))
            (text("inside", "Leads to", &format!("A computer on the LAN and its port, such as {}:80.", example(document))))
            (field("uplink", "Uplink", None, None, html! {
                select #uplink name="uplink" {
                    option value="" { "Every uplink" }
                    @for uplink in &document.uplinks {
                        option value=(uplink.name) selected[typed.text("uplink") == uplink.name.as_str()] { (uplink.name) }
                    }
                }
            }))
            (text("sources", "Only for", "Prefixes that may use it, separated by commas, such as 198.51.100.0/24. Empty: everybody."))
            (trial_field())
            button type="submit" { "Add" }
        }
    }
}

/// An address on the LAN that may be a computer's.
fn example(document: &Document) -> String {
    let own = document.lan.address;
    own.hosts().filter(|host| *host != own.addr()).nth(8).unwrap_or(own.network()).to_string()
}
