//! What goes through the box and what does not, as Prometheus shows it.
//!
//! *Spec*: Prometheus text format 0.0.4.

use std::fmt::{Display, Write};

use patronus_ipc::datapath::{Firewall, State};

/// The part of `/metrics` that `datapath` knows.
#[must_use]
pub(crate) fn prometheus(state: &State, firewall: &Firewall) -> String {
    let mut text = Text::default();
    text.one("patronus_flows", "gauge", "Flows, as of the last count.", state.flows);
    text.one("patronus_flows_max", "gauge", "Flows that the table holds.", state.flows_max);
    text.about("patronus_not_carried_packets_total", "counter", "Packets that were not carried.");
    for (reason, count) in &firewall.not_carried {
        text.sample("patronus_not_carried_packets_total", &[("reason", reason)], count);
    }
    text.about("patronus_rule_hits_total", "counter", "First packets that a rule has decided about.");
    for (rule, hits) in firewall.rules.iter().filter_map(|rule| Some((rule, rule.hits?))) {
        let action = if rule.allows { "allow" } else { "drop" };
        text.sample("patronus_rule_hits_total", &[("rule", &rule.name), ("action", action)], hits);
    }
    text.about("patronus_guard_packets_total", "counter", "Packets that a list of the guard has kept out.");
    for list in &firewall.guard.lists {
        text.sample("patronus_guard_packets_total", &[("list", list.name.as_str())], list.hits);
    }
    if let Some(ipfix) = &state.ipfix {
        text.one("patronus_ipfix_records_total", "counter", "Records of flows made.", ipfix.records);
        text.one("patronus_ipfix_messages_total", "counter", "Messages sent to collectors.", ipfix.messages);
        text.one("patronus_ipfix_send_errors_total", "counter", "Messages that could not be sent.", ipfix.send_errors);
        text.one("patronus_ipfix_not_told_total", "counter", "Records that were not made.", ipfix.not_told);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Names of rules, lists and reasons have no character that would need escaping.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.about(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }
}

#[cfg(test)]
mod tests {
    use patronus_ipc::datapath::{Guard, Ipfix, Listed, Rule};

    use super::*;

    #[test]
    fn each_count_has_a_name_and_says_what_it_is_of() {
        let rule = |name: &str, allows, hits| Rule {
            name: name.to_owned(),
            built_in: false,
            allows,
            from: "lan".to_owned(),
            to: "wan".to_owned(),
            asks: String::new(),
            log: false,
            hits,
            problem: None,
        };
        let firewall = Firewall {
            rules: vec![rule("no-telnet", false, Some(7)), rule("web", true, Some(0)), rule("established", true, None)],
            not_carried: [("blocked".to_owned(), 3)].into(),
            guard: Guard {
                lists: vec![Listed { name: "bad".parse().unwrap(), prefixes: 2, hits: 3 }],
                ..Guard::default()
            },
            ..Firewall::default()
        };
        let mut state = State { flows: 5, flows_max: 4096, ..State::default() };
        let text = prometheus(&state, &firewall);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "patronus_flows 5",
                "patronus_flows_max 4096",
                "patronus_not_carried_packets_total{reason=\"blocked\"} 3",
                "patronus_rule_hits_total{rule=\"no-telnet\",action=\"drop\"} 7",
                "patronus_rule_hits_total{rule=\"web\",action=\"allow\"} 0",
                "patronus_guard_packets_total{list=\"bad\"} 3",
            ]
        );
        state.ipfix = Some(Ipfix { records: 9, ..Ipfix::default() });
        assert!(prometheus(&state, &firewall).contains("\npatronus_ipfix_records_total 9\n"));
    }
}
