//! What a packet of IPv6 is, as far as the datapath cares.
//!
//! *Does*: read the headers of IPv6 with TCP, UDP, pings, and ICMPv6 errors about such.
//! *Never does*: walk extension headers: what has any is odd.
//! *Spec*: RFC 8200, RFC 4443. Offsets count from the IP header.

use patronus_ebpf_abi::{Reason, six::Endpoint6};

use crate::packet::{Frame, Kind, TCP, UDP};

/// ICMPv6.
pub const ICMPV6: u32 = 58;
/// Length of the IP header.
pub const IP6_BYTES: u32 = 40;
/// Next header of a part of a packet.
const FRAGMENT: u32 = 44;
/// Where the packet begins about which an ICMPv6 error is.
const INNER: u32 = IP6_BYTES + 8;
/// Destination unreachable, too big, time exceeded, parameter problem.
const LAST_ERROR: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// A packet and what it was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed6 {
    /// As far as it could be read; the rest is 0.
    pub packet: Packet6,
    /// What it is.
    pub shape: Shape6,
}

/// What a packet was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape6 {
    /// One that can belong to a flow.
    Whole,
    /// One that cannot; its addresses are known.
    Odd(Reason),
    /// Too short, or no IPv6: the kernel's business.
    Broken,
}

/// A packet that can belong to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet6 {
    /// Who sends it. An error has the ends of the flow it is about, so that it is found as that flow's packets in this direction are.
    pub source: Endpoint6,
    /// To whom.
    pub destination: Endpoint6,
    /// Protocol of the flow.
    pub protocol: u32,
    /// What it is to the flow.
    pub kind: Kind,
    /// TCP flags; 0 without TCP.
    pub flags: u8,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u32,
    /// Bytes with its IP header.
    pub bytes: u32,
}

impl Packet6 {
    /// Whether it is for a group (ff00::/8), or for this link (fe80::/10).
    #[inline(always)]
    pub(super) const fn is_local(&self) -> bool {
        let first = self.destination.high;
        first >> 56 == 0xff || first >> 54 == 0x3fa
    }
}

/// Reads a packet.
#[inline(always)]
pub fn parse6(frame: &impl Frame) -> Parsed6 {
    const NOBODY: Endpoint6 = Endpoint6 { high: 0, low: 0, port: 0, zero: [0; 3] };
    // Filled from the beginning: the kernel takes no program that copies what was never written.
    let mut packet =
        Packet6 { source: NOBODY, destination: NOBODY, protocol: 0, kind: Kind::Ports, flags: 0, dscp: 0, bytes: 0 };
    let shape = read(frame, &mut packet).unwrap_or(Shape6::Broken);
    Parsed6 { packet, shape }
}

#[inline(always)]
fn read(frame: &impl Frame, packet: &mut Packet6) -> Option<Shape6> {
    let first = frame.half(0)?;
    if first >> 12 != 6 {
        return None;
    }
    packet.dscp = u32::from(first >> 6 & 0x3f);
    address(frame, 8, &mut packet.source)?;
    address(frame, 24, &mut packet.destination)?;
    packet.bytes = u32::from(frame.half(4)?) + IP6_BYTES;
    packet.protocol = u32::from(frame.byte(6)?);
    match packet.protocol {
        TCP => {
            ports(frame, packet)?;
            packet.flags = frame.byte(IP6_BYTES + 13)?;
            // The checksum must be there, too.
            frame.half(IP6_BYTES + 16)?;
            Some(Shape6::Whole)
        }
        UDP => {
            ports(frame, packet)?;
            Some(Shape6::Whole)
        }
        ICMPV6 => icmp(frame, packet),
        FRAGMENT => Some(Shape6::Odd(Reason::Fragment)),
        _ => Some(Shape6::Odd(Reason::Protocol)),
    }
}

#[inline(always)]
fn address(frame: &impl Frame, at: u32, end: &mut Endpoint6) -> Option<()> {
    let two = |at| Some(u64::from(frame.word(at)?) << 32 | u64::from(frame.word(at + 4)?));
    end.high = two(at)?;
    end.low = two(at + 8)?;
    Some(())
}

#[inline(always)]
fn ports(frame: &impl Frame, packet: &mut Packet6) -> Option<()> {
    packet.source.port = frame.half(IP6_BYTES)?;
    packet.destination.port = frame.half(IP6_BYTES + 2)?;
    Some(())
}

#[inline(always)]
fn icmp(frame: &impl Frame, packet: &mut Packet6) -> Option<Shape6> {
    match frame.byte(IP6_BYTES)? {
        ECHO_REQUEST => {
            packet.kind = Kind::Request;
            packet.source.port = frame.half(IP6_BYTES + 4)?;
        }
        ECHO_REPLY => {
            packet.kind = Kind::Reply;
            packet.destination.port = frame.half(IP6_BYTES + 4)?;
        }
        1..=LAST_ERROR => return error(frame, packet),
        _ => return Some(Shape6::Odd(Reason::Protocol)),
    }
    Some(Shape6::Whole)
}

/// An error is about a packet that went the other way: its ends are taken from there, turned round.
#[inline(always)]
fn error(frame: &impl Frame, packet: &mut Packet6) -> Option<Shape6> {
    let (mut sender, mut receiver) = (packet.destination, packet.source);
    address(frame, INNER + 8, &mut sender)?;
    address(frame, INNER + 24, &mut receiver)?;
    let at = INNER + IP6_BYTES;
    let protocol = u32::from(frame.byte(INNER + 6)?);
    match protocol {
        TCP | UDP => {
            sender.port = frame.half(at)?;
            receiver.port = frame.half(at + 2)?;
        }
        ICMPV6 => match frame.byte(at)? {
            ECHO_REQUEST => sender.port = frame.half(at + 4)?,
            ECHO_REPLY => receiver.port = frame.half(at + 4)?,
            _ => return Some(Shape6::Odd(Reason::Protocol)),
        },
        _ => return Some(Shape6::Odd(Reason::Protocol)),
    }
    // It goes to him who sent that packet, and to nobody else.
    if (sender.high, sender.low) != (packet.destination.high, packet.destination.low) {
        return Some(Shape6::Odd(Reason::NoSuchFlow));
    }
    packet.kind = Kind::Error;
    packet.protocol = protocol;
    packet.destination = sender;
    packet.source = receiver;
    Some(Shape6::Whole)
}
