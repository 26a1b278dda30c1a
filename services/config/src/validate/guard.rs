//! What uplinks do not let in.

use std::{collections::BTreeSet, net::IpAddr};

use patronus_types::{BlockList, Document, Guard, IpNet, Ipv4Method, Ipv6Method, Limit};

use super::Findings;

pub(super) fn check(document: &Document, findings: &mut Findings) {
    let guard = &document.guard;
    if guard.block.len() > Limit::BLOCK_LISTS {
        let message = format!("{} lists; at most {} are allowed", guard.block.len(), Limit::BLOCK_LISTS);
        findings.add("too-many-block-lists", "guard.block", message);
    }
    let prefixes = guard.block.iter().map(|list| list.prefixes.len()).sum::<usize>() + guard.allow.len();
    if prefixes > Limit::BLOCKED_PREFIXES {
        let message = format!("{prefixes} prefixes in all; at most {} are allowed", Limit::BLOCKED_PREFIXES);
        findings.add("too-many-blocked-prefixes", "guard.block", message);
        return;
    }
    rates(guard, findings);
    let providers = providers(document);
    let mut names = BTreeSet::new();
    for (index, list) in guard.block.iter().enumerate().take(Limit::BLOCK_LISTS) {
        let at = format!("guard.block.{index}");
        if !names.insert(&list.name) {
            let message = format!("another list is called {} already; choose another name", list.name);
            findings.add("block-list-name-used-twice", format!("{at}.name"), message);
        }
        check_list(&format!("{at}.prefixes"), list, guard, &providers, findings);
    }
}

fn rates(guard: &Guard, findings: &mut Findings) {
    for (name, rate) in
        [("syn_per_second", guard.syn_per_second), ("handshakes_per_second", guard.handshakes_per_second)]
    {
        if rate > Limit::GUARD_RATE {
            let message = format!("{rate} a second; write 0 for no limit, or at most {}", Limit::GUARD_RATE);
            findings.add("guard-rate-too-high", format!("guard.{name}"), message);
        }
    }
}

/// The routers and resolvers that a person has written down. Without them an uplink is of no use.
fn providers(document: &Document) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for uplink in &document.uplinks {
        if let Ipv4Method::Static { gateway, dns, .. } = &uplink.ipv4 {
            all.extend(dns.iter().chain([gateway]).copied().map(IpAddr::from));
        }
        if let Ipv6Method::Static { gateway, dns, .. } = &uplink.ipv6 {
            all.extend(dns.iter().chain([gateway]).copied().map(IpAddr::from));
        }
    }
    all
}

fn check_list(at: &str, list: &BlockList, guard: &Guard, providers: &[IpAddr], findings: &mut Findings) {
    for (index, prefix) in list.prefixes.iter().enumerate() {
        let at = format!("{at}.{index}");
        if prefix.prefix_len() == 0 {
            let message = format!(
                "{prefix} is everybody, also who answers to computers on the LAN; strangers are kept out without it"
            );
            findings.add("block-everybody", at, message);
            continue;
        }
        let is_allowed = |address: &IpAddr| {
            let longer = |allowed: &IpNet| allowed.prefix_len() >= prefix.prefix_len() && allowed.contains(address);
            guard.allow.iter().any(longer)
        };
        let cut_off = |address: &&IpAddr| prefix.contains(*address) && !is_allowed(address);
        if let Some(address) = providers.iter().find(cut_off) {
            let message =
                format!("{prefix} holds {address}, without which an uplink is of no use; add it to \"allow\"");
            findings.add("block-own-provider", at, message);
        }
    }
}
