//! Which peer has which addresses.
//!
//! *Does*: longest prefix match, for packets that leave and for the source of those that arrive.
//! *Spec*: WireGuard paper section 2, "cryptokey routing".

use std::net::IpAddr;

use patronus_types::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// Prefixes and whose they are.
#[derive(Clone, Debug)]
pub struct Prefixes<T> {
    v4: PrefixMap<Ipv4Net, T>,
    v6: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { v4: PrefixMap::new(), v6: PrefixMap::new() }
    }
}

impl<T: Copy> Prefixes<T> {
    /// Gives a prefix to a peer. The first to whom it is given keeps it.
    pub fn grant(&mut self, prefix: IpNet, peer: T) {
        match prefix {
            IpNet::V4(net) => _ = self.v4.entry(net.trunc()).or_insert(peer),
            IpNet::V6(net) => _ = self.v6.entry(net.trunc()).or_insert(peer),
        }
    }

    /// Whose an address is.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<T> {
        match address {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|(_, peer)| *peer),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|(_, peer)| *peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// Few bits, so that prefixes nest and addresses hit.
    fn prefix() -> impl Strategy<Value = IpNet> {
        let v4 = (0..64_u32, 26..=32_u8).prop_map(|(host, length)| (Ipv4Addr::from(0x0a00_0000 + host), length));
        let v6 = (0..64_u128, 122..=128_u8).prop_map(|(host, length)| (Ipv6Addr::from((0xfd << 120) + host), length));
        prop_oneof![
            v4.prop_map(|(address, length)| Ipv4Net::new(address, length).unwrap().into()),
            v6.prop_map(|(address, length)| Ipv6Net::new(address, length).unwrap().into()),
        ]
    }

    proptest! {
        #[test]
        fn the_owner_is_that_of_the_longest_prefix_in_a_plain_list(
            granted in proptest::collection::vec(prefix(), 0..40), asked in proptest::collection::vec(prefix(), 1..40)
        ) {
            let mut prefixes = Prefixes::default();
            for (peer, prefix) in granted.iter().enumerate() {
                prefixes.grant(*prefix, peer);
            }
            for address in asked.iter().map(IpNet::addr) {
                let holding = granted.iter().enumerate().filter(|(_, net)| net.contains(&address));
                // Of the longest the first: `max_by_key` takes the last, so look from the end.
                let naive = holding.rev().max_by_key(|(_, net)| net.prefix_len()).map(|(peer, _)| peer);
                prop_assert_eq!(prefixes.owner(address), naive);
            }
        }
    }
}
