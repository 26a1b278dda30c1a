//! Flows between LAN and Internet as text for people.

use std::fmt::Write;

use serde_json::Value;

use super::{items, seconds, word};

/// `/api/flows`.
pub(crate) fn flows(answer: &Value) -> String {
    let mut text = format!(
        "{:<5} {:<22} {:<22} {:<22} {:<12} {:>12} {:>12} {:>12}\n",
        "", "FROM", "TO", "SEEN AS", "UPLINK", "SENT", "RECEIVED", "AGE"
    );
    for flow in items(answer, "/flows") {
        let _ = writeln!(
            text,
            "{:<5} {:<22} {:<22} {:<22} {:<12} {:>12} {:>12} {:>12}",
            word(flow, "/protocol"),
            word(flow, "/inside"),
            word(flow, "/remote"),
            word(flow, "/outside"),
            word(flow, "/uplink"),
            word(flow, "/sent/bytes"),
            word(flow, "/received/bytes"),
            seconds(flow.pointer("/age_s")),
        );
    }
    let _ = writeln!(text, "{} flows of at most {}", word(answer, "/count"), word(answer, "/most"));
    for (reason, count) in answer.pointer("/not_carried").and_then(Value::as_object).into_iter().flatten() {
        let _ = writeln!(text, "not carried: {reason} {count}");
    }
    if let Some(ipfix) = answer.pointer("/ipfix").filter(|ipfix| ipfix.is_object()) {
        let collectors: Vec<_> = items(ipfix, "/collectors").filter_map(Value::as_str).collect();
        let _ = writeln!(
            text,
            "told to {}: {} records, {} messages, {} not sent, {} records not made",
            collectors.join(", "),
            word(ipfix, "/records"),
            word(ipfix, "/messages"),
            word(ipfix, "/send_errors"),
            word(ipfix, "/not_told"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flow_is_a_line_and_so_is_each_reason() {
        let text = flows(&json!({ "count": 1, "most": 8192, "not_carried": { "unsolicited": 3 }, "flows": [{
            "protocol": "tcp", "inside": "192.168.42.77:50000", "remote": "198.51.100.7:443", "outside": "203.0.113.7:2000",
            "uplink": "fibre", "sent": { "bytes": 1500 }, "received": { "bytes": 30_000 }, "age_s": 65,
        }] }));
        assert!(
            text.contains("tcp   192.168.42.77:50000    198.51.100.7:443       203.0.113.7:2000       fibre"),
            "{text}"
        );
        assert!(!text.contains("told to"), "{text}");
        assert!(text.contains("1 flows of at most 8192\nnot carried: unsolicited 3\n"), "{text}");
    }

    #[test]
    fn who_is_told_of_flows_is_a_line() {
        let text = flows(&json!({ "ipfix": { "collectors": ["192.168.42.20:4739"], "records": 120, "messages": 11,
            "send_errors": 2, "not_told": 1 } }));
        let expected = "told to 192.168.42.20:4739: 120 records, 11 messages, 2 not sent, 1 records not made\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
