//! Which traffic is of a class.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{Class, Ipv4Net, PortRange, RuleProtocol};

/// Traffic that is of a class. What is not named matters not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// Of which.
    pub class: Class,
    /// Its protocol.
    #[serde(default)]
    pub protocol: Option<RuleProtocol>,
    /// One of its two addresses is in one of these. What goes between sites over IPv6 has no classes.
    #[serde(default)]
    pub prefixes: Vec<Ipv4Net>,
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
        Self { class, protocol: None, prefixes: Vec::new(), ports: Vec::new(), dscp: Vec::new() }
    }

    /// Whether a packet is meant.
    #[must_use]
    pub fn matches(&self, traffic: &Traffic) -> bool {
        let has_port = |port: u16| self.ports.iter().any(|range| (range.first()..=range.last()).contains(&port));
        let has_address = |address: IpAddr| match address {
            IpAddr::V4(address) => self.prefixes.iter().any(|prefix| prefix.contains(&address)),
            IpAddr::V6(_) => false,
        };
        let (from, to) = traffic.addresses;
        self.protocol.is_none_or(|wanted| wanted.number() == traffic.protocol)
            && (self.prefixes.is_empty() || has_address(from) || has_address(to))
            && (self.ports.is_empty() || traffic.ports.is_some_and(|(from, to)| has_port(from) || has_port(to)))
            && (self.dscp.is_empty() || self.dscp.iter().any(|wanted| wanted.number() == traffic.dscp))
    }
}

/// In words.
impl fmt::Display for ClassRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(before: &str, items: &[T]) -> Option<String> {
            let items: Vec<String> = items.iter().map(T::to_string).collect();
            (!items.is_empty()).then(|| format!("{before}{}", items.join(" or ")))
        }
        let protocol = self.protocol.map(|protocol| protocol.name().to_owned());
        let dscp: Vec<u8> = self.dscp.iter().map(|code| code.number()).collect();
        let words = [protocol, list("port ", &self.ports), list("", &self.prefixes), list("DSCP ", &dscp)];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { f.write_str("anything") } else { f.write_str(&words.join(", ")) }
    }
}

/// What a packet says of itself to rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Of IP.
    pub protocol: u8,
    /// Source and destination.
    pub addresses: (IpAddr, IpAddr),
    /// The same of TCP and UDP; without ports it has none.
    pub ports: Option<(u16, u16)>,
    /// Its mark.
    pub dscp: u8,
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

    fn traffic(protocol: u8, ports: Option<(u16, u16)>, dscp: u8) -> Traffic {
        let addresses = ([10, 1, 0, 2].into(), [10, 2, 0, 2].into());
        Traffic { protocol, addresses, ports, dscp }
    }

    #[test]
    fn a_rule_is_told_in_words() {
        assert_eq!(ClassRule::new(Class::Web).to_string(), "anything");
        let rule = ClassRule {
            protocol: Some(RuleProtocol::Tcp),
            prefixes: vec!["10.2.7.0/24".parse().unwrap()],
            ports: vec!["80".parse().unwrap(), "8000-8010".parse().unwrap()],
            dscp: vec![Dscp(8)],
            ..ClassRule::new(Class::Web)
        };
        assert_eq!(rule.to_string(), "tcp, port 80 or 8000-8010, 10.2.7.0/24, DSCP 8");
    }

    #[test]
    fn a_rule_matches_either_end_of_a_flow_and_only_with_all_that_it_names() {
        let web = ClassRule {
            protocol: Some(RuleProtocol::Tcp),
            ports: vec!["443".parse().unwrap()],
            ..ClassRule::new(Class::Web)
        };
        let ports = |source, destination| Some((source, destination));
        assert!(web.matches(&traffic(6, ports(40_000, 443), 0)) && web.matches(&traffic(6, ports(443, 40_000), 0)));
        assert!(!web.matches(&traffic(17, ports(40_000, 443), 0)) && !web.matches(&traffic(6, ports(40_000, 444), 0)));
        assert!(!web.matches(&traffic(6, None, 0)), "without ports");
        let calls = ClassRule { dscp: vec![Dscp(46)], ..ClassRule::new(Class::Voip) };
        assert!(calls.matches(&traffic(1, None, 46)) && !calls.matches(&traffic(1, None, 0)));
        let store =
            |prefix: &str| ClassRule { prefixes: vec![prefix.parse().unwrap()], ..ClassRule::new(Class::Backup) };
        assert!(
            store("10.1.0.0/24").matches(&traffic(1, None, 0)) && store("10.2.0.2/32").matches(&traffic(1, None, 0))
        );
        assert!(!store("10.3.0.0/16").matches(&traffic(1, None, 0)));
        let six = (IpAddr::from([0_u16; 8]), IpAddr::from([0_u16; 8]));
        assert!(!store("0.0.0.0/0").matches(&Traffic { addresses: six, ..traffic(1, None, 0) }));
    }
}
