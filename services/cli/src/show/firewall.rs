//! Rules and explanations as text for people.

use std::fmt::Write;

use serde_json::Value;

use super::{items, word};

/// `/api/firewall`.
pub(crate) fn firewall(answer: &Value) -> String {
    let mut text = format!("{:<24} {:<6} {:<5} {:<5} {:>10}  WHAT\n", "RULE", "DOES", "FROM", "TO", "HITS");
    for rule in items(answer, "/rules") {
        let does = if rule.pointer("/allows") == Some(&Value::Bool(true)) { "allow" } else { "drop" };
        let problem = rule.pointer("/problem").and_then(Value::as_str);
        let problem = problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<24} {does:<6} {:<5} {:<5} {:>10}  {}{problem}",
            word(rule, "/name"),
            word(rule, "/from"),
            word(rule, "/to"),
            word(rule, "/hits"),
            word(rule, "/asks"),
        );
    }
    for uplink in items(answer, "/guard/uplinks") {
        let place = if uplink.pointer("/in_driver") == Some(&Value::Bool(true)) { "in" } else { "behind" };
        let problem = uplink.pointer("/problem").and_then(Value::as_str);
        let problem = problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
        let _ = writeln!(text, "guard: {} {place} the driver{problem}", word(uplink, "/name"));
    }
    for list in items(answer, "/guard/lists") {
        let (name, prefixes, hits) = (word(list, "/name"), word(list, "/prefixes"), word(list, "/hits"));
        let _ = writeln!(text, "guard: list {name} of {prefixes} prefixes has kept out {hits} packets");
    }
    for (reason, count) in answer.pointer("/not_carried").and_then(Value::as_object).into_iter().flatten() {
        let _ = writeln!(text, "not carried: {reason} {count}");
    }
    if let Some(problem) = answer.pointer("/problem").and_then(Value::as_str) {
        let _ = writeln!(text, "newer rules are not in force: {problem}");
    }
    text
}

/// `/api/firewall/explain`.
pub(crate) fn explanation(answer: &Value) -> String {
    let outcome = match word(answer, "/outcome").as_str() {
        "passes" => "It passes.",
        "dropped" => "It is dropped.",
        _ => "No rule is asked.",
    };
    let steps = items(answer, "/steps").filter_map(Value::as_str);
    steps.fold(format!("{outcome}\n"), |text, step| text + "  " + step + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_a_line_and_an_explanation_its_steps() {
        let rule =
            json!({ "name": "no-telnet", "allows": false, "from": "lan", "to": "wan", "hits": 3, "asks": "tcp" });
        let uplink = json!({ "name": "fibre", "in_driver": false, "problem": "not supported" });
        let list = json!({ "name": "bad", "prefixes": 2, "hits": 5 });
        let guard = json!({ "uplinks": [uplink], "lists": [list] });
        let text = firewall(&json!({ "rules": [rule], "not_carried": { "rule": 3 }, "guard": guard }));
        for expected in [
            "no-telnet                drop   lan   wan            3  tcp\n",
            "guard: fibre behind the driver (not supported)\n",
            "guard: list bad of 2 prefixes has kept out 5 packets\nnot carried: rule 3\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        let text = explanation(&json!({ "outcome": "dropped", "steps": ["Because."] }));
        assert_eq!(text, "It is dropped.\n  Because.\n");
    }
}
