//! Changes in the words of `ip(8)`, for the log.

use std::fmt;

use super::Change;
use crate::network::{Address, Ipv6Mode, Route, Rule};

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveRule(rule) => write!(f, "rule del {rule}"),
            Self::RemoveRoute(route) => write!(f, "route del {route}"),
            Self::RemoveAddress(address) => write!(f, "address del {address}"),
            Self::AddBridge(mac) => write!(f, "link add lan type bridge address {mac}"),
            Self::SetBridgeMac(mac) => write!(f, "link set lan address {mac}"),
            Self::LeaveLan(port) => write!(f, "link set {port} nomaster"),
            Self::SetDown(port) => write!(f, "link set {port} down"),
            Self::SetIpv6(port, mode) => write!(f, "ipv6 {} on {port}", mode_word(*mode)),
            Self::SetMtu(port, mtu) => write!(f, "link set {port} mtu {mtu}"),
            Self::JoinLan(port) => write!(f, "link set {port} master lan"),
            Self::SetUp(port) => write!(f, "link set {port} up"),
            Self::AddAddress(address) => write!(f, "address add {address}"),
            Self::AddRoute(route) => write!(f, "route add {route}"),
            Self::AddRule(rule) => write!(f, "rule add {rule}"),
        }
    }
}

fn mode_word(mode: Ipv6Mode) -> &'static str {
    match mode {
        Ipv6Mode::Off => "off",
        Ipv6Mode::Manual => "manual",
        Ipv6Mode::Slaac { .. } => "by router advertisements",
        Ipv6Mode::Other => "as the kernel has it",
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev {}", self.net, self.device)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        write!(f, " dev {} table {} metric {}", self.device, self.table, self.metric)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} lookup {} priority {}", self.source, self.table, self.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_like_the_command_that_a_network_engineer_would_type() {
        let route = Route {
            table: 1000,
            prefix: "0.0.0.0/0".parse().unwrap(),
            gateway: Some("192.0.2.1".parse().unwrap()),
            onlink: false,
            device: "eth0".parse().unwrap(),
            metric: 100,
        };
        let text = Change::AddRoute(route).to_string();
        assert_eq!(text, "route add 0.0.0.0/0 via 192.0.2.1 dev eth0 table 1000 metric 100");
    }
}
