//! What is behind tunnels.
//!
//! *Does*: say whether a flow may go on where it goes: one that left by an uplink before its destination was known for another site's may not.
//! *Never does*: route: `tunnel` does.

use std::ops::RangeInclusive;

use patronus_ebpf_abi::{Flow, FlowKey, MESH_SLOT};
use patronus_types::Ipv4Net;

use crate::policy::Sites;

/// The addresses of all other sites, in order; none of their prefixes overlap.
#[derive(Debug)]
pub struct Beyond(Vec<RangeInclusive<u32>>);

impl Beyond {
    /// Those of these sites. All addresses there are, are nobody's own.
    #[must_use]
    pub fn of(sites: &Sites) -> Self {
        let range = |net: &Ipv4Net| u32::from(net.network())..=u32::from(net.broadcast());
        let prefixes = sites.iter().flat_map(|(.., prefixes)| prefixes).filter(|net| net.prefix_len() > 0);
        let mut ranges: Vec<_> = prefixes.map(range).collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        Self(ranges)
    }

    /// Whether the flow may go on.
    #[must_use]
    pub fn may_go_on(&self, key: &FlowKey, flow: &Flow) -> bool {
        flow.slot == MESH_SLOT || !self.contains(key.remote.address)
    }

    fn contains(&self, address: u32) -> bool {
        let behind = self.0.partition_point(|range| *range.start() <= address);
        behind.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|range| range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use patronus_ebpf_abi::Endpoint;
    use patronus_types::SiteId;

    use super::*;

    #[test]
    fn a_flow_by_an_uplink_ends_when_its_destination_is_a_sites_and_one_by_a_tunnel_does_not() {
        let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect();
        let site = |number, prefixes: &[&str]| (SiteId([number; 32]), "hq".parse().unwrap(), nets(prefixes));
        let beyond =
            Beyond::of(&vec![site(1, &["10.9.0.0/16", "10.1.2.0/24"]), site(2, &["0.0.0.0/0", "10.1.3.7/32"])]);
        let may_go_on = |address: &str, slot| {
            let remote = Endpoint::new(address.parse::<std::net::Ipv4Addr>().unwrap().into(), 7);
            let key = FlowKey { inside: Endpoint::new(1, 7), remote, protocol: 17 };
            beyond.may_go_on(&key, &Flow { slot, ..Flow::default() })
        };
        for address in ["10.1.2.0", "10.1.2.255", "10.1.3.7", "10.9.0.0", "10.9.255.255"] {
            assert!(!may_go_on(address, 0) && may_go_on(address, MESH_SLOT), "{address}");
        }
        for address in ["0.0.0.0", "10.1.1.255", "10.1.3.6", "10.1.3.8", "10.8.255.255", "10.10.0.0", "255.255.255.255"]
        {
            assert!(may_go_on(address, 0) && may_go_on(address, 15), "{address}");
        }
    }
}
