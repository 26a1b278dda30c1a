//! Prefixes none of which overlap, with who has them.

use std::collections::BTreeMap;

use patronus_types::{IpNet, SiteId};
use patronus_wire::overlap;

/// Who has which prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet(BTreeMap<IpNet, SiteId>);

impl PrefixSet {
    /// Who but this site has the prefix, a part of it, or one around it.
    #[must_use]
    pub fn other_holder(&self, prefix: &IpNet, site: &SiteId) -> Option<SiteId> {
        // What is inside begins at the prefix's own address and stands together.
        let inside = self.0.range(*prefix..).take_while(|(found, _)| overlap(found, prefix));
        let around = (0..=prefix.prefix_len()).filter_map(|length| self.0.get_key_value(&shorten(prefix, length)?));
        inside.chain(around).map(|(_, holder)| *holder).find(|holder| holder != site)
    }

    /// Gives a prefix to a site, unless it or a part of it is another's.
    ///
    /// # Errors
    /// Who has it.
    pub fn claim(&mut self, prefix: IpNet, site: SiteId) -> Result<(), SiteId> {
        match self.other_holder(&prefix, &site) {
            Some(holder) => Err(holder),
            None => {
                self.0.insert(prefix, site);
                Ok(())
            }
        }
    }
}

fn shorten(prefix: &IpNet, length: u8) -> Option<IpNet> {
    IpNet::new(prefix.addr(), length).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn any_prefix() -> impl Strategy<Value = IpNet> {
        // Few addresses, so that many overlap.
        let v4 = (any::<u32>(), 0_u8..=32).prop_map(|(bits, length)| {
            IpNet::new(std::net::Ipv4Addr::from(bits & 0x0f0f_0003).into(), length).unwrap().trunc()
        });
        let v6 = (0_u128..4, 120_u8..=128)
            .prop_map(|(bits, length)| IpNet::new(std::net::Ipv6Addr::from(bits << 6).into(), length).unwrap().trunc());
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn a_claim_fails_exactly_when_a_naive_search_finds_another_holder(claims in vec((any_prefix(), 0_u8..3), 0..60)) {
            let mut set = PrefixSet::default();
            let mut naive: Vec<(IpNet, SiteId)> = Vec::new();
            for (prefix, number) in claims {
                let site = SiteId([number; 32]);
                let free = naive.iter().all(|(held, holder)| *holder == site || !overlap(held, &prefix));
                prop_assert_eq!(set.claim(prefix, site).is_ok(), free);
                if free {
                    naive.push((prefix, site));
                }
            }
        }
    }
}
