//! Which traffic is of a class.

use serde::{Deserialize, Serialize};

use crate::{Class, PortRange, RuleProtocol};

/// Traffic that is of a class. What is not named matters not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// Of which.
    pub class: Class,
    /// Its protocol.
    #[serde(default)]
    pub protocol: Option<RuleProtocol>,
    /// One of its two ports is in one of these.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// It is marked with one of these (RFC 2474).
    #[serde(default)]
    pub dscp: Vec<Dscp>,
}

impl ClassRule {
    /// All traffic is of this class.
    #[must_use]
    pub const fn new(class: Class) -> Self {
        Self { class, protocol: None, ports: Vec::new(), dscp: Vec::new() }
    }

    /// Whether a packet is meant. `ports` are those of TCP and UDP; without ports it has none.
    #[must_use]
    pub fn matches(&self, protocol: u8, ports: Option<(u16, u16)>, dscp: u8) -> bool {
        let has = |port: u16| self.ports.iter().any(|range| (range.first()..=range.last()).contains(&port));
        self.protocol.is_none_or(|wanted| wanted.number() == protocol)
            && (self.ports.is_empty() || ports.is_some_and(|(source, destination)| has(source) || has(destination)))
            && (self.dscp.is_empty() || self.dscp.iter().any(|wanted| wanted.number() == dscp))
    }
}

/// A differentiated services code point: 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Dscp(u8);

impl Dscp {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Dscp {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number < 64 { Ok(Self(number)) } else { Err("a DSCP is a number from 0 to 63") }
    }
}

impl From<Dscp> for u8 {
    fn from(dscp: Dscp) -> Self {
        dscp.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_either_end_of_a_flow_and_only_with_all_that_it_names() {
        let web = ClassRule {
            protocol: Some(RuleProtocol::Tcp),
            ports: vec!["443".parse().unwrap()],
            ..ClassRule::new(Class::Web)
        };
        assert!(web.matches(6, Some((40_000, 443)), 0) && web.matches(6, Some((443, 40_000)), 0));
        assert!(!web.matches(17, Some((40_000, 443)), 0) && !web.matches(6, Some((40_000, 444)), 0));
        assert!(!web.matches(6, None, 0), "without ports");
        let calls = ClassRule { dscp: vec![Dscp(46)], ..ClassRule::new(Class::Voip) };
        assert!(calls.matches(1, None, 46) && !calls.matches(1, None, 0));
    }
}
