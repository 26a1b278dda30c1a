//! Rules of the policy for traffic between sites.

use patronus_types::{ClassPolicy, Document, Limit, Strategy};

use super::Findings;

/// Costs lie between 0 and this.
const MOST_COST: u8 = 100;

pub(super) fn check(document: &Document, findings: &mut Findings) {
    let policy = &document.policy;
    if policy.rules.len() > Limit::CLASS_RULES {
        let message = format!("{} rules; at most {} are allowed", policy.rules.len(), Limit::CLASS_RULES);
        findings.add("too-many-class-rules", "policy.rule", message);
    }
    let ranges: usize = policy.rules.iter().map(|rule| rule.ports.len()).sum();
    if ranges > Limit::CLASS_PORT_RANGES {
        let message =
            format!("{ranges} ranges of ports; at most {} are allowed in all rules", Limit::CLASS_PORT_RANGES);
        findings.add("too-many-class-ports", "policy.rule", message);
    }
    let prefixes: usize = policy.rules.iter().map(|rule| rule.prefixes.len()).sum();
    if prefixes > Limit::CLASS_PREFIXES {
        let message = format!("{prefixes} prefixes; at most {} are allowed in all rules", Limit::CLASS_PREFIXES);
        findings.add("too-many-class-prefixes", "policy.rule", message);
    }
    for (class, wanted) in &policy.classes {
        uplinks(&format!("policy.class.{class}"), wanted, document, findings);
        sla(&format!("policy.class.{class}"), wanted, findings);
    }
    for (index, uplink) in document.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.cost > MOST_COST) {
        let message = format!("{} is not a cost; write a number from 0 (cheap) to {MOST_COST}", uplink.cost);
        findings.add("cost-out-of-range", format!("uplink.{index}.cost"), message);
    }
}

fn uplinks(at: &str, wanted: &ClassPolicy, document: &Document, findings: &mut Findings) {
    findings.list(&format!("{at}.uplinks"), &wanted.uplinks, Limit::UPLINKS, "too-many-uplinks");
    for (index, name) in wanted.uplinks.iter().enumerate() {
        if !document.uplinks.iter().any(|uplink| uplink.name == *name) {
            let message = format!("there is no uplink called {name}; name one, or leave it out");
            findings.add("class-uplink-unknown", format!("{at}.uplinks.{index}"), message);
        }
    }
    if wanted.strategy == Some(Strategy::Pin) && wanted.uplinks.is_empty() {
        let message = "to pin a class, name its uplinks in the order in which they are to be used";
        findings.add("pin-without-uplinks", format!("{at}.strategy"), message);
    }
    if wanted.strategy == Some(Strategy::Duplicate) && wanted.uplinks.len() == 1 {
        let message = "to send a class twice, name two uplinks or more for it, or none";
        findings.add("duplicate-by-one-uplink", format!("{at}.uplinks"), message);
    }
}

/// Nothing is good enough for a limit of 0.
fn sla(at: &str, wanted: &ClassPolicy, findings: &mut Findings) {
    let limits = [
        ("latency_ms", wanted.latency_ms, 60_000),
        ("jitter_ms", wanted.jitter_ms, 60_000),
        ("loss_permille", wanted.loss_permille, 1000),
    ];
    for (name, value, most) in limits {
        if value.is_some_and(|value| value == 0 || value > most) {
            findings.add("sla-out-of-range", format!("{at}.{name}"), format!("write a number from 1 to {most}"));
        }
    }
}
