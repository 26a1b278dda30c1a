//! From packets that came through the tunnel one after the other to super-frames.
//!
//! *Does*: join TCP segments of one flow that follow each other, and UDP datagrams of one flow and size, each checked by its own
//! checksum first, because the super-frame gets a new one.
//! *Never does*: join what differs in anything but length, identification, sequence and PSH; change the order within a flow; copy
//! payload.
//! *Spec*: RFC 9293; the rules of the kernel's own receive offload (`tcp_gro_receive`).

use std::ops::Range;

use patronus_types::UplinkSlot;

use crate::{
    limit,
    packet::{Packet, TCP, UDP, pseudo_header, put, set_length, u16_at, u32_at},
    vnet::{Gso, Header},
};

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const UDP_HEADER: usize = 8;
/// Flags of IPv4, and the one that the datapath sets in what it sends by two paths: the other site tells each packet from its twin, so it stays one.
const FLAGS: usize = 6;
const SENT_TWICE: u8 = 0x80;

/// Packets that will be one frame. All places are within one arena.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// The device it goes to.
    pub(crate) remote: Option<UplinkSlot>,
    /// The first packet, whole.
    pub(crate) first: Range<usize>,
    /// Payloads of the others.
    pub(crate) rest: Vec<Range<usize>>,
    shape: Option<Shape>,
    length: usize,
    next_sequence: u32,
    pushed: bool,
    closed: bool,
}

/// What the packets of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    v4: bool,
    protocol: u8,
    transport: usize,
    headers: usize,
    payload: usize,
}

/// The groups since the last flush, oldest first. Those behind `used` are kept for their memory.
#[derive(Debug)]
pub(crate) struct Coalescer {
    groups: Vec<Group>,
    used: usize,
    udp: bool,
}

impl Coalescer {
    /// `udp` tells whether the devices take UDP super-frames.
    pub(crate) fn new(udp: bool) -> Self {
        Self { groups: Vec::new(), used: 0, udp }
    }

    /// Takes a packet that lies in `arena` at `place`.
    pub(crate) fn push(&mut self, arena: &[u8], place: Range<usize>, remote: UplinkSlot) {
        let Some(packet) = arena.get(place.clone()).and_then(Packet::parse) else { return };
        let place = place.start..place.start + packet.bytes().len();
        let flow = packet.transport().filter(|(protocol, _)| matches!(*protocol, TCP | UDP));
        let found = flow.and_then(|(_, transport)| self.find(arena, &packet, transport, remote));
        let shape = flow.and_then(|(protocol, transport)| self.joinable(&packet, protocol, transport));
        if let Some(group) = found.and_then(|index| self.groups.get_mut(index)) {
            if shape.is_some_and(|shape| group.join(arena, &packet, &place, shape)) {
                return;
            }
            // What comes later must not overtake this packet.
            group.closed = true;
        }
        self.begin(&packet, place, remote, shape);
    }

    /// The frames of all groups, oldest first.
    pub(crate) fn groups(&self) -> &[Group] {
        self.groups.get(..self.used).unwrap_or_default()
    }

    /// Forgets all groups.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// The last group of the packet's flow, if it is still open.
    fn find(&self, arena: &[u8], packet: &Packet<'_>, transport: usize, remote: UplinkSlot) -> Option<usize> {
        let candidates = self.groups().iter().enumerate().rev().take(limit::COALESCED_FLOWS);
        let mut of_flow = candidates.filter(|(_, group)| group.is_of_flow(arena, packet, transport, remote));
        of_flow.next().filter(|(_, group)| !group.closed).map(|(index, _)| index)
    }

    /// The shape of a packet that may stand in a super-frame: plain data, and its checksum is right.
    fn joinable(&self, packet: &Packet<'_>, protocol: u8, transport: usize) -> Option<Shape> {
        let bytes = packet.bytes();
        if packet.is_v4() && bytes.get(FLAGS)? & SENT_TWICE != 0 {
            return None;
        }
        let headers = match protocol {
            TCP if bytes.get(transport + 13)? & !PSH == ACK => {
                transport + usize::from(bytes.get(transport + 12)? >> 4) * 4
            }
            UDP if self.udp && u16_at(bytes, transport + 6)? != 0 => transport + UDP_HEADER,
            _ => return None,
        };
        let payload = bytes.len().checked_sub(headers).filter(|payload| *payload >= limit::SEGMENT_MIN_BYTES)?;
        let pseudo = packet.pseudo_header(protocol, bytes.len() - transport);
        let sum = crate::checksum::Sum::default().with(bytes.get(transport..)?);
        pseudo.join(sum).is_intact().then_some(Shape { v4: packet.is_v4(), protocol, transport, headers, payload })
    }

    fn begin(&mut self, packet: &Packet<'_>, place: Range<usize>, remote: UplinkSlot, shape: Option<Shape>) {
        if self.used == self.groups.len() {
            self.groups.push(Group::default());
        }
        let Some(group) = self.groups.get_mut(self.used) else { return };
        self.used += 1;
        group.rest.clear();
        let tcp = shape.filter(|shape| shape.protocol == TCP);
        let pushed =
            tcp.is_some_and(|shape| packet.bytes().get(shape.transport + 13).is_some_and(|flags| flags & PSH != 0));
        let sequence = tcp.and_then(|shape| u32_at(packet.bytes(), shape.transport + 4)).unwrap_or_default();
        *group = Group {
            remote: Some(remote),
            length: place.len(),
            first: place,
            rest: std::mem::take(&mut group.rest),
            next_sequence: sequence.wrapping_add(shape.map_or(0, |shape| shape.payload as u32)),
            pushed,
            closed: shape.is_none() || pushed,
            shape,
        };
    }
}

impl Group {
    /// Takes the packet as the next one, if it is.
    fn join(&mut self, arena: &[u8], packet: &Packet<'_>, place: &Range<usize>, shape: Shape) -> bool {
        let Some(own) = self.shape else { return false };
        let length = self.length + shape.payload;
        let fits = !self.closed
            && Shape { payload: own.payload, ..shape } == own
            && shape.payload <= own.payload
            && length <= limit::FRAME_BYTES
            && self.rest.len() + 1 < limit::COALESCED_PACKETS;
        let follows =
            fits && arena.get(self.first.clone()).is_some_and(|first| self.follows(first, packet.bytes(), own));
        if follows {
            self.length = length;
            self.rest.push(place.start + shape.headers..place.end);
            let pushed =
                own.protocol == TCP && packet.bytes().get(own.transport + 13).is_some_and(|flags| flags & PSH != 0);
            self.next_sequence = self.next_sequence.wrapping_add(shape.payload as u32);
            self.pushed |= pushed;
            self.closed = pushed || shape.payload < own.payload;
        }
        follows
    }

    /// Whether all that headers say beside length, identification, sequence and PSH is the same, and the sequence is the next.
    fn follows(&self, first: &[u8], next: &[u8], shape: Shape) -> bool {
        let same = |range: Range<usize>| first.get(range.clone()) == next.get(range);
        let ip = if shape.v4 { same(0..2) && same(6..10) } else { same(0..4) && same(6..8) };
        let tcp = shape.transport;
        ip && (shape.protocol == UDP
            || u32_at(next, tcp + 4) == Some(self.next_sequence)
                && same(tcp + 8..tcp + 13)
                && same(tcp + 20..shape.headers))
    }

    fn is_of_flow(&self, arena: &[u8], packet: &Packet<'_>, transport: usize, remote: UplinkSlot) -> bool {
        let (Some(first), bytes) = (arena.get(self.first.clone()), packet.bytes()) else { return false };
        // Addresses and ports lie side by side, and the protocol before them.
        let (protocol, addresses) = if packet.is_v4() { (9, 12) } else { (6, 8) };
        let same = |range: Range<usize>| first.get(range.clone()) == bytes.get(range);
        self.remote == Some(remote)
            && first.first().map(|byte| byte >> 4) == bytes.first().map(|byte| byte >> 4)
            && same(addresses..transport + 4)
            && same(protocol..protocol + 1)
    }

    /// Turns the first packet's headers into those of the frame, and tells what its device must know.
    pub(crate) fn seal(&self, arena: &mut [u8]) -> Header {
        let (Some(shape), false) = (self.shape, self.rest.is_empty()) else { return Header::default() };
        let Some(first) = arena.get_mut(self.first.clone()) else { return Header::default() };
        self.write_headers(first, shape).unwrap_or_default()
    }

    fn write_headers(&self, first: &mut [u8], shape: Shape) -> Option<Header> {
        let identification = u16_at(first, 4)?;
        set_length(first, shape.v4, self.length, identification)?;
        let transport_bytes = self.length - shape.transport;
        let checksum_at = if shape.protocol == TCP { 16 } else { 6 };
        if shape.protocol == UDP {
            put(first, shape.transport + 4, (transport_bytes as u16).to_be_bytes())?;
        } else if self.pushed {
            *first.get_mut(shape.transport + 13)? |= PSH;
        }
        let partial = pseudo_header(first, shape.v4, shape.protocol, transport_bytes).partial();
        put(first, shape.transport + checksum_at, partial)?;
        let gso = match (shape.protocol, shape.v4) {
            (UDP, _) => Gso::Udp,
            (_, true) => Gso::TcpV4,
            (_, false) => Gso::TcpV6,
        };
        Some(Header {
            gso,
            segment_bytes: shape.payload as u16,
            header_bytes: shape.headers as u16,
            checksum: Some((shape.transport as u16, checksum_at as u16)),
        })
    }
}
