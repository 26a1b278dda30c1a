//! Prefixes of sites.
//!
//! *Does*: one encoding of a list: sorted, without host bits, none inside another.
//! *Never does*: accept what no site can own: default routes, loopback, link-local, multicast, the reserved rest.
//! *Spec*: RFC 6890 for what is reserved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use patronus_types::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    Refused,
    bytes::{Reader, Writer},
    limit,
};

const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;
/// A wider one would take a good part of the world's addresses into the tunnels.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 16;

/// Whether two prefixes have an address in common.
#[must_use]
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

pub(crate) fn write_all(prefixes: &[IpNet], writer: &mut Writer) {
    writer.count(prefixes.len());
    for prefix in prefixes {
        writer.u8(if prefix.addr().is_ipv4() { FAMILY_V4 } else { FAMILY_V6 });
        writer.u8(prefix.prefix_len());
        write_address(&prefix.addr(), writer);
    }
}

pub(crate) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<IpNet>, Refused> {
    let count = reader.count(limit::PREFIXES, Refused::TooManyPrefixes)?;
    let mut prefixes: Vec<IpNet> = Vec::with_capacity(count);
    for _ in 0..count {
        let prefix = read(reader)?;
        if prefixes.iter().any(|earlier| overlap(earlier, &prefix)) {
            return Err(Refused::PrefixesOverlap);
        }
        if prefixes.last().is_some_and(|last| *last > prefix) {
            return Err(Refused::PrefixesOutOfOrder);
        }
        prefixes.push(prefix);
    }
    Ok(prefixes)
}

fn read(reader: &mut Reader<'_>) -> Result<IpNet, Refused> {
    let (family, length) = (reader.u8()?, reader.u8()?);
    let (net, shortest) = match family {
        FAMILY_V4 => (Ipv4Net::new(Ipv4Addr::from(reader.array::<4>()?), length).map(IpNet::V4), SHORTEST_V4),
        FAMILY_V6 => (Ipv6Net::new(Ipv6Addr::from(reader.array::<16>()?), length).map(IpNet::V6), SHORTEST_V6),
        _ => return Err(Refused::PrefixFamilyUnknown),
    };
    let net = net.map_err(|_| Refused::PrefixTooLong)?;
    if length < shortest {
        Err(Refused::PrefixTooWide)
    } else if net.trunc() != net {
        Err(Refused::PrefixHostBits)
    } else if is_reserved(&net.addr()) {
        Err(Refused::PrefixReserved)
    } else {
        Ok(net)
    }
}

/// The first address tells: every reserved range that follows is at least as wide as the widest prefix allowed, or begins with it.
fn is_reserved(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            first == 0 || first == 127 || first >= 224 || (first, second) == (169, 254)
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            // ::/16 holds unspecified, loopback and IPv4-mapped.
            first == 0 || first & 0xffc0 == 0xfe80 || first >= 0xff00
        }
    }
}

pub(crate) fn write_address(address: &IpAddr, writer: &mut Writer) {
    match address {
        IpAddr::V4(v4) => writer.bytes(&v4.octets()),
        IpAddr::V6(v6) => writer.bytes(&v6.octets()),
    }
}
