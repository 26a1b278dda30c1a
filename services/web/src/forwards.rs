//! What a person says about port forwards.
//!
//! *Does*: read each field of a form or of the API, and tell everything that is wrong with them.
//! *Never does*: judge a forward among others: `config` does, with the whole document.

use std::{fmt::Display, str::FromStr};

use patronus_ipc::config::Problem;
use patronus_types::{Forward, Transport};
use serde::Deserialize;

use crate::{form::Form, network};

/// A port forward as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// What it shall be called.
    pub name: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// A port, or a range of them.
    pub outside: String,
    /// Address and port.
    pub inside: String,
    /// Name of an uplink; empty for all.
    #[serde(default)]
    pub uplink: String,
    /// Prefixes; none for everybody.
    #[serde(default)]
    pub sources: Vec<String>,
}

impl Typed {
    /// From the page.
    #[must_use]
    pub fn of_form(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            name: text("name"),
            protocol: text("protocol"),
            outside: text("outside"),
            inside: text("inside"),
            uplink: text("uplink"),
            sources: network::words(form.text("sources")),
        }
    }

    /// What was meant.
    ///
    /// # Errors
    /// Every field that cannot be read.
    pub fn read(&self) -> Result<Forward, Vec<Problem>> {
        let mut problems = Vec::new();
        let name = field("name", &self.name, "Give it a name, such as web-server.", &mut problems);
        let protocol = match self.protocol.as_str() {
            "tcp" => Some(Transport::Tcp),
            "udp" => Some(Transport::Udp),
            other => refuse("protocol", other, "Choose tcp or udp.", &mut problems),
        };
        let ports = "Give a port such as 8080, or several such as 8000-8010.";
        let outside = field("outside", &self.outside, ports, &mut problems);
        let computer = "Give address and port of a computer on the LAN, such as 192.168.42.10:80.";
        let inside = field("inside", &self.inside, computer, &mut problems);
        let uplink = match self.uplink.as_str() {
            "" => Some(None),
            text => field("uplink", text, "Choose an uplink.", &mut problems).map(Some),
        };
        let prefix = "Give prefixes such as 198.51.100.0/24 or 203.0.113.7/32.";
        let sources = self.sources.iter().filter_map(|text| field("sources", text, prefix, &mut problems)).collect();
        match (name, protocol, outside, inside, uplink) {
            (Some(name), Some(protocol), Some(outside), Some(inside), Some(uplink)) if problems.is_empty() => {
                Ok(Forward { name, protocol, outside, inside, uplink, sources })
            }
            _ => Err(problems),
        }
    }
}

fn field<T: FromStr<Err: Display>>(at: &str, text: &str, hint: &str, problems: &mut Vec<Problem>) -> Option<T> {
    text.parse().ok().or_else(|| refuse(at, text, hint, problems))
}

fn refuse<T>(at: &str, text: &str, hint: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let shown: String = text.chars().take(40).collect();
    let message = if shown.is_empty() { hint.to_owned() } else { format!("\"{shown}\" cannot be read. {hint}") };
    problems.push(Problem { code: format!("forward-{at}-invalid"), at: at.to_owned(), message });
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Typed {
        let text = |text: &str| text.to_owned();
        Typed {
            name: text("web"),
            protocol: text("tcp"),
            outside: text("8000-8010"),
            inside: text("192.168.42.9:80"),
            uplink: String::new(),
            sources: vec![text("198.51.100.0/24")],
        }
    }

    #[test]
    fn what_is_typed_is_what_is_meant() {
        let forward = typed().read().unwrap();
        assert_eq!(
            (forward.outside.to_string(), forward.inside.to_string()),
            ("8000-8010".into(), "192.168.42.9:80".into())
        );
        assert_eq!((forward.uplink, forward.sources.len()), (None, 1));
        let named = Typed { uplink: "fibre".to_owned(), ..typed() };
        assert_eq!(named.read().unwrap().uplink.unwrap().as_str(), "fibre");
    }

    #[test]
    fn everything_that_cannot_be_read_is_told_at_once() {
        let problems = Typed { sources: vec!["x".to_owned()], ..Typed::default() }.read().unwrap_err();
        let at: Vec<&str> = problems.iter().map(|problem| problem.at.as_str()).collect();
        assert_eq!(at, ["name", "protocol", "outside", "inside", "sources"]);
        assert!(problems[4].message.starts_with("\"x\" cannot be read."), "{problems:?}");
    }
}
