//! Which path carries what, and why, as text for people.

use std::fmt::Write;

use serde_json::Value;

use super::{items, sdwan::way, word};

/// The paths of `/api/sdwan/policies`.
pub(crate) fn policies(answer: &Value) -> String {
    let mut text = String::new();
    for site in items(answer, "/sites") {
        let _ = writeln!(text, "{}", name(site));
        for carried in items(site, "/classes") {
            let paths: Vec<String> = items(carried, "/paths").map(slots).collect();
            let spread = carried.get("spread").and_then(Value::as_u64).and_then(|spread| spread.try_into().ok());
            let used = paths.get(..spread.unwrap_or(0)).unwrap_or_default().join(", ");
            let used = if used.is_empty() { "none".to_owned() } else { used };
            let _ = writeln!(text, "  {:<18} {used}", word(carried, "/class"));
        }
    }
    for rule in items(answer, "/rules").filter(|rule| rule.get("is_built_in").and_then(Value::as_bool) == Some(false)) {
        let _ = writeln!(text, "of class {}: {}", word(rule, "/class"), word(rule, "/text"));
    }
    text + &drains(answer)
}

/// The drains of the same.
pub(crate) fn drains(answer: &Value) -> String {
    let mut text = String::new();
    for drain in items(answer, "/drains") {
        let [kind, local, remote] = ["/kind", "/local", "/remote"].map(|field| word(drain, field));
        let site: String = word(drain, "/site").chars().take(8).collect();
        let what =
            [kind, local, remote, site].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "drained: {what}, empty in {} s", word(drain, "/seconds_left"));
    }
    text
}

/// `/api/sdwan/explain`.
pub(crate) fn why(answer: &Value) -> String {
    let mut text = format!("{}\n", name(answer));
    for class in items(answer, "/classes") {
        let _ = writeln!(
            text,
            "{}: {}, {}; good enough are {} ms, {} ms of jitter, {} of 1,000 lost",
            word(class, "/class"),
            word(class, "/preset"),
            word(class, "/strategy"),
            word(class, "/latency_ms"),
            word(class, "/jitter_ms"),
            word(class, "/loss_permille"),
        );
        for path in items(class, "/candidates") {
            let _ = writeln!(
                text,
                "  {:<6} {:<16} {:<8} {:<9} score {:>3}  round trip {:>8} us  jitter {:>7} us  loss {:>6} ppm  cost {}",
                slots(path),
                word(path, "/verdict"),
                word(path, "/liveness"),
                word(path, "/sla"),
                word(path, "/score"),
                measured(path, "latency"),
                measured(path, "jitter"),
                measured(path, "loss"),
                word(path, "/cost_tier"),
            );
        }
    }
    text
}

/// `/api/sdwan/topology`: the sites, and under each the paths to it.
pub(crate) fn topology(answer: &Value) -> String {
    let mut text = String::new();
    for site in items(answer, "/sites") {
        if site.get("is_own").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(text, "{:<24} this one", name(site));
            continue;
        }
        let (up, all) = (word(site, "/paths_up"), word(site, "/paths"));
        let _ = writeln!(text, "{:<24} {:<8} {up} of {all} up", name(site), word(site, "/state"));
        for path in items(answer, "/paths").filter(|path| path.get("site") == site.get("site")) {
            let rtt = match path.get("rtt_us").and_then(Value::as_f64) {
                Some(us) => format!("{:.1} ms", us / 1e3),
                None => "-".to_owned(),
            };
            let classes: Vec<&str> = items(path, "/classes").filter_map(Value::as_str).collect();
            let (way, liveness) = (way(path), word(path, "/liveness"));
            let line = format!("  {:<6} {liveness:<8} {rtt:>9}  {way:<16} {}", slots(path), classes.join(", "));
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

fn measured(path: &Value, term: &str) -> String {
    match word(path, &format!("/{term}/measured")) {
        text if text.is_empty() => "?".to_owned(),
        text => text,
    }
}

fn name(site: &Value) -> String {
    match word(site, "/name") {
        name if name.is_empty() => word(site, "/site"),
        name => name,
    }
}

fn slots(path: &Value) -> String {
    format!("{}-{}", word(path, "/local"), word(path, "/remote"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_site_stands_over_the_paths_to_it() {
        let text = topology(&json!({
            "sites": [
                { "site": "aa", "name": "hq", "is_own": true },
                { "site": "ab", "name": "lab", "state": "partly", "paths": 2, "paths_up": 1 },
            ],
            "paths": [
                { "site": "ab", "local": 0, "remote": 0, "liveness": "up", "way": "direct", "rtt_us": 12_345, "classes": ["voip", "web"] },
                { "site": "ab", "local": 1, "remote": 0, "liveness": "down", "way": "relayed", "via": "cd", "via_name": "hub", "rtt_us": null, "classes": [] },
            ],
        }));
        let lines = [
            "lab                      partly   1 of 2 up",
            "  0-0    up         12.3 ms  direct           voip, web",
            "  1-0    down             -  via hub",
        ];
        assert_eq!(text, format!("{:<24} this one\n{}\n", "hq", lines.join("\n")));
    }

    #[test]
    fn only_the_paths_that_carry_a_class_are_shown() {
        let paths = json!([{ "local": 1, "remote": 0 }, { "local": 0, "remote": 0 }]);
        let text = policies(&json!({
            "sites": [{ "site": "ab", "name": "lab", "classes": [{ "class": "voip", "spread": 1, "paths": paths }] }],
            "drains": [{ "kind": "uplink", "local": 1, "remote": null, "site": null, "seconds_left": 7 }],
        }));
        assert_eq!(text, "lab\n  voip               1-0\ndrained: uplink 1, empty in 7 s\n");
    }
}
