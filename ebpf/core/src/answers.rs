//! The short way: what became of the last packet of a flow becomes of the next.
//!
//! *Does*: keep the answer about a flow that goes on, give it again while nothing has changed that it follows from, and have the flow count what went
//! this way.
//! *Never does*: answer what begins or ends something, or is odd in any way; outlive what the service or the rules have changed; drive out an
//! answer that is good: whose place is taken goes the long way.
//! *Spec*: `docs/datapath.md`, section "The short way".

use core::cell::Cell;

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, MESH_SLOT,
    answer::{Answer, GOOD_FOR_TICKS, kind, place, ports},
    policy::Zone,
};

use crate::{
    packet::{FIN, Frame, IP_BYTES, Kind, Packet, RST, SYN, TCP, UDP},
    policy,
    tables::Tables,
    translate::Translation,
    verdict::Verdict,
};

/// TCP flags that a flow has to know of, and where they stand.
const SAYS: u8 = SYN | FIN | RST;
const FLAGS: u32 = IP_BYTES + 13;
/// The checksum, which is mended, must be there.
const TCP_CHECKSUM: u32 = IP_BYTES + 16;
const UDP_CHECKSUM: u32 = IP_BYTES + 6;

/// An answer stands in one of two places beside each other.
const OTHER: u32 = 1;

/// What became of the last packet like this, which comes from there; from WAN by the device with this index. `largest` says what a packet of this protocol
/// and length takes on the wire: see [`crate::outbound`].
#[inline(always)]
pub fn recall<T: Tables>(
    frame: &impl Frame,
    from: Zone,
    device: u32,
    largest: impl FnOnce(u32, u32) -> u32,
    tables: &T,
) -> Option<Verdict> {
    let packet = Plain::read(frame)?;
    let place = place(packet.source, packet.destination, packet.ports, kind(packet.protocol, from));
    let mut answer = tables.answer(place)?;
    if !packet.is_of(answer, from) {
        answer = tables.answer(place ^ OTHER)?;
    }
    if !packet.is_of(answer, from) || !is_good(answer, tables) {
        return None;
    }
    let slot = answer.slot.get();
    let mut verdict = Verdict::KERNEL;
    if slot != MESH_SLOT {
        let uplink = tables.uplink(slot)?;
        let end = Endpoint::new(answer.address.get(), answer.port.get() as u16);
        let is_out = matches!(from, Zone::Lan);
        // The kernel says "too big".
        if is_out && packet.dont_fragment && largest(packet.protocol, packet.bytes) > uplink.mtu
            || !is_out && uplink.index != device
        {
            return None;
        }
        verdict = Verdict::translate(Translation::plain(is_out, packet.protocol, packet.end(is_out), end));
    }
    answer.packets.set(answer.packets.get().wrapping_add(1));
    answer.bytes.set(answer.bytes.get().wrapping_add(u64::from(packet.bytes)));
    Some(verdict)
}

/// A packet of TCP or UDP that says nothing which its flow would have to know, and is not odd in any way.
struct Plain {
    source: u32,
    destination: u32,
    ports: u32,
    protocol: u32,
    bytes: u32,
    dont_fragment: bool,
}

impl Plain {
    /// The headers at once. Numbers of four bytes: version, length of the header, service, length; identification, fragment; time to live, protocol,
    /// checksum; addresses; ports.
    #[inline(always)]
    fn read(frame: &impl Frame) -> Option<Self> {
        let [first, cut, third, source, destination, ports] = frame.head()?;
        let protocol = third >> 16 & 0xff;
        let (says, checksum_at) = match protocol {
            TCP => (frame.byte(FLAGS)? & SAYS, TCP_CHECKSUM),
            UDP => (0, UDP_CHECKSUM),
            _ => return None,
        };
        frame.half(checksum_at)?;
        let is_whole = cut & 0x3fff == 0;
        if first >> 24 != 0x45 || !is_whole || third >> 24 <= 1 || says != 0 {
            return None;
        }
        Some(Self { source, destination, ports, protocol, bytes: first & 0xffff, dont_fragment: cut & 0x4000 != 0 })
    }

    #[inline(always)]
    fn is_of(&self, answer: &Answer, from: Zone) -> bool {
        answer.source.get() == self.source
            && answer.destination.get() == self.destination
            && answer.ports.get() == self.ports
            && answer.kind.get() == kind(self.protocol, from)
    }

    /// The end that is translated.
    #[inline(always)]
    const fn end(&self, is_source: bool) -> Endpoint {
        if is_source {
            Endpoint::new(self.source, (self.ports >> 16) as u16)
        } else {
            Endpoint::new(self.destination, self.ports as u16)
        }
    }
}

/// Keeps what became of a packet of `flow`, of which `end` is what its translated end becomes. `epoch` is what it was before any table was
/// looked into.
#[inline(always)]
pub(crate) fn keep<T: Tables>(packet: &Packet, from: Zone, epoch: u32, flow: &Flow, end: Endpoint, tables: &T) {
    if is_plain(packet) {
        put(packet, from, epoch, flow, end, tables);
    }
}

/// A function of its own in the programs, which have 512 bytes for all that they remember.
#[inline(never)]
fn put<T: Tables>(packet: &Packet, from: Zone, epoch: u32, flow: &Flow, end: Endpoint, tables: &T) {
    let both = ports(packet.source.port, packet.destination.port);
    let place = place(packet.source.address, packet.destination.address, both, kind(packet.protocol, from));
    let (Some(first), Some(other)) = (tables.answer(place), tables.answer(place ^ OTHER)) else { return };
    let answer = if is_about(first, packet, from) {
        first
    } else if is_about(other, packet, from) || is_good(first, tables) {
        other
    } else {
        first
    };
    if !is_about(answer, packet, from) && is_good(answer, tables) {
        return;
    }
    settle(answer, tables);
    answer.source.set(packet.source.address);
    answer.destination.set(packet.destination.address);
    answer.ports.set(ports(packet.source.port, packet.destination.port));
    answer.kind.set(kind(packet.protocol, from));
    answer.epoch.set(epoch);
    answer.generation.set(policy::generation(tables));
    answer.until.set(tables.ticks().wrapping_add(GOOD_FOR_TICKS));
    answer.began_s.set(flow.began_s.get());
    answer.address.set(end.address);
    answer.port.set(u32::from(end.port));
    answer.slot.set(flow.slot);
}

/// The flow counts what went the short way.
#[inline(always)]
fn settle<T: Tables>(answer: &Answer, tables: &T) {
    let packets = answer.packets.get();
    if packets == 0 {
        return;
    }
    let (key, is_out) = flow_of(answer);
    // Another with the same ends has not sent them.
    if let Some(flow) = tables.flow(&key).filter(|flow| flow.began_s.get() == answer.began_s.get()) {
        let (all_packets, all_bytes) = counters(&flow, is_out);
        T::add(all_packets, packets);
        T::add(all_bytes, answer.bytes.get());
    }
    answer.packets.set(0);
    answer.bytes.set(0);
}

/// The key of its flow, and whether these are packets from inside.
#[inline(always)]
#[must_use]
pub fn flow_of(answer: &Answer) -> (FlowKey, bool) {
    let both = answer.ports.get();
    let source = Endpoint::new(answer.source.get(), (both >> 16) as u16);
    let destination = Endpoint::new(answer.destination.get(), both as u16);
    let translated = Endpoint::new(answer.address.get(), answer.port.get() as u16);
    let protocol = answer.kind.get() & 0xff;
    let is_out = answer.kind.get() == kind(protocol, Zone::Lan);
    let (inside, remote) = match (is_out, answer.slot.get()) {
        (true, _) => (source, destination),
        (false, MESH_SLOT) => (destination, source),
        (false, _) => (translated, source),
    };
    (FlowKey { inside, remote, protocol }, is_out)
}

#[inline(always)]
const fn counters(flow: &Flow, is_out: bool) -> (&Cell<u64>, &Cell<u64>) {
    if is_out { (&flow.packets_out, &flow.bytes_out) } else { (&flow.packets_in, &flow.bytes_in) }
}

/// Whether it says nothing that its flow would have to know.
#[inline(always)]
const fn is_plain(packet: &Packet) -> bool {
    let says = if packet.protocol == TCP { packet.flags & SAYS } else { 0 };
    matches!(packet.kind, Kind::Ports) && says == 0 && !packet.is_cut && packet.ttl > 1
}

#[inline(always)]
fn is_about(answer: &Answer, packet: &Packet, from: Zone) -> bool {
    answer.source.get() == packet.source.address
        && answer.destination.get() == packet.destination.address
        && answer.ports.get() == ports(packet.source.port, packet.destination.port)
        && answer.kind.get() == kind(packet.protocol, from)
}

#[inline(always)]
fn is_good<T: Tables>(answer: &Answer, tables: &T) -> bool {
    let left = answer.until.get().wrapping_sub(tables.ticks());
    left.wrapping_sub(1) < GOOD_FOR_TICKS
        && answer.epoch.get() == tables.epoch()
        && answer.generation.get() == policy::generation(tables)
}

/// What answers about a flow, one for each direction, are about: their ends and kinds.
#[must_use]
pub fn about(key: &FlowKey, flow: &Flow) -> [Answer; 2] {
    let (inside, remote, is_mesh) = (key.inside, key.remote, flow.slot == MESH_SLOT);
    let seen = if is_mesh { inside } else { flow.outside };
    let one = |from: Zone, source: Endpoint, destination: Endpoint| Answer {
        source: Cell::new(source.address),
        destination: Cell::new(destination.address),
        ports: Cell::new(ports(source.port, destination.port)),
        kind: Cell::new(kind(key.protocol, from)),
        ..Answer::default()
    };
    [one(Zone::Lan, inside, remote), one(if is_mesh { Zone::Mesh } else { Zone::Wan }, remote, seen)]
}

/// Adds to a flow what its entry has not counted yet. `at` gives what all processors have in a place.
pub fn count<I: Iterator<Item = Answer>>(key: &FlowKey, flow: &Flow, at: impl Fn(u32) -> I) {
    for (about, is_out) in about(key, flow).iter().zip([true, false]) {
        let (packets, bytes) = counters(flow, is_out);
        let places = [about.place(), about.place() ^ OTHER];
        for answer in
            places.into_iter().flat_map(&at).filter(|answer| is_same(answer, about) && answer.began_s == flow.began_s)
        {
            packets.set(packets.get().wrapping_add(answer.packets.get()));
            bytes.set(bytes.get().wrapping_add(answer.bytes.get()));
        }
    }
}

fn is_same(left: &Answer, right: &Answer) -> bool {
    left.source == right.source
        && left.destination == right.destination
        && left.ports == right.ports
        && left.kind == right.kind
}
