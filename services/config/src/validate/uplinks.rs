//! Rules of the ways out.

use std::{collections::BTreeSet, net::SocketAddr};

use patronus_types::{Document, IpNet, Ipv4Method, Ipv4Net, Ipv6Method, Ipv6Net, Limit, Uplink};

use super::{
    Findings,
    address::{is_host_in_v4, is_host_in_v6, is_usable_host, is_usable_v4, is_usable_v6},
};

pub(super) fn check(uplinks: &[Uplink], findings: &mut Findings) {
    if uplinks.len() > Limit::UPLINKS {
        let message = format!("{} uplinks; at most {} are allowed", uplinks.len(), Limit::UPLINKS);
        findings.add("too-many-uplinks", "uplink", message);
    }
    let mut names = BTreeSet::new();
    for (index, uplink) in uplinks.iter().enumerate() {
        let at = format!("uplink.{index}");
        if !names.insert(&uplink.name) {
            let message = format!("another uplink is called {} already; choose another name", uplink.name);
            findings.add("uplink-name-used-twice", format!("{at}.name"), message);
        }
        if (&uplink.ipv4, &uplink.ipv6) == (&Ipv4Method::Off, &Ipv6Method::Off) {
            findings.add("uplink-without-address", at.clone(), "switch IPv4 or IPv6 on, or remove the uplink");
        }
        reachable_at(&at, &uplink.reachable_at, findings);
        static_v4(&at, &uplink.ipv4, findings);
        static_v6(&at, &uplink.ipv6, findings);
    }
}

fn reachable_at(at: &str, addresses: &[SocketAddr], findings: &mut Findings) {
    let at = format!("{at}.reachable_at");
    findings.list(&at, addresses, Limit::REACHABLE_AT, "too-many-forwarded-addresses");
    let is_usable = |address: &SocketAddr| is_usable_host(address.ip()) && address.port() != 0;
    for (index, address) in addresses.iter().enumerate().filter(|(_, address)| !is_usable(address)) {
        let message = format!("{address} cannot be reached; use the router's outside address and the port it forwards");
        findings.add("forwarded-address-unusable", format!("{at}.{index}"), message);
    }
}

fn static_v4(at: &str, method: &Ipv4Method, findings: &mut Findings) {
    let Ipv4Method::Static { address: own, gateway, dns } = method else { return };
    let at = format!("{at}.ipv4");
    if !is_usable_v4(own.addr()) || !is_host_in_v4(*own, own.addr()) || !(8..=31).contains(&own.prefix_len()) {
        let message = format!("a machine cannot have {own}; copy address and prefix length from the provider's letter");
        findings.add("address-unusable", format!("{at}.address"), message);
    }
    if !own.contains(gateway) {
        let message = format!("{gateway} is not inside {}; gateway and address must share the prefix", own.trunc());
        findings.add("gateway-outside-prefix", format!("{at}.gateway"), message);
    } else if *gateway == own.addr() || !is_host_in_v4(*own, *gateway) || !is_usable_v4(*gateway) {
        let message =
            format!("{gateway} cannot be the provider's router; it must be another machine in {}", own.trunc());
        findings.add("gateway-unusable", format!("{at}.gateway"), message);
    }
    findings.list(&format!("{at}.dns"), dns, Limit::DNS_SERVERS, "too-many-dns-servers");
    for (index, server) in dns.iter().enumerate().filter(|(_, server)| !is_usable_host((**server).into())) {
        let message = format!("{server} cannot be a resolver; use the address of one machine");
        findings.add("dns-unusable", format!("{at}.dns.{index}"), message);
    }
}

fn static_v6(at: &str, method: &Ipv6Method, findings: &mut Findings) {
    let Ipv6Method::Static { address: own, gateway, dns } = method else { return };
    let at = format!("{at}.ipv6");
    let address = own.addr();
    let usable = is_usable_v6(address) && !address.is_unicast_link_local() && is_host_in_v6(*own, address);
    if !usable || !(16..=127).contains(&own.prefix_len()) {
        let message = format!("a machine cannot have {own}; copy address and prefix length from the provider's letter");
        findings.add("address-unusable", format!("{at}.address"), message);
    }
    if !own.contains(gateway) && !gateway.is_unicast_link_local() {
        let message = format!("{gateway} is neither inside {} nor link-local (fe80::)", own.trunc());
        findings.add("gateway-outside-prefix", format!("{at}.gateway"), message);
    } else if *gateway == address || !is_usable_v6(*gateway) {
        let message = format!("{gateway} cannot be the provider's router; it must be another machine");
        findings.add("gateway-unusable", format!("{at}.gateway"), message);
    }
    findings.list(&format!("{at}.dns"), dns, Limit::DNS_SERVERS, "too-many-dns-servers");
    for (index, server) in dns.iter().enumerate().filter(|(_, server)| !is_usable_host((**server).into())) {
        let message = format!("{server} cannot be a resolver; use the address of one machine");
        findings.add("dns-unusable", format!("{at}.dns.{index}"), message);
    }
}

/// A prefix lies on one side only: the LAN's and those of static uplinks have no address in common.
pub(super) fn check_overlaps(document: &Document, findings: &mut Findings) {
    let mut seen: Vec<(String, IpNet)> = vec![("lan.address".to_owned(), IpNet::V4(document.lan.address))];
    seen.extend(document.lan.address_v6.map(|network| ("lan.address_v6".to_owned(), IpNet::V6(network))));
    // Bounded also for documents that hold too many uplinks: every pair is compared.
    for (index, uplink) in document.uplinks.iter().enumerate().take(Limit::UPLINKS) {
        for (at, network) in prefixes(index, uplink) {
            if let Some((other, known)) = seen.iter().find(|(_, known)| overlap(*known, network)) {
                let message =
                    format!("{} overlaps with {} of {other}; each side needs its own", network.trunc(), known.trunc());
                findings.add("prefixes-overlap", at.clone(), message);
            }
            seen.push((at, network));
        }
    }
}

/// The prefixes that a static uplink is attached to.
fn prefixes(index: usize, uplink: &Uplink) -> impl Iterator<Item = (String, IpNet)> {
    let v4: Option<Ipv4Net> = if let Ipv4Method::Static { address, .. } = uplink.ipv4 { Some(address) } else { None };
    let v6: Option<Ipv6Net> = if let Ipv6Method::Static { address, .. } = uplink.ipv6 { Some(address) } else { None };
    let v4 = v4.map(|network| (format!("uplink.{index}.ipv4.address"), IpNet::V4(network)));
    v4.into_iter().chain(v6.map(|network| (format!("uplink.{index}.ipv6.address"), IpNet::V6(network))))
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
