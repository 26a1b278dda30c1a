//! From the set-up form to a claim.
//!
//! *Does*: read every field, collect every error beside its field, build the first document.
//! *Never does*: stop at the first error; keep or show a password; decide what `config` decides (rules across the document).

use std::{collections::BTreeMap, net::Ipv4Addr};

use patronus_ipc::link::{Port, Role};
use patronus_types::{
    Clock, DOCUMENT_VERSION, Discovery, Document, Guard, Ipv4Method, Ipv4Net, Ipv6Method, Lan, Limit, Policy, Site,
    SiteName, TimeZoneName, Uplink, UplinkName,
};

use crate::{form::Form, network, password};

/// What is wrong, by the name of the field.
pub type Errors = BTreeMap<String, String>;

/// The LAN address before anybody chose one.
pub const LAN_ADDRESS: &str = "192.168.42.1/24";

/// What a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The first document.
    pub document: Document,
    /// The token to join a network with; none if this is to be a network's first site.
    pub token: Option<String>,
}

/// What the form holds when it is first shown: `link`'s choice of roles.
#[must_use]
pub fn first_values(ports: &[Port]) -> Form {
    let mut form = Form::default();
    form.set("timezone", "UTC");
    form.set("lan-address", LAN_ADDRESS);
    form.set("network", "create");
    for port in ports {
        form.set(&format!("role-{}", port.name), role_name(port.role));
        form.set(&format!("ipv4-{}", port.name), "dhcp");
    }
    form
}

/// A role as the form writes it.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Wan => "wan",
        Role::Lan => "lan",
        Role::Unused => "unused",
    }
}

/// Reads the form. Passwords are judged but not returned.
///
/// # Errors
/// Every field that is wrong, with what to do.
pub fn read(form: &Form, ports: &[Port]) -> Result<Choice, Errors> {
    let mut errors = Errors::new();
    check_password(form, &mut errors);
    let name = field::<SiteName>(form, "site", "Give this site a name, such as \"office-zurich\".", &mut errors);
    let timezone = read_time_zone(form, &mut errors);
    let address = read_lan_address(form, &mut errors);
    let token = read_network(form, address, &mut errors);
    let lan_ports =
        ports.iter().filter(|port| role_of(form, port) == "lan").map(|port| port.name.clone()).collect::<Vec<_>>();
    if lan_ports.is_empty() {
        errors.insert("ports".to_owned(), "At least one port must be LAN: this page is reached through it.".to_owned());
    }
    let wan_ports = ports.iter().filter(|port| role_of(form, port) == "wan");
    let uplinks: Vec<Uplink> =
        wan_ports.enumerate().filter_map(|(index, port)| read_uplink(form, index, port, &mut errors)).collect();
    if uplinks.len() > Limit::UPLINKS {
        errors.insert("ports".to_owned(), format!("At most {} ports can be WAN.", Limit::UPLINKS));
    }
    match (name, timezone, address) {
        (Some(name), Some(timezone), Some(address)) if errors.is_empty() => {
            let (site, lan) = (Site { name, timezone }, Lan { ports: lan_ports, address, address_v6: None });
            let clock = Clock::default();
            let document = Document {
                version: DOCUMENT_VERSION,
                site,
                clock,
                discovery: Discovery::default(),
                lan,
                uplinks,
                forwards: Vec::new(),
                rules: Vec::new(),
                guard: Guard::default(),
                policy: Policy::default(),
                ipfix: None,
            };
            Ok(Choice { document, token })
        }
        _ => Err(errors),
    }
}

fn role_of<'f>(form: &'f Form, port: &Port) -> &'f str {
    form.text(&format!("role-{}", port.name))
}

fn check_password(form: &Form, errors: &mut Errors) {
    let judgement = password::judge(form.raw("password"), &[form.text("site")]);
    if !judgement.accepted {
        errors.insert("password".to_owned(), judgement.message);
    } else if form.raw("password") != form.raw("password-again") {
        errors.insert("password-again".to_owned(), "The two passwords differ. Type the same one twice.".to_owned());
    }
}

/// The token, if one is to be used; whether it grants the LAN is seen here, before anything is changed.
fn read_network(form: &Form, lan: Option<Ipv4Net>, errors: &mut Errors) -> Option<String> {
    match form.text("network") {
        "create" => None,
        "join" => {
            match network::check_token(form.text("token"), lan) {
                Ok(()) => {}
                Err(network::TokenProblem::Token(message)) => drop(errors.insert("token".to_owned(), message)),
                Err(network::TokenProblem::Lan(message)) => drop(errors.insert("lan-address".to_owned(), message)),
            }
            Some(form.text("token").to_owned())
        }
        _ => {
            errors.insert("network".to_owned(), "Choose whether to create a network or to join one.".to_owned());
            None
        }
    }
}

fn read_time_zone(form: &Form, errors: &mut Errors) -> Option<TimeZoneName> {
    let example = "Choose a time zone from the list, such as Europe/Zurich or UTC.";
    let zone = field::<TimeZoneName>(form, "timezone", example, errors)?;
    if jiff::tz::db().get(zone.as_str()).is_err() {
        errors.insert("timezone".to_owned(), example.to_owned());
        return None;
    }
    Some(zone)
}

fn read_lan_address(form: &Form, errors: &mut Errors) -> Option<Ipv4Net> {
    let example = "Give the router's own address with its prefix length, such as 192.168.42.1/24.";
    let address = field::<Ipv4Net>(form, "lan-address", example, errors)?;
    if !is_host(address) || !address.addr().is_private() {
        let message =
            "Use a host address of a private network (10.x, 172.16-31.x or 192.168.x), such as 192.168.42.1/24.";
        errors.insert("lan-address".to_owned(), message.to_owned());
        return None;
    }
    Some(address)
}

/// Reads the uplink on one WAN port. The first is called `wan`, the next `wan2`, ...
fn read_uplink(form: &Form, index: usize, port: &Port, errors: &mut Errors) -> Option<Uplink> {
    let name = if index == 0 { "wan".to_owned() } else { format!("wan{}", index + 1) };
    let ipv4 = match form.text(&format!("ipv4-{}", port.name)) {
        "static" => read_static(form, port, errors)?,
        _ => Ipv4Method::Dhcp,
    };
    let name = name.parse::<UplinkName>().ok()?;
    Some(Uplink {
        name,
        port: port.name.clone(),
        reachable_at: Vec::new(),
        cost: 0,
        metered: false,
        ipv4,
        ipv6: Ipv6Method::default(),
    })
}

fn read_static(form: &Form, port: &Port, errors: &mut Errors) -> Option<Ipv4Method> {
    let named = |field: &str| format!("{field}-{}", port.name);
    let address_hint = "Give the address with its prefix length as your provider wrote it, such as 203.0.113.10/29.";
    let address = field::<Ipv4Net>(form, &named("address"), address_hint, errors);
    let gateway =
        field::<Ipv4Addr>(form, &named("gateway"), "Give the provider's router, such as 203.0.113.9.", errors);
    let dns = read_addresses(form, &named("dns"), errors);
    let (address, gateway) = (address?, gateway?);
    if !address.contains(&gateway) || gateway == address.addr() {
        errors.insert(named("gateway"), format!("The gateway must be another address inside {}.", address.trunc()));
        return None;
    }
    Some(Ipv4Method::Static { address, gateway, dns: dns? })
}

/// Addresses separated by commas or spaces; none is fine.
fn read_addresses(form: &Form, name: &str, errors: &mut Errors) -> Option<Vec<Ipv4Addr>> {
    let words = form.text(name).split([',', ' ']).filter(|word| !word.is_empty());
    let addresses = words.map(str::parse).collect::<Result<Vec<Ipv4Addr>, _>>().ok();
    let addresses = addresses.filter(|addresses| addresses.len() <= Limit::DNS_SERVERS);
    if addresses.is_none() {
        let message = format!("Give up to {} addresses, separated by commas, such as 9.9.9.9.", Limit::DNS_SERVERS);
        errors.insert(name.to_owned(), message);
    }
    addresses
}

fn field<T: std::str::FromStr>(form: &Form, name: &str, hint: &str, errors: &mut Errors) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match form.text(name).parse() {
        Ok(value) => Some(value),
        Err(_) if form.text(name).is_empty() => {
            errors.insert(name.to_owned(), hint.to_owned());
            None
        }
        Err(error) => {
            errors.insert(name.to_owned(), format!("{}. {hint}", capital(&error.to_string())));
            None
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn is_host(net: Ipv4Net) -> bool {
    net.prefix_len() >= 8 && net.prefix_len() <= 30 && net.addr() != net.network() && net.addr() != net.broadcast()
}

#[cfg(test)]
mod tests;
