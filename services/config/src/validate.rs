//! Rules across the fields of a document.
//!
//! *Does*: every problem at once, each with a name, a place, and what to do.
//! *Never does*: look at the machine: a port that is not plugged in may be configured.
//! *Spec*: RFC 1122 section 3.2.1.3 (addresses with a special meaning), RFC 3021 (/31), RFC 4291 section 2.

mod address;
mod forwards;
mod guard;
mod ipfix;
mod lan;
mod policy;
mod rules;
mod uplinks;

use std::{collections::BTreeSet, fmt::Display, net::IpAddr};

use jiff::tz::TimeZoneDatabase;
use patronus_ipc::config::Problem;
use patronus_types::{DOCUMENT_VERSION, Document, Limit};

use crate::rejection::problem;

/// Everything that is wrong with the document; empty if it may become the running one.
#[must_use]
pub fn validate(document: &Document) -> Vec<Problem> {
    let mut findings = Findings::default();
    version(document, &mut findings);
    time_zone(document, &mut findings);
    time_servers(document, &mut findings);
    stun_servers(document, &mut findings);
    ports(document, &mut findings);
    lan::check(&document.lan, &mut findings);
    uplinks::check(&document.uplinks, &mut findings);
    uplinks::check_overlaps(document, &mut findings);
    forwards::check(document, &mut findings);
    rules::check(document, &mut findings);
    guard::check(document, &mut findings);
    policy::check(document, &mut findings);
    ipfix::check(document, &mut findings);
    findings.0
}

/// Problems found so far.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, code: &'static str, at: impl Into<String>, message: impl Into<String>) {
        self.0.push(problem(code, at, message));
    }

    /// Checks a list against its limit, and that it names nothing twice.
    fn list<T: Ord + Display>(&mut self, at: &str, items: &[T], limit: usize, too_many: &'static str) {
        if items.len() > limit {
            self.add(too_many, at, format!("{} entries; at most {limit} are allowed", items.len()));
        }
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if !seen.insert(item) {
                self.add("repeated", format!("{at}.{index}"), format!("{item} is listed twice; remove one"));
            }
        }
    }
}

/// Documents that come by [`crate::parse`] have been asked already; one that comes with a claim has not.
fn version(document: &Document, findings: &mut Findings) {
    if document.version != DOCUMENT_VERSION {
        let message = format!("version {} is not known here; write {DOCUMENT_VERSION}", document.version);
        findings.add("version-unsupported", "version", message);
    }
}

fn time_zone(document: &Document, findings: &mut Findings) {
    let name = document.site.timezone.as_str();
    let zone = TimeZoneDatabase::bundled().get(name);
    match zone.ok().as_ref().and_then(|zone| zone.iana_name()) {
        Some(exact) if exact == name => {}
        Some(exact) => findings.add("time-zone-unknown", "site.timezone", format!("write \"{exact}\"")),
        None => findings.add(
            "time-zone-unknown",
            "site.timezone",
            format!("there is no time zone \"{name}\"; use a name such as Europe/Zurich or UTC"),
        ),
    }
}

fn time_servers(document: &Document, findings: &mut Findings) {
    let servers = &document.clock.servers;
    findings.list("clock.servers", servers, Limit::CLOCK_SERVERS, "too-many-time-servers");
    for (index, server) in servers.iter().enumerate() {
        let Ok(address) = server.as_str().parse::<IpAddr>() else { continue };
        if !address::is_usable_host(address) {
            let message = format!("{address} cannot be a time server; use the address or name of one machine");
            findings.add("time-server-unusable", format!("clock.servers.{index}"), message);
        }
    }
}

fn stun_servers(document: &Document, findings: &mut Findings) {
    let servers = &document.discovery.stun;
    findings.list("discovery.stun", servers, Limit::STUN_SERVERS, "too-many-stun-servers");
    for (index, server) in servers.iter().enumerate() {
        let Ok(address) = server.host.as_str().parse::<IpAddr>() else { continue };
        if !address::is_usable_host(address) {
            let message = format!("{address} cannot be a STUN server; use the address or name of one machine");
            findings.add("stun-server-unusable", format!("discovery.stun.{index}"), message);
        }
    }
}

/// Names that the box uses for devices of its own.
const RESERVED_PORTS: [&str; 2] = ["lan", "lo"];

/// A port has one role: member of the LAN, or one uplink.
fn ports(document: &Document, findings: &mut Findings) {
    let lan = document.lan.ports.iter().enumerate().map(|(index, port)| (format!("lan.ports.{index}"), port));
    let uplinks = document.uplinks.iter().enumerate().map(|(index, up)| (format!("uplink.{index}.port"), &up.port));
    let mut seen = BTreeSet::new();
    for (at, port) in lan.chain(uplinks) {
        if RESERVED_PORTS.contains(&port.as_str()) {
            findings.add("port-reserved", at, format!("{port} is a device of the box itself; choose an Ethernet port"));
        } else if !seen.insert(port) {
            findings.add("port-used-twice", at, format!("{port} has a role already; a port has one role only"));
        }
    }
}

#[cfg(test)]
mod tests;
