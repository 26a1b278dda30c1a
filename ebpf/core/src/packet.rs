//! What a packet is, as far as the datapath cares.
//!
//! *Does*: read the headers of IPv4 with TCP, UDP, pings, and ICMP errors about such.
//! *Never does*: read behind what [`Frame`] gives; make sense of what is rare: fragments, options and other protocols are [`Parsed::Odd`].
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
    /// As many bytes at an offset that follows from other bytes; slower.
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]>;
}

/// What a packet was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// One that can belong to a flow.
    Packet(Packet),
    /// One that cannot, from and to these addresses.
    Odd(u32, u32, Reason),
    /// Too short, or no IPv4: the kernel's business.
    Broken,
}

/// A packet that can belong to a flow.
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
    /// Must not be cut.
    pub dont_fragment: bool,
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
    read(frame).unwrap_or(Parsed::Broken)
}

#[inline(always)]
fn read(frame: &impl Frame) -> Option<Parsed> {
    let version = frame.byte(0)?;
    if version >> 4 != 4 {
        return Some(Parsed::Broken);
    }
    let (source, destination) = (frame.word(12)?, frame.word(16)?);
    let odd = |reason| Some(Parsed::Odd(source, destination, reason));
    if version != 0x45 {
        return odd(Reason::Options);
    }
    let cut = frame.half(6)?;
    // More fragments, or not the first.
    if cut & 0x3fff != 0 {
        return odd(Reason::Fragment);
    }
    let packet = Packet {
        source: Endpoint::new(source, 0),
        destination: Endpoint::new(destination, 0),
        protocol: u32::from(frame.byte(9)?),
        kind: Kind::Ports,
        flags: 0,
        ttl: frame.byte(8)?,
        dont_fragment: cut & 0x4000 != 0,
        bytes: frame.half(2)?,
    };
    match packet.protocol {
        TCP => tcp(frame, packet),
        UDP => udp(frame, packet),
        ICMP => icmp(frame, packet),
        _ => odd(Reason::Protocol),
    }
}

#[inline(always)]
fn tcp(frame: &impl Frame, mut packet: Packet) -> Option<Parsed> {
    packet.source.port = frame.half(IP_BYTES)?;
    packet.destination.port = frame.half(IP_BYTES + 2)?;
    packet.flags = frame.byte(IP_BYTES + 13)?;
    // The checksum must be there, too.
    frame.half(IP_BYTES + 16)?;
    Some(Parsed::Packet(packet))
}

#[inline(always)]
fn udp(frame: &impl Frame, mut packet: Packet) -> Option<Parsed> {
    packet.source.port = frame.half(IP_BYTES)?;
    packet.destination.port = frame.half(IP_BYTES + 2)?;
    frame.half(IP_BYTES + 6)?;
    Some(Parsed::Packet(packet))
}

#[inline(always)]
fn icmp(frame: &impl Frame, mut packet: Packet) -> Option<Parsed> {
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
        _ => return Some(Parsed::Odd(packet.source.address, packet.destination.address, Reason::Protocol)),
    }
    Some(Parsed::Packet(packet))
}

/// An error is about a packet that went the other way: its ends are taken from there, turned round.
#[inline(always)]
fn error(frame: &impl Frame, mut packet: Packet) -> Option<Parsed> {
    let odd = |reason| Some(Parsed::Odd(packet.source.address, packet.destination.address, reason));
    if frame.byte(INNER)? != 0x45 {
        return odd(Reason::Options);
    }
    // Only the first fragment has ports.
    if frame.half(INNER + 6)? & 0x1fff != 0 {
        return odd(Reason::Fragment);
    }
    let (sender, receiver) = (frame.word(INNER + 12)?, frame.word(INNER + 16)?);
    let ports = INNER + IP_BYTES;
    let (from, to) = match u32::from(frame.byte(INNER + 9)?) {
        TCP | UDP => (frame.half(ports)?, frame.half(ports + 2)?),
        ICMP => match frame.byte(ports)? {
            ECHO_REQUEST => (frame.half(ports + 4)?, 0),
            ECHO_REPLY => (0, frame.half(ports + 4)?),
            _ => return odd(Reason::Protocol),
        },
        _ => return odd(Reason::Protocol),
    };
    // It goes to him who sent that packet, and to nobody else.
    if sender != packet.destination.address {
        return odd(Reason::NoSuchFlow);
    }
    packet.kind = Kind::Error;
    packet.protocol = u32::from(frame.byte(INNER + 9)?);
    packet.destination.port = from;
    packet.source = Endpoint::new(receiver, to);
    Some(Parsed::Packet(packet))
}
