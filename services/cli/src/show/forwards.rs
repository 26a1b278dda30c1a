//! Port forwards as text.

use std::fmt::Write;

use serde_json::Value;

use super::{items, word, words};

/// `/api/forwards`.
pub(crate) fn forwards(answer: &Value) -> String {
    let mut text = format!("{:<20} {:<17} {:<22} {:<12} FOR\n", "NAME", "OUTSIDE", "LEADS TO", "UPLINK");
    for forward in items(answer, "/forwards") {
        let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
        let outside = format!("{} {}", word(forward, "/protocol"), word(forward, "/outside"));
        let _ = writeln!(
            text,
            "{:<20} {outside:<17} {:<22} {:<12} {}",
            word(forward, "/name"),
            word(forward, "/inside"),
            or(word(forward, "/uplink"), "every"),
            or(words(forward.get("sources")), "everybody"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_forward_is_a_line() {
        let forward = json!({ "name": "web", "protocol": "tcp", "outside": "8000-8010", "inside": "192.168.42.9:80", "uplink": null });
        let text = forwards(&json!({ "forwards": [forward] }));
        assert!(
            text.contains("web                  tcp 8000-8010     192.168.42.9:80        every        everybody\n"),
            "{text}"
        );
    }
}
