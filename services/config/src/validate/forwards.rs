//! Rules of port forwards.

use std::collections::BTreeSet;

use patronus_types::{Document, Forward, Ipv4Net, Limit, ports::OWN_PORTS};

use super::{Findings, address::is_host_in_v4};

pub(super) fn check(document: &Document, findings: &mut Findings) {
    let forwards = &document.forwards;
    if forwards.len() > Limit::FORWARDS {
        let message = format!("{} port forwards; at most {} are allowed", forwards.len(), Limit::FORWARDS);
        findings.add("too-many-forwards", "forward", message);
    }
    let mut names = BTreeSet::new();
    // Bounded also for documents that hold too many: every pair is compared.
    for (index, forward) in forwards.iter().enumerate().take(Limit::FORWARDS) {
        let at = format!("forward.{index}");
        if !names.insert(&forward.name) {
            let message = format!("another port forward is called {} already; choose another name", forward.name);
            findings.add("forward-name-used-twice", format!("{at}.name"), message);
        }
        uplink(&at, forward, document, findings);
        outside(&at, forward, forwards.get(..index).unwrap_or_default(), findings);
        inside(&at, forward, document.lan.address, findings);
        findings.list(&format!("{at}.sources"), &forward.sources, Limit::FORWARD_SOURCES, "too-many-forward-sources");
    }
}

fn uplink(at: &str, forward: &Forward, document: &Document, findings: &mut Findings) {
    if let Some(name) = &forward.uplink
        && !document.uplinks.iter().any(|uplink| uplink.name == *name)
    {
        let message = format!("there is no uplink called {name}; name one, or leave it out for all");
        findings.add("forward-uplink-unknown", format!("{at}.uplink"), message);
    }
}

/// The ports are not the box's own and not those of a forward before.
fn outside(at: &str, forward: &Forward, before: &[Forward], findings: &mut Findings) {
    let ports = forward.outside;
    let at = format!("{at}.outside");
    if let Some(own) = OWN_PORTS.iter().find(|own| ports.overlaps(own)) {
        let message = format!("{ports} has a port of the router itself ({}-{}); choose others", own.start(), own.end());
        findings.add("forward-port-own", at.clone(), message);
    }
    let is_shared = |other: &&Forward| {
        other.protocol == forward.protocol
            && ports.overlaps(&(other.outside.first()..=other.outside.last()))
            && (other.uplink.is_none() || forward.uplink.is_none() || other.uplink == forward.uplink)
    };
    if let Some(other) = before.iter().find(is_shared) {
        let message = format!("{} of {ports} leads to {} already, by {}", forward.protocol, other.inside, other.name);
        findings.add("forwards-overlap", at, message);
    }
}

fn inside(at: &str, forward: &Forward, lan: Ipv4Net, findings: &mut Findings) {
    let at = format!("{at}.inside");
    let (address, port) = (*forward.inside.ip(), forward.inside.port());
    if !is_host_in_v4(lan, address) {
        let message = format!("{address} is no computer on the LAN; use an address in {}", lan.trunc());
        findings.add("forward-inside-not-on-lan", at, message);
    } else if address == lan.addr() {
        let message = format!("{address} is the router itself; its page stays on the LAN");
        findings.add("forward-inside-router", at, message);
    } else if port == 0 || port.checked_add(forward.outside.more()).is_none() {
        let message = format!("{} ports from {port} on do not exist; use ports from 1 to 65535", forward.outside);
        findings.add("forward-inside-ports", at, message);
    }
}
