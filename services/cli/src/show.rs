//! Answers as text for people.

mod firewall;
mod flows;
mod forwards;
mod routing;
mod sdwan;

use std::fmt::Write;

use serde_json::Value;

pub(crate) use firewall::{explanation, firewall};
pub(crate) use flows::flows;
pub(crate) use forwards::forwards;
pub(crate) use routing::{drains, policies, topology, why};
pub(crate) use sdwan::{event, path_test, paths, signers, site, sites, tokens};

/// `/api/status`.
pub(crate) fn status(answer: &Value) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<14} {value}");
        }
    };
    fact("site", word(answer, "/site"));
    fact("version", word(answer, "/machine/version"));
    fact("slot", word(answer, "/machine/slot"));
    fact("up for", seconds(answer.pointer("/machine/uptime_s")));
    fact("generation", word(answer, "/generation"));
    fact("on trial", seconds(answer.pointer("/trial/seconds_left")));
    fact("data", data_state(answer.pointer("/machine/data/state")));
    fact("last failure", word(answer, "/machine/last_failure"));
    fact(
        "time",
        if answer.pointer("/time/synchronised") == Some(&Value::Bool(true)) { "synchronised" } else { "not confirmed" }
            .to_owned(),
    );
    fact("lan", words(answer.pointer("/lan")));
    for uplink in items(answer, "/uplinks") {
        let carrier = if uplink.get("carrier") == Some(&Value::Bool(true)) { "connected" } else { "no cable" };
        let lease = word(uplink, "/lease_state");
        let line = format!(
            "{} on {}: {carrier} {} {lease}",
            word(uplink, "/name"),
            word(uplink, "/port"),
            words(uplink.get("addresses"))
        );
        fact("uplink", line.trim_end().to_owned());
    }
    text
}

/// `/api/services`.
pub(crate) fn services(answer: &Value) -> String {
    let mut text = format!("{:<12} {:<10} {:>8} {:>10}  LAST EXIT\n", "SERVICE", "STATE", "RESTARTS", "MEMORY");
    for service in items(answer, "/services") {
        let memory_kib = service.get("memory_bytes").and_then(Value::as_u64).unwrap_or_default() / 1024;
        let (name, state) = (word(service, "/name"), word(service, "/state"));
        let line = format!(
            "{name:<12} {state:<10} {:>8} {memory_kib:>6} KiB  {}",
            word(service, "/restarts"),
            word(service, "/last_exit")
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `/api/config/history`.
pub(crate) fn history(answer: &Value) -> String {
    let mut text = format!("{:>10} {:<20} WHO\n", "GENERATION", "WHEN (UTC)");
    for revision in items(answer, "/revisions") {
        let running = if revision.get("running") == Some(&Value::Bool(true)) { "  (running)" } else { "" };
        let (generation, when) = (word(revision, "/generation"), moment(revision.get("committed_unix_s")));
        let _ = writeln!(text, "{generation:>10} {when:<20} {}{running}", word(revision, "/author"));
    }
    text
}

/// One line of `/api/logs`.
pub(crate) fn log_line(line: &Value) -> String {
    let uptime_ms = line.get("uptime_ms").and_then(Value::as_u64).unwrap_or_default();
    format!("{:>8}.{:03} {:<8} {}", uptime_ms / 1000, uptime_ms % 1000, word(line, "/source"), word(line, "/text"))
}

fn items<'a>(answer: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    answer.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A value as a word, without control characters: it is shown on a terminal.
pub(crate) fn word(answer: &Value, pointer: &str) -> String {
    let text = match answer.pointer(pointer) {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    text.chars().filter(|letter| !letter.is_control()).collect()
}

fn words(values: Option<&Value>) -> String {
    let values = values.and_then(Value::as_array).into_iter().flatten();
    values.map(|value| word(value, "")).collect::<Vec<_>>().join(" ")
}

fn seconds(value: Option<&Value>) -> String {
    match value.and_then(Value::as_u64) {
        None => String::new(),
        Some(total) if total >= 3600 => format!("{} h {} min", total / 3600, total % 3600 / 60),
        Some(total) if total >= 60 => format!("{} min {} s", total / 60, total % 60),
        Some(total) => format!("{total} s"),
    }
}

/// Seconds since 1970 as RFC 3339 in UTC.
fn moment(unix_s: Option<&Value>) -> String {
    let moment = unix_s.and_then(Value::as_i64).and_then(|unix_s| jiff::Timestamp::from_second(unix_s).ok());
    moment.map_or_else(|| "unknown".to_owned(), |moment| moment.to_string())
}

/// `"clean"`, or `{"repaired":{"reason":".."}}`.
fn data_state(state: Option<&Value>) -> String {
    match state {
        Some(Value::Object(fields)) => fields
            .iter()
            .map(|(name, detail)| format!("{name}: {}", word(detail, "/reason")))
            .collect::<Vec<_>>()
            .join(", "),
        Some(state) => word(state, ""),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_reads_line_by_line_and_leaves_out_what_is_unknown() {
        let answer = json!({ "site": "hq", "generation": 3, "lan": ["192.168.42.1/24"], "machine": { "uptime_s": 3725, "data": { "state": { "repaired": { "reason": "journal" } } } },
            "uplinks": [{ "name": "wan", "port": "eth0", "carrier": true, "addresses": ["203.0.113.10/24"], "lease_state": "BOUND" }] });
        let text = status(&answer);
        for line in [
            "site           hq\n",
            "up for         1 h 2 min\n",
            "data           repaired: journal\n",
            "uplink         wan on eth0: connected 203.0.113.10/24 BOUND\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("slot"));
    }

    #[test]
    fn the_history_says_when_in_utc() {
        let answer = json!({ "revisions": [
            { "generation": 12, "committed_unix_s": 1_700_000_000, "author": "ada", "running": true },
            { "generation": 11, "committed_unix_s": i64::MAX, "author": "ada", "running": false },
        ] });
        let lines = [
            "GENERATION WHEN (UTC)           WHO",
            "        12 2023-11-14T22:13:20Z ada  (running)",
            "        11 unknown              ada",
        ];
        assert_eq!(history(&answer).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(
            log_line(&json!({ "uptime_ms": 1204, "source": "web", "text": "a\u{1b}[31mb" })),
            "       1.204 web      a[31mb"
        );
    }
}
