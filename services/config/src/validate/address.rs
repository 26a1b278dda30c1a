//! Which addresses one machine can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use patronus_types::{Ipv4Net, Ipv6Net};

/// Whether the address can be that of one other machine that is asked over the network.
pub(super) fn is_usable_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_usable_v4(address),
        IpAddr::V6(address) => is_usable_v6(address) && !address.is_unicast_link_local(),
    }
}

/// Whether one machine can have this address at all, whatever the prefix.
pub(super) fn is_usable_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // 0/8 "this network", 127/8 loopback, 224/4 multicast, 240/4 reserved: RFC 6890.
    first != 0 && first != 127 && first < 224
}

/// The same for IPv6; link-local addresses count as usable.
pub(super) fn is_usable_v6(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast() && address.to_ipv4_mapped().is_none()
}

/// Whether a machine with this prefix can have this address: neither the network's nor the broadcast address.
pub(super) fn is_host_in_v4(network: Ipv4Net, address: Ipv4Addr) -> bool {
    // RFC 3021: a /31 has two machines and no address for all.
    let whole = network.prefix_len() >= 31;
    network.contains(&address) && (whole || (address != network.network() && address != network.broadcast()))
}

/// The same for IPv6: not the subnet-router anycast address (RFC 4291 section 2.6.1).
pub(super) fn is_host_in_v6(network: Ipv6Net, address: Ipv6Addr) -> bool {
    // RFC 6164: a /127 has two routers and no anycast address.
    network.contains(&address) && (network.prefix_len() >= 127 || address != network.network())
}
