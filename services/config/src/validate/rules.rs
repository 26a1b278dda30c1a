//! The firewall's rules.

use std::collections::BTreeSet;

use patronus_types::{Document, IpNet, Limit, Rule, RuleZone, SiteId, SiteName};

use super::Findings;

/// Multicast and what is reserved: nobody's own address (RFC 5771, RFC 6890).
const FIRST_OF_NOBODY: u8 = 224;

pub(super) fn check(document: &Document, findings: &mut Findings) {
    let rules = &document.rules;
    if rules.len() > Limit::RULES {
        let message = format!("{} rules; at most {} are allowed", rules.len(), Limit::RULES);
        findings.add("too-many-rules", "rule", message);
    }
    let entries: usize = rules.iter().map(|rule| rule.source.len() + rule.destination.len() + rule.ports.len()).sum();
    if entries > Limit::RULES_ENTRIES {
        let message =
            format!("the rules name {entries} prefixes and ports in all; at most {} are allowed", Limit::RULES_ENTRIES);
        findings.add("too-many-rule-entries", "rule", message);
    }
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate().take(Limit::RULES) {
        let at = format!("rule.{index}");
        if !names.insert(&rule.name) {
            let message = format!("another rule is called {} already; choose another name", rule.name);
            findings.add("rule-name-used-twice", format!("{at}.name"), message);
        }
        zones(&at, rule, findings);
        site(&at, rule, findings);
        prefixes(&format!("{at}.source"), &rule.source, findings);
        prefixes(&format!("{at}.destination"), &rule.destination, findings);
        families(&at, rule, findings);
        service(&at, rule, findings);
    }
}

/// What the rules are asked about: flows from the LAN, flows from other sites to the LAN, and port forwards.
fn zones(at: &str, rule: &Rule, findings: &mut Findings) {
    use RuleZone::{Lan, Mesh, Own, Wan};
    let message = match (rule.from, rule.to) {
        (Some(Own), _) => "what the router itself sends is not filtered; name another zone, or leave \"from\" out",
        (Some(Lan), Some(Lan)) => "computers on the LAN reach each other without the router; name another zone",
        (Some(Wan), Some(Own)) => "the router is silent towards WAN, and no rule can change that; remove this one",
        (Some(Mesh), Some(Own)) => {
            "what other sites may say to the router itself is fixed; rules are about flows from and to the LAN"
        }
        (Some(Wan | Mesh), Some(Wan | Mesh)) => "nothing passes there; rules are about flows from and to the LAN",
        _ => return,
    };
    findings.add("rule-zones-unusable", format!("{at}.from"), message);
}

fn site(at: &str, rule: &Rule, findings: &mut Findings) {
    let Some(site) = &rule.site else { return };
    if site.parse::<SiteName>().is_err() && site.parse::<SiteId>().is_err() {
        let message =
            format!("\"{}\" is neither the name nor the id of a site", site.chars().take(80).collect::<String>());
        findings.add("rule-site-unreadable", format!("{at}.site"), message);
    }
    let ends = [rule.from, rule.to].iter().filter(|zone| **zone == Some(RuleZone::Mesh)).count();
    if ends != 1 {
        let message = "a site is behind the mesh: write from = \"mesh\" or to = \"mesh\"";
        findings.add("rule-site-without-mesh", format!("{at}.site"), message);
    }
    let named = if rule.from == Some(RuleZone::Mesh) { &rule.source } else { &rule.destination };
    if !named.is_empty() {
        let message = "name either the site or prefixes there, not both";
        findings.add("rule-site-and-prefixes", format!("{at}.site"), message);
    }
}

fn prefixes(at: &str, prefixes: &[IpNet], findings: &mut Findings) {
    findings.list(at, prefixes, Limit::RULE_ENTRIES, "too-many-rule-prefixes");
    for (index, prefix) in prefixes.iter().enumerate() {
        let at = || format!("{at}.{index}");
        if prefix.trunc() != *prefix {
            let message = format!("{prefix} is an address in a prefix; write {} or one address", prefix.trunc());
            findings.add("rule-prefix-unusable", at(), message);
        }
        if matches!(prefix, IpNet::V4(net) if net.addr().octets()[0] >= FIRST_OF_NOBODY) {
            let message = format!("{prefix} is no computer's; rules are about flows between two");
            findings.add("rule-prefix-unusable", at(), message);
        }
    }
}

/// A flow has both ends in one family.
fn families(at: &str, rule: &Rule, findings: &mut Findings) {
    let is_only = |prefixes: &[IpNet], v4: bool| {
        !prefixes.is_empty() && prefixes.iter().all(|prefix| matches!(prefix, IpNet::V4(_)) == v4)
    };
    for (one, other) in [(&rule.source, &rule.destination), (&rule.destination, &rule.source)] {
        if is_only(one, true) && is_only(other, false) {
            let message = "one end has IPv4 prefixes only, the other IPv6 prefixes only: no flow is like that";
            findings.add("rule-families-differ", format!("{at}.destination"), message);
        }
    }
}

fn service(at: &str, rule: &Rule, findings: &mut Findings) {
    findings.list(&format!("{at}.ports"), &rule.ports, Limit::RULE_ENTRIES, "too-many-rule-ports");
    if !rule.ports.is_empty() && !rule.protocol.is_some_and(|protocol| protocol.has_ports()) {
        let message = "ports need protocol = \"tcp\" or \"udp\"";
        findings.add("rule-ports-without-protocol", format!("{at}.ports"), message);
    }
    if rule.dscp.is_some_and(|code| code > 63) {
        findings.add("rule-dscp-unusable", format!("{at}.dscp"), "a DSCP is a number from 0 to 63, such as 46");
    }
}
