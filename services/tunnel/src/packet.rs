//! Where things are in an inner packet.
//!
//! *Does*: read addresses and the place of the transport header once, for all that comes after.
//! *Never does*: look at payload.
//! *Spec*: RFC 791, RFC 8200.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::Sum;

/// TCP's protocol number.
pub(crate) const TCP: u8 = 6;
/// UDP's protocol number.
pub(crate) const UDP: u8 = 17;

const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
const FRAGMENT_MASK: u16 = 0x3fff;

/// An IP packet whose length field fits what is there.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'p> {
    bytes: &'p [u8],
    v4: bool,
}

impl<'p> Packet<'p> {
    /// Looks at bytes that begin with an IP header; padding behind the packet is cut off.
    #[must_use]
    pub fn parse(bytes: &'p [u8]) -> Option<Self> {
        let (v4, length) = match bytes.first()? >> 4 {
            4 if bytes.len() >= V4_HEADER => (true, usize::from(u16_at(bytes, 2)?)),
            6 if bytes.len() >= V6_HEADER => (false, V6_HEADER + usize::from(u16_at(bytes, 4)?)),
            _ => return None,
        };
        let header = if v4 { V4_HEADER } else { V6_HEADER };
        (length >= header).then_some(())?;
        Some(Self { bytes: bytes.get(..length)?, v4 })
    }

    /// The packet without padding.
    #[must_use]
    pub fn bytes(&self) -> &'p [u8] {
        self.bytes
    }

    /// Whether it is IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.v4
    }

    /// Who sent it, by its own word.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.address(if self.v4 { 12 } else { 8 })
    }

    /// Whom it is for.
    #[must_use]
    pub fn destination(&self) -> Option<IpAddr> {
        self.address(if self.v4 { 16 } else { 24 })
    }

    /// The transport protocol and where its header begins, if that is right behind the smallest IP header: no options, no extension
    /// headers, no fragment.
    #[must_use]
    pub fn transport(&self) -> Option<(u8, usize)> {
        if self.v4 {
            let plain = self.bytes.first() == Some(&0x45) && u16_at(self.bytes, 6)? & FRAGMENT_MASK == 0;
            plain.then_some((*self.bytes.get(9)?, V4_HEADER))
        } else {
            Some((*self.bytes.get(6)?, V6_HEADER))
        }
    }

    /// The sum of the pseudo-header (RFC 9293 section 3.1) for a transport of this length.
    #[must_use]
    pub fn pseudo_header(&self, protocol: u8, length: usize) -> Sum {
        pseudo_header(self.bytes, self.v4, protocol, length)
    }

    fn address(&self, at: usize) -> Option<IpAddr> {
        Some(match self.v4 {
            true => IpAddr::V4(Ipv4Addr::from(array_at::<4>(self.bytes, at)?)),
            false => IpAddr::V6(Ipv6Addr::from(array_at::<16>(self.bytes, at)?)),
        })
    }
}

/// The sum of the pseudo-header of a packet, of which only the IP header need be there.
pub(crate) fn pseudo_header(header: &[u8], v4: bool, protocol: u8, length: usize) -> Sum {
    let addresses = if v4 { header.get(12..20) } else { header.get(8..40) };
    // A packet is shorter than 64 KiB, so the length has no high part.
    Sum::default().with(addresses.unwrap_or_default()).with_u16(u16::from(protocol)).with_u16(length as u16)
}

/// Writes the length of the whole packet into an IP header, and for IPv4 its identification and checksum.
pub(crate) fn set_length(packet: &mut [u8], v4: bool, length: usize, identification: u16) -> Option<()> {
    if v4 {
        put(packet, 2, (length as u16).to_be_bytes())?;
        put(packet, 4, identification.to_be_bytes())?;
        put(packet, 10, [0; 2])?;
        let header_bytes = usize::from(packet.first()? & 15) * 4;
        let sum = Sum::default().with(packet.get(..header_bytes)?).finish();
        put(packet, 10, sum)
    } else {
        put(packet, 4, (length.checked_sub(V6_HEADER)? as u16).to_be_bytes())
    }
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut::<N>()? = value;
    Some(())
}
