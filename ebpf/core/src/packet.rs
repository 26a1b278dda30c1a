//! What a packet is, as far as the datapath cares.
//!
//! *Does*: read the headers of IPv4 with TCP, UDP, pings, and ICMP errors about such.
//! *Never does*: read behind what [`Frame`] gives; make sense of what is rare: fragments, options and other protocols are [`Shape::Odd`].
//! *Spec*: RFC 791, 792, 768, 9293. Offsets count from the IP header.

use patronus_ebpf_abi::{Endpoint, Reason};

/// IP protocol numbers.
pub const ICMP: u32 = 1;
/// TCP.
pub const TCP: u32 = 6;
/// UDP.
pub const UDP: u32 = 17;

/// Length of an IP header without options; no other is translated.
pub const IP_BYTES: u32 = 20;
/// Where the packet begins about which an ICMP error is.
pub const INNER: u32 = IP_BYTES + 8;

/// TCP flags.
pub const FIN: u8 = 1;
/// Opens a connection.
pub const SYN: u8 = 2;
/// Ends it at once.
pub const RST: u8 = 4;
/// Answers.
pub const ACK: u8 = 16;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// Access to a packet from its IP header on; numbers come in host order, and not at all where the packet is shorter.
pub trait Frame {
    /// The byte at this offset, which is a constant: the kernel takes no program that computes where it looks.
    fn byte(&self, at: u32) -> Option<u8>;
    /// Two bytes.
    fn half(&self, at: u32) -> Option<u16>;
    /// Four bytes.
    fn word(&self, at: u32) -> Option<u32>;
    /// The first six numbers of four bytes, if they lie in one piece.
    fn head(&self) -> Option<[u32; 6]>;
    /// As many bytes at an offset that follows from other bytes; slower.
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]>;
}

/// What a packet was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// As far as it was read; the rest is zero.
    pub packet: Packet,
    /// How far that was.
    pub shape: Shape,
}

/// How far a packet could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It can belong to a flow.
    Whole,
    /// A later part of a datagram, which can as well, but has no ports.
    Part,
    /// It cannot, for this reason: its ports are not known, its addresses and protocol are.
    Odd(Reason),
    /// Too short, or no IPv4: the kernel's business.
    Broken,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it. An error has the ends of the flow it is about, so that it is found as that flow's packets in this direction are.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Protocol of the flow.
    pub protocol: u32,
    /// What it is to the flow.
    pub kind: Kind,
    /// TCP flags; 0 without TCP.
    pub flags: u8,
    /// Time to live.
    pub ttl: u8,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Must not be cut.
    pub dont_fragment: bool,
    /// The first part of a datagram.
    pub is_cut: bool,
    /// What the parts of a datagram have in common.
    pub id: u16,
    /// Bytes by its IP header.
    pub bytes: u16,
}

/// What a packet is to its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP or UDP.
    Ports,
    /// A ping.
    Request,
    /// Its answer.
    Reply,
    /// An ICMP error about a packet of the other direction.
    Error,
}

/// Reads a packet.
#[inline(always)]
pub fn parse(frame: &impl Frame) -> Parsed {
    // One place for all of it, filled from the beginning: a program that copies what was never written is refused by the kernel.
    let mut packet = Packet {
        source: Endpoint::new(0, 0),
        destination: Endpoint::new(0, 0),
        protocol: 0,
        kind: Kind::Ports,
        flags: 0,
        ttl: 0,
        dscp: 0,
        dont_fragment: false,
        is_cut: false,
        id: 0,
        bytes: 0,
    };
    let shape = read(frame, &mut packet).unwrap_or(Shape::Broken);
    Parsed { packet, shape }
}

/// `None` is broken.
type Read = Option<Shape>;

const ODD_PROTOCOL: Read = Some(Shape::Odd(Reason::Protocol));
/// Where the next part of a datagram may begin, in units of 8 bytes: behind a TCP header, which it could replace otherwise (RFC 1858 section 3.2.2).
const BEHIND_TCP: u16 = 3;

#[inline(always)]
fn read(frame: &impl Frame, packet: &mut Packet) -> Read {
    let version = frame.byte(0)?;
    if version >> 4 != 4 {
        return None;
    }
    packet.source.address = frame.word(12)?;
    packet.destination.address = frame.word(16)?;
    packet.protocol = u32::from(frame.byte(9)?);
    if version != 0x45 {
        return Some(Shape::Odd(Reason::Options));
    }
    let cut = frame.half(6)?;
    packet.ttl = frame.byte(8)?;
    packet.dscp = frame.byte(1)? >> 2;
    packet.dont_fragment = cut & 0x4000 != 0;
    packet.bytes = frame.half(2)?;
    packet.id = frame.half(4)?;
    // More parts follow; where this one belongs.
    packet.is_cut = cut & 0x2000 != 0;
    match cut & 0x1fff {
        0 => {}
        1..BEHIND_TCP if packet.protocol == TCP => return Some(Shape::Odd(Reason::Fragment)),
        _ => return Some(Shape::Part),
    }
    match packet.protocol {
        TCP => tcp(frame, packet),
        UDP => udp(frame, packet),
        ICMP => icmp(frame, packet),
        _ => ODD_PROTOCOL,
    }
}

#[inline(always)]
fn tcp(frame: &impl Frame, packet: &mut Packet) -> Read {
    packet.source.port = frame.half(IP_BYTES)?;
    packet.destination.port = frame.half(IP_BYTES + 2)?;
    packet.flags = frame.byte(IP_BYTES + 13)?;
    // The checksum must be there, too.
    frame.half(IP_BYTES + 16)?;
    Some(Shape::Whole)
}

#[inline(always)]
fn udp(frame: &impl Frame, packet: &mut Packet) -> Read {
    packet.source.port = frame.half(IP_BYTES)?;
    packet.destination.port = frame.half(IP_BYTES + 2)?;
    frame.half(IP_BYTES + 6)?;
    Some(Shape::Whole)
}

#[inline(always)]
fn icmp(frame: &impl Frame, packet: &mut Packet) -> Read {
    match frame.byte(IP_BYTES)? {
        ECHO_REQUEST => {
            packet.kind = Kind::Request;
            packet.source.port = frame.half(IP_BYTES + 4)?;
        }
        ECHO_REPLY => {
            packet.kind = Kind::Reply;
            packet.destination.port = frame.half(IP_BYTES + 4)?;
        }
        UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM => return error(frame, packet),
        _ => return ODD_PROTOCOL,
    }
    Some(Shape::Whole)
}

/// An error is about a packet that went the other way: its ends are taken from there, turned round.
#[inline(always)]
fn error(frame: &impl Frame, packet: &mut Packet) -> Read {
    if frame.byte(INNER)? != 0x45 {
        return Some(Shape::Odd(Reason::Options));
    }
    // Only the first fragment has ports.
    if frame.half(INNER + 6)? & 0x1fff != 0 {
        return Some(Shape::Odd(Reason::Fragment));
    }
    let (sender, receiver) = (frame.word(INNER + 12)?, frame.word(INNER + 16)?);
    let ports = INNER + IP_BYTES;
    let protocol = u32::from(frame.byte(INNER + 9)?);
    let (from, to) = match protocol {
        TCP | UDP => (frame.half(ports)?, frame.half(ports + 2)?),
        ICMP => match frame.byte(ports)? {
            ECHO_REQUEST => (frame.half(ports + 4)?, 0),
            ECHO_REPLY => (0, frame.half(ports + 4)?),
            _ => return ODD_PROTOCOL,
        },
        _ => return ODD_PROTOCOL,
    };
    // It goes to him who sent that packet, and to nobody else.
    if sender != packet.destination.address {
        return Some(Shape::Odd(Reason::NoSuchFlow));
    }
    packet.kind = Kind::Error;
    packet.protocol = protocol;
    packet.destination.port = from;
    packet.source = Endpoint::new(receiver, to);
    Some(Shape::Whole)
}
