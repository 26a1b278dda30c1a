//! How long an inner packet may be.
//!
//! *Spec*: WireGuard paper section 5.4.6; RFC 791, RFC 8200, RFC 768.

use crate::limit;

const UDP_HEADER: u32 = 8;
const V4_HEADER: u32 = 20;
const V6_HEADER: u32 = 40;
/// The smallest MTU with which a device may have IPv6 (RFC 8200 section 5).
const V6_MIN: u32 = 1280;

/// The MTU of a tunnel over an underlay with this MTU. A multiple of WireGuard's padding, so that padding never makes the datagram
/// longer than the link.
#[must_use]
pub fn inner_mtu(underlay: u32, over_v6: bool) -> u32 {
    uncut(underlay, over_v6).clamp(V6_MIN, limit::FRAME_BYTES as u32)
}

/// The longest inner packet whose datagram such an underlay carries in one piece.
#[must_use]
pub fn uncut(underlay: u32, over_v6: bool) -> u32 {
    let outer = UDP_HEADER + if over_v6 { V6_HEADER } else { V4_HEADER } + limit::DATA_OVERHEAD_BYTES as u32;
    underlay.saturating_sub(outer) / limit::PADDING_BYTES as u32 * limit::PADDING_BYTES as u32
}

/// The same for a family: IPv6 packets are never held to less than [`V6_MIN`], though their datagrams may then be cut on their way.
#[must_use]
pub fn of_family(longest: usize, is_v4: bool) -> usize {
    if is_v4 { longest } else { longest.max(V6_MIN as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ethernet_link_carries_1440_bytes_over_ipv4_and_1408_over_ipv6() {
        assert_eq!((inner_mtu(1500, false), inner_mtu(1500, true)), (1440, 1408));
        assert_eq!((inner_mtu(1492, false), inner_mtu(9000, false)), (1424, 8928));
    }

    #[test]
    fn a_link_too_small_for_ipv6_inside_fragments_rather_than_breaks() {
        assert_eq!((inner_mtu(1280, true), inner_mtu(0, false)), (1280, 1280));
    }
}
