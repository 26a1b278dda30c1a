//! How a packet is rewritten.
//!
//! *Does*: name each change of a packet and of the checksums over it, in an order that eBPF and host both follow.
//! *Never does*: touch the TTL: the kernel forwards, and it counts.
//! *Spec*: RFC 3022 section 4; RFC 1624 (checksums); RFC 5508 section 4 (errors); RFC 879, RFC 4459 section 3.2 (MSS).

use patronus_ebpf_abi::Endpoint;

use crate::packet::{Frame, ICMP, INNER, IP_BYTES, Kind, Packet, SYN, TCP, UDP};

const IP_CHECKSUM: u32 = 10;
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
/// Headers of IP and TCP, which the MSS does not count.
const HEADERS: u32 = 40;
/// TCP options: the end, nothing, the MSS.
const END: u8 = 0;
const NOTHING: u8 = 1;
const MSS: u8 = 2;
/// A TCP header has at most 40 bytes of options; looked at are those that stand before the tenth.
const OPTIONS: u32 = 10;

/// A checksum that follows a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Of an IP header.
    Ip,
    /// Over the content, as of ICMP, and of TCP and UDP for what is not an address.
    Content,
    /// Of TCP and UDP for an address, which is not in the content that is summed.
    Pseudo,
}

/// Changes to a packet; offsets count from its IP header, numbers are in host order.
pub trait Edit {
    /// Writes two bytes.
    fn write_half(&mut self, at: u32, to: u16);
    /// Writes four bytes.
    fn write_word(&mut self, at: u32, to: u32);
    /// Mends the checksum at `at` for two bytes that change. With `may_be_none` a checksum of 0 says that there is none (UDP).
    fn mend_half(&mut self, at: u32, from: u16, to: u16, checksum: Checksum, may_be_none: bool);
    /// The same for four.
    fn mend_word(&mut self, at: u32, from: u32, to: u32, checksum: Checksum, may_be_none: bool);
}

/// What is to be changed in a packet: one end of it, and the MSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// From inside to outside: the source is changed; else the destination.
    is_out: bool,
    kind: Kind,
    protocol: u32,
    from: Endpoint,
    to: Endpoint,
    /// Largest MSS that the packet may ask for; 0: it asks for none.
    mss: u16,
    /// A later part of a datagram: it has no ports, and no checksum over its content.
    is_part: bool,
}

impl Translation {
    /// No packet's.
    pub(crate) const NONE: Self = Self {
        is_out: false,
        kind: Kind::Ports,
        protocol: 0,
        from: Endpoint::new(0, 0),
        to: Endpoint::new(0, 0),
        mss: 0,
        is_part: false,
    };

    /// A packet from inside becomes one of `outside`.
    #[inline(always)]
    #[must_use]
    pub const fn out(packet: &Packet, outside: Endpoint, mtu: u32) -> Self {
        Self::new(true, packet, packet.source, outside, mtu)
    }

    /// A packet from outside becomes one for `inside`.
    #[inline(always)]
    #[must_use]
    pub const fn into(packet: &Packet, inside: Endpoint, mtu: u32) -> Self {
        Self::new(false, packet, packet.destination, inside, mtu)
    }

    #[inline(always)]
    const fn new(is_out: bool, packet: &Packet, from: Endpoint, to: Endpoint, mtu: u32) -> Self {
        let mss = if packet.flags & SYN != 0 { mtu.saturating_sub(HEADERS) as u16 } else { 0 };
        Self { is_out, kind: packet.kind, protocol: packet.protocol, from, to, mss, is_part: false }
    }

    /// One end of a packet of TCP or UDP that is in one piece and no SYN.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn plain(is_out: bool, protocol: u32, from: Endpoint, to: Endpoint) -> Self {
        Self { is_out, protocol, from, to, ..Self::NONE }
    }

    /// A later part of a datagram, from inside or to it.
    #[inline(always)]
    #[must_use]
    pub const fn part(is_out: bool, from: Endpoint, to: Endpoint) -> Self {
        Self { is_out, from, to, is_part: true, ..Self::NONE }
    }

    /// What the changed end becomes.
    #[inline(always)]
    pub(crate) const fn to(&self) -> Endpoint {
        self.to
    }

    /// Makes the changes.
    #[inline(always)]
    pub fn apply(&self, packet: &mut (impl Frame + Edit)) {
        match self.kind {
            Kind::Error => self.apply_to_error(packet),
            _ => self.apply_to_packet(packet),
        }
        if self.mss != 0 && self.protocol == TCP {
            clamp(packet, IP_BYTES, self.mss);
        }
    }

    #[inline(always)]
    fn apply_to_packet(&self, packet: &mut impl Edit) {
        let checksum_at = IP_BYTES + checksum_of(self.protocol);
        let is_udp = self.protocol == UDP;
        let address_at = if self.is_out { SOURCE } else { DESTINATION };
        packet.mend_word(IP_CHECKSUM, self.from.address, self.to.address, Checksum::Ip, false);
        if self.protocol != ICMP && !self.is_part {
            packet.mend_word(checksum_at, self.from.address, self.to.address, Checksum::Pseudo, is_udp);
        }
        packet.write_word(address_at, self.to.address);
        if self.from.port != self.to.port && !self.is_part {
            packet.mend_half(checksum_at, self.from.port, self.to.port, Checksum::Content, is_udp);
            packet.write_half(IP_BYTES + port_of(self.protocol, self.is_out), self.to.port);
        }
    }

    /// Outside its own header, an error carries the packet it is about, which went the other way. What changes in there changes the inner
    /// header's checksum by as much, so the sum over both stays; only the port shows in the sum of the error.
    #[inline(always)]
    fn apply_to_error(&self, packet: &mut impl Edit) {
        let (outer, inner) = if self.is_out { (SOURCE, DESTINATION) } else { (DESTINATION, SOURCE) };
        packet.mend_word(IP_CHECKSUM, self.from.address, self.to.address, Checksum::Ip, false);
        packet.write_word(outer, self.to.address);
        packet.mend_word(INNER + IP_CHECKSUM, self.from.address, self.to.address, Checksum::Ip, false);
        packet.write_word(INNER + inner, self.to.address);
        if self.from.port != self.to.port {
            packet.mend_half(IP_BYTES + 2, self.from.port, self.to.port, Checksum::Content, false);
            packet.write_half(INNER + IP_BYTES + port_of(self.protocol, !self.is_out), self.to.port);
        }
    }
}

#[inline(always)]
const fn checksum_of(protocol: u32) -> u32 {
    match protocol {
        TCP => 16,
        UDP => 6,
        _ => 2,
    }
}

#[inline(always)]
const fn port_of(protocol: u32, is_source: bool) -> u32 {
    match protocol {
        ICMP => 4,
        _ if is_source => 0,
        _ => 2,
    }
}

/// Nobody may ask for larger segments than fit. The TCP header stands behind so many bytes of IP header.
#[inline(always)]
pub fn clamp(packet: &mut (impl Frame + Edit), tcp: u32, most: u16) {
    let Some(offset) = packet.byte(tcp + 12) else { return };
    let end = tcp + u32::from(offset >> 4) * 4;
    let mut at = tcp + 20;
    for _ in 0..OPTIONS {
        if at + 4 > end {
            return;
        }
        let Some([kind, length, high, low]) = packet.bytes(at) else { return };
        match (kind, length) {
            (END, _) => return,
            (NOTHING, _) => at += 1,
            (MSS, 4) => return lower(packet, tcp, at + 2, u16::from_be_bytes([high, low]), most),
            (_, 2..=40) => at += u32::from(length),
            _ => return,
        }
    }
}

#[inline(always)]
fn lower(packet: &mut impl Edit, tcp: u32, at: u32, asked: u16, most: u16) {
    if asked > most {
        // Sums are over pairs of bytes that begin at even places.
        let (from, to) = if at.is_multiple_of(2) { (asked, most) } else { (asked.swap_bytes(), most.swap_bytes()) };
        packet.mend_half(tcp + 16, from, to, Checksum::Content, false);
        packet.write_half(at, most);
    }
}
