//! Sites, tokens and paths as text for people.

use std::fmt::Write;

use serde_json::Value;

use super::{items, moment, seconds, word, words};

/// `/api/sdwan/sites`.
pub(crate) fn sites(answer: &Value) -> String {
    let problem = word(answer, "/joining/problem/message");
    if answer.pointer("/joining").is_some_and(Value::is_object) {
        let so_far = if problem.is_empty() { "Nobody has answered yet.".to_owned() } else { problem };
        return format!("This site asks to join a network. {so_far}\n");
    }
    if answer.pointer("/network").is_none_or(Value::is_null) {
        return "This site is in no network. Create one: patronusctl network create. Or join one: patronusctl join TOKEN\n"
            .to_owned();
    }
    let mut text = format!("{:<24} {:<8} {:<9} {:<16} PREFIXES\n", "SITE", "ID", "STATE", "HEARD");
    for site in items(answer, "/sites") {
        let (id, heard) = (short(&word(site, "/id")), seconds(site.pointer("/heard_seconds_ago")));
        let line = format!(
            "{:<24} {id:<8} {:<9} {heard:<16} {}",
            word(site, "/name"),
            state(site),
            words(site.get("prefixes"))
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for conflict in items(answer, "/conflicts") {
        let _ = writeln!(text, "conflict: {}", word(conflict, ""));
    }
    text
}

/// The signers of it.
pub(crate) fn signers(answer: &Value) -> String {
    let mut text = format!("{:<64} {:<14} {:<6} VALID UNTIL\n", "SIGNER", "STATE", "SITES");
    for signer in items(answer, "/network/signers") {
        let is = |field: &str| signer.get(field).and_then(Value::as_bool).unwrap_or_default();
        let state = match (is("is_withdrawn"), is("is_here")) {
            (true, _) => "withdrawn",
            (false, true) => "this router",
            (false, false) => "another router",
        };
        let (key, sites, until) =
            (word(signer, "/key"), word(signer, "/sites"), moment(signer.get("valid_until_unix_s")));
        let _ = writeln!(text, "{key:<64} {state:<14} {sites:<6} {until}");
    }
    text
}

/// One site of it.
pub(crate) fn site(site: &Value) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<14} {value}");
        }
    };
    fact("name", word(site, "/name"));
    fact("id", word(site, "/id"));
    fact("state", state(site).to_owned());
    fact("heard ago", seconds(site.pointer("/heard_seconds_ago")));
    fact("roles", words(site.get("roles")));
    fact("prefixes", words(site.get("prefixes")));
    fact("member since", moment(site.pointer("/member_since_unix_s")));
    fact("valid until", moment(site.pointer("/valid_until_unix_s")));
    fact("token", word(site, "/token"));
    for uplink in items(site, "/uplinks") {
        let (slot, key) = (word(uplink, "/slot"), word(uplink, "/key"));
        fact(
            &format!("uplink {slot}"),
            format!("{} key {key}", words(uplink.get("endpoints"))).trim_start().to_owned(),
        );
    }
    text
}

fn state(site: &Value) -> &str {
    match (site.get("standing").and_then(Value::as_str), site.get("is_active")) {
        (Some("valid"), Some(Value::Bool(true))) => "active",
        (Some("valid"), _) => "silent",
        (Some(standing @ ("not-yet" | "expired" | "revoked")), _) => standing,
        _ => "unknown",
    }
}

/// `/api/sdwan/tokens`.
pub(crate) fn tokens(answer: &Value) -> String {
    let mut text = format!("{:<8} {:<8} {:<20} {:<24} PREFIXES\n", "TOKEN", "STATE", "GOOD UNTIL (UTC)", "USED BY");
    for token in items(answer, "/tokens") {
        let (id, until) = (short(&word(token, "/id")), moment(token.pointer("/expires_unix_s")));
        let line = format!(
            "{id:<8} {:<8} {until:<20} {:<24} {}",
            word(token, "/state"),
            word(token, "/used_by_name"),
            words(token.get("prefixes"))
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `/api/sdwan/paths`.
pub(crate) fn paths(answer: &Value) -> String {
    let mut text = format!(
        "{:<20} {:<6} {:<8} {:>9} {:>9} {:>9} {:>13} {:<22} {:<16} {:>5} {:>14} {:>14}\n",
        "PEER", "SLOTS", "STATE", "RTT", "P95", "JITTER", "LOSS OUT/IN", "ENDPOINT", "WAY", "MTU", "SENT", "RECEIVED"
    );
    for path in items(answer, "/paths") {
        let named = word(path, "/peer_name");
        let peer = if named.is_empty() { short(&word(path, "/peer")) } else { named };
        let slots = format!("{}-{}", word(path, "/local"), word(path, "/remote"));
        let (rtt, p95) = (ms(path, "/quality/rtt_us"), ms(path, "/quality/rtt_p95_us"));
        let jitter = ms(path, "/quality/jitter_us");
        let loss = format!("{}/{}", percent(path, "/quality/loss_out_ppm"), percent(path, "/quality/loss_in_ppm"));
        let liveness = word(path, "/quality/liveness");
        let _ = writeln!(
            text,
            "{peer:<20} {slots:<6} {:<8} {rtt:>9} {p95:>9} {jitter:>9} {loss:>13} {:<22} {:<16} {:>5} {:>14} {:>14}",
            if liveness.is_empty() { word(path, "/status") } else { liveness },
            Some(word(path, "/endpoint")).filter(|endpoint| !endpoint.is_empty()).unwrap_or_else(|| "-".to_owned()),
            way(path),
            word(path, "/mtu"),
            word(path, "/sent/bytes"),
            word(path, "/received/bytes")
        );
    }
    for slot in items(answer, "/slots") {
        let seen: Vec<String> = items(slot, "/seen").filter_map(Value::as_str).map(str::to_owned).collect();
        let seen = if seen.is_empty() { "nowhere".to_owned() } else { seen.join(", ") };
        let _ =
            writeln!(text, "slot {} ({}) is seen from outside at {seen}", word(slot, "/slot"), word(slot, "/device"));
        for answer in items(slot, "/stun") {
            let said = match word(answer, "/seen") {
                seen if seen.is_empty() => "does not answer".to_owned(),
                seen => format!("sees {seen}"),
            };
            let _ = writeln!(text, "  STUN server {} {said}", word(answer, "/server"));
        }
    }
    text
}

/// `/api/sdwan/paths/test`.
pub(crate) fn path_test(answer: &Value) -> String {
    let capacity = match (answer.pointer("/capacity_kbit").and_then(Value::as_f64), word(answer, "/no_capacity")) {
        (Some(kbit), _) => format!("about {:.1} Mbit/s", kbit / 1e3),
        (None, why) if why == "metered" => "not measured: an uplink of this path is metered".to_owned(),
        (None, _) => "not known: the far end did not say what came".to_owned(),
    };
    let rtt = ["min", "median", "p95"].map(|name| ms(answer, &format!("/rtt_{name}_us")));
    let [least, median, p95] = rtt;
    let bytes = |place: &str| answer.pointer(place).and_then(Value::as_u64).unwrap_or_default() / 1_000;
    let facts = [
        ("carries to there", capacity),
        ("round trip", format!("{least} at least, half below {median}, 95 % below {p95}")),
        ("jitter", ms(answer, "/jitter_us")),
        ("loss out/in", format!("{}/{}", percent(answer, "/loss_out_ppm"), percent(answer, "/loss_in_ppm"))),
        ("probes", word(answer, "/probes")),
        ("load", format!("{} kB sent, {} kB came", bytes("/load_sent_bytes"), bytes("/load_received_bytes"))),
        ("took", format!("{} ms", word(answer, "/took_ms"))),
    ];
    facts.iter().map(|(name, value)| format!("{name:<18} {value}\n")).collect()
}

fn ms(path: &Value, place: &str) -> String {
    let us = path.pointer(place).and_then(Value::as_f64);
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.1} ms", us / 1e3))
}

fn percent(path: &Value, place: &str) -> String {
    let ppm = path.pointer(place).and_then(Value::as_f64);
    ppm.map_or_else(|| "-".to_owned(), |ppm| format!("{:.1} %", ppm / 1e4))
}

/// Whether packets go straight to the peer or another site passes them on.
pub(super) fn way(path: &Value) -> String {
    let (relay, name) = (word(path, "/via"), word(path, "/via_name"));
    match (relay.is_empty(), name.is_empty()) {
        (true, _) => word(path, "/way"),
        (false, true) => format!("via {}", short(&relay)),
        (false, false) => format!("via {name}"),
    }
}

/// One event of `/api/events`.
pub(crate) fn event(event: &Value) -> String {
    let kind = word(event, "/event");
    if kind == "CursorTooOld" {
        return "Some events are not kept any more. Look at the sites and paths; what comes from now on follows."
            .to_owned();
    }
    let (name, when) = (word(event, "/name"), moment(event.pointer("/unix_s")));
    let site = if name.is_empty() { short(&word(event, "/site")) } else { name };
    let slots = match event.pointer("/local") {
        Some(local) => format!(" slots {local}-{}", word(event, "/remote")),
        None => String::new(),
    };
    let to = match event.pointer("/to_local") {
        Some(local) => format!(" to {local}-{}", word(event, "/to_remote")),
        None => String::new(),
    };
    let details =
        [("/class", ""), ("/cause", ""), ("/detect_ms", "detected in ms: "), ("/switch_ms", "switched in ms: ")];
    let details = details.map(|(field, says)| (says, word(event, field)));
    let details = details.iter().filter(|(_, word)| !word.is_empty()).map(|(says, word)| format!(" {says}{word}"));
    format!("{when} {kind:<16} {site}{slots}{to}{}", details.collect::<String>())
}

fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_site_without_a_network_is_told_what_to_do() {
        assert!(sites(&json!({ "network": null, "sites": [] })).contains("patronusctl join"));
        let asking = json!({ "network": null, "joining": { "problem": { "message": "The token is used." } } });
        assert!(sites(&asking).contains("The token is used."));
    }

    #[test]
    fn a_test_reads_line_by_line() {
        let told = json!({
            "took_ms": 1_480, "probes": 100, "rtt_min_us": 20_100, "rtt_median_us": 20_500, "rtt_p95_us": 31_000, "jitter_us": 400,
            "loss_out_ppm": 10_000, "loss_in_ppm": 0, "capacity_kbit": 47_912, "load_sent_bytes": 812_345, "load_received_bytes": 811_065
        });
        let text = path_test(&told);
        assert!(text.contains("carries to there   about 47.9 Mbit/s\n"), "{text}");
        assert!(
            text.contains("round trip         20.1 ms at least, half below 20.5 ms, 95 % below 31.0 ms\n"),
            "{text}"
        );
        assert!(
            text.contains("loss out/in        1.0 %/0.0 %\n") && text.contains("812 kB sent, 811 kB came"),
            "{text}"
        );
        let metered = path_test(&json!({ "capacity_kbit": null, "no_capacity": "metered" }));
        assert!(metered.contains("metered") && metered.contains("jitter             -\n"), "{metered}");
    }

    #[test]
    fn sites_and_paths_read_line_by_line() {
        let network = json!({ "network": { "id": "aa" }, "sites": [
            { "id": "0123456789", "name": "hq", "standing": "valid", "is_active": true, "prefixes": ["10.1.0.0/24"] },
            { "id": "1123456789", "name": "lab", "standing": "revoked", "is_active": false, "heard_seconds_ago": 61, "prefixes": [] },
        ] });
        let text = sites(&network);
        assert!(text.contains("hq                       01234567 active"), "{text}");
        assert!(text.contains("lab                      11234567 revoked   1 min 1 s"), "{text}");
        let text = paths(&json!({ "paths": [
                { "peer": "0123456789", "peer_name": "", "local": 0, "remote": 1, "status": "up" },
                { "peer": "1123456789", "peer_name": "hq", "local": 1, "remote": 0, "status": "up", "quality": {
                    "liveness": "suspect", "rtt_us": 20_500, "rtt_p95_us": 31_000, "jitter_us": 400, "loss_out_ppm": 50_000, "loss_in_ppm": 0
                } },
            ] }));
        assert!(
            text.contains("01234567             0-1    up               -         -         -           -/- "),
            "{text}"
        );
        assert!(
            text.contains("hq                   1-0    suspect    20.5 ms   31.0 ms    0.4 ms   5.0 %/0.0 % "),
            "{text}"
        );
        let relayed = json!({ "way": "relayed", "via": "abcdef0123", "via_name": "hq" });
        assert_eq!((way(&relayed).as_str(), way(&json!({ "way": "direct" })).as_str()), ("via hq", "direct"));
    }
}
