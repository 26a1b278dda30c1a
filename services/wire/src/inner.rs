//! Where a site is inside tunnels.
//!
//! *Does*: an address for each site from what everybody knows of it, so that nobody has to hand any out.
//! *Never does*: depend on what is granted: a site without a prefix has one, too.
//! *Spec*: `docs/wire.md`, section "Inside tunnels"; RFC 4193 section 3.

use std::{net::Ipv6Addr, ops::RangeInclusive};

use patronus_types::{NetworkId, SiteId};

/// Unique local, locally assigned.
const LOCAL: u8 = 0xfd;
/// Bytes of the network's id, then of the site's.
const NETWORK_BYTES: usize = 5;
const SITE_BYTES: usize = 10;

/// The address of a site inside the tunnels of its network.
#[must_use]
pub fn inner_address(network: NetworkId, site: SiteId) -> Ipv6Addr {
    let mut bytes = [0; 16];
    let known = std::iter::once(&LOCAL).chain(&network.0[..NETWORK_BYTES]).chain(&site.0[..SITE_BYTES]);
    bytes.iter_mut().zip(known).for_each(|(place, byte)| *place = *byte);
    bytes.into()
}

/// The address of another site, for who knows his own alone.
#[must_use]
pub fn inner_address_beside(own: Ipv6Addr, site: SiteId) -> Ipv6Addr {
    let mut bytes = own.octets();
    bytes.iter_mut().skip(1 + NETWORK_BYTES).zip(site.0).for_each(|(place, byte)| *place = byte);
    bytes.into()
}

/// The sites that such an address may belong to: those whose ids begin so. `None` if it is none of this network.
#[must_use]
pub fn inner_sites(network: NetworkId, address: Ipv6Addr) -> Option<RangeInclusive<SiteId>> {
    let [first, rest @ ..] = address.octets();
    let (of_network, of_site) = rest.split_at(NETWORK_BYTES);
    if first != LOCAL || of_network != &network.0[..NETWORK_BYTES] {
        return None;
    }
    let with = |fill: u8| SiteId(std::array::from_fn(|place| of_site.get(place).copied().unwrap_or(fill)));
    Some(with(0x00)..=with(0xff))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId([0x11; 32]);

    #[test]
    fn an_address_is_of_the_one_site_whose_id_begins_so() {
        let site = SiteId(std::array::from_fn(|place| place as u8));
        let address = inner_address(NETWORK, site);
        assert_eq!(address, "fd11:1111:1111:1:203:405:607:809".parse::<Ipv6Addr>().unwrap());
        assert!(inner_sites(NETWORK, address).unwrap().contains(&site));
        assert!(!inner_sites(NETWORK, address).unwrap().contains(&SiteId([0xff; 32])));
        assert_eq!(inner_address_beside(inner_address(NETWORK, SiteId([9; 32])), site), address);
    }

    #[test]
    fn addresses_of_others_are_nobodys() {
        let site = SiteId([1; 32]);
        assert_eq!(inner_sites(NETWORK, inner_address(NetworkId([0x12; 32]), site)), None);
        assert_eq!(inner_sites(NETWORK, "fe80::1".parse().unwrap()), None);
    }
}
