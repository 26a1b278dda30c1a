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
        "{:<20} {:<6} {:<5} {:<22} {:>8} {:>14} {:>14} {:>8} {:>9}\n",
        "PEER", "SLOTS", "STATE", "ENDPOINT", "HEARD", "SENT", "RECEIVED", "LOST", "REORDERED"
    );
    for path in items(answer, "/paths") {
        let named = word(path, "/peer_name");
        let peer = if named.is_empty() { short(&word(path, "/peer")) } else { named };
        let slots = format!("{}-{}", word(path, "/local"), word(path, "/remote"));
        let heard = path
            .get("heard_ago_ms")
            .and_then(Value::as_u64)
            .map_or_else(|| "-".to_owned(), |ms| format!("{} s", ms / 1000));
        let endpoint =
            Some(word(path, "/endpoint")).filter(|endpoint| !endpoint.is_empty()).unwrap_or_else(|| "-".to_owned());
        let _ = writeln!(
            text,
            "{peer:<20} {slots:<6} {:<5} {endpoint:<22} {heard:>8} {:>14} {:>14} {:>8} {:>9}",
            word(path, "/status"),
            word(path, "/sent/bytes"),
            word(path, "/received/bytes"),
            word(path, "/lost"),
            word(path, "/reordered")
        );
    }
    text
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
    format!("{when} {kind:<16} {site}{slots}")
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
    fn sites_and_paths_read_line_by_line() {
        let network = json!({ "network": { "id": "aa" }, "sites": [
            { "id": "0123456789", "name": "hq", "standing": "valid", "is_active": true, "prefixes": ["10.1.0.0/24"] },
            { "id": "1123456789", "name": "lab", "standing": "revoked", "is_active": false, "heard_seconds_ago": 61, "prefixes": [] },
        ] });
        let text = sites(&network);
        assert!(text.contains("hq                       01234567 active"), "{text}");
        assert!(text.contains("lab                      11234567 revoked   1 min 1 s"), "{text}");
        let text = paths(
            &json!({ "paths": [{ "peer": "0123456789", "peer_name": "", "local": 0, "remote": 1, "status": "up", "heard_ago_ms": 2900 }] }),
        );
        assert!(text.contains("01234567             0-1    up    -                           2 s"), "{text}");
    }
}
