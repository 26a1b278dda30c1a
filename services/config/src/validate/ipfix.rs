//! Rules of the export of flows.

use std::{collections::BTreeSet, net::IpAddr};

use patronus_types::{Document, Ipfix, Limit};

use super::{Findings, address::is_usable_host};

pub(super) fn check(document: &Document, findings: &mut Findings) {
    let Some(ipfix) = &document.ipfix else { return };
    let at = "ipfix.collectors";
    if ipfix.collectors.is_empty() {
        findings.add(
            "ipfix-without-collector",
            at,
            "name a collector, such as \"192.168.42.20:4739\", or remove [ipfix]",
        );
    }
    findings.list(at, &ipfix.collectors, Limit::COLLECTORS, "too-many-collectors");
    let own: BTreeSet<_> = own_addresses(document).collect();
    for (index, collector) in ipfix.collectors.iter().enumerate() {
        let (address, at) = (collector.ip(), format!("{at}.{index}"));
        if !is_usable_host(address) || collector.port() == 0 {
            let message = format!("{collector} cannot be a collector; use the address and UDP port of one machine");
            findings.add("collector-unusable", at, message);
        } else if own.contains(&address) {
            let message = format!("{address} is the router itself; a collector is another machine");
            findings.add("collector-is-router", at, message);
        }
    }
    if !Ipfix::ACTIVE_SECONDS.contains(&ipfix.active_seconds) {
        let (least, most) = (Ipfix::ACTIVE_SECONDS.start(), Ipfix::ACTIVE_SECONDS.end());
        let message = format!("{} seconds; use {least} to {most}", ipfix.active_seconds);
        findings.add("active-seconds-out-of-range", "ipfix.active_seconds", message);
    }
}

/// Those that the document gives.
fn own_addresses(document: &Document) -> impl Iterator<Item = IpAddr> {
    let lan = [Some(document.lan.address.addr().into()), document.lan.address_v6.map(|net| net.addr().into())];
    lan.into_iter().flatten()
}
