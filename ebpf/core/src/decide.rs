//! What becomes of a packet.
//!
//! *Does*: let the LAN open flows towards WAN, and let in from WAN what belongs to such a flow, or opens one by a port forward: as far as the
//! rules say so.
//! *Never does*: answer by itself: what needs an ICMP error goes to the kernel as it came, before anything in it is changed.
//! *Spec*: `docs/datapath.md`, section "A packet's way"; RFC 4787 REQ-8 (filtering by address and port).

use core::cell::Cell;

use patronus_ebpf_abi::{Endpoint, Flow, FlowKey, MESH_SLOT, Reason, policy::Zone};

use crate::{
    answers, forward, hairpin,
    packet::{ACK, Kind, Packet, Parsed, SYN, Shape, TCP},
    parts, policy, ports, rules, sites, state,
    tables::{Route, Tables},
    translate::Translation,
    verdict::{Fate, Verdict},
};

/// A packet from the LAN. `largest` is what it takes on the wire: its own length, or that of the longest of the segments it will be cut into.
#[inline(always)]
pub fn outbound<T: Tables>(parsed: &Parsed, largest: u32, tables: &T) -> Verdict {
    let packet = &parsed.packet;
    let epoch = tables.epoch();
    let (source, destination) = (packet.source.address, packet.destination.address);
    let lan = tables.lan();
    let is_neighbour = destination & lan.mask == lan.network && destination != lan.address;
    // Neighbours, groups and everybody are no business of a router.
    if lan.mask == 0 || is_neighbour || destination >= 0xe000_0000 {
        return Verdict::KERNEL;
    }
    match parsed.shape {
        Shape::Whole if destination == lan.address => sites::towards_box(packet, tables),
        Shape::Whole if source & lan.mask == lan.network => {
            let verdict = from_lan(packet, largest, epoch, tables);
            if packet.is_cut && verdict.fate == Fate::Translate {
                parts::begin(packet, packet.source, packet.destination, tables);
            }
            verdict
        }
        Shape::Part => {
            parts::outbound(packet, tables).unwrap_or_else(|| odd(packet, Reason::Fragment, lan.address, tables))
        }
        Shape::Whole => odd(packet, Reason::ForeignSource, lan.address, tables),
        Shape::Odd(reason) => odd(packet, reason, lan.address, tables),
        Shape::Broken => Verdict::KERNEL,
    }
}

/// What cannot be translated must not leave by an uplink; elsewhere it may go if no rule could be against it.
#[inline(always)]
fn odd<T: Tables>(packet: &Packet, reason: Reason, own: u32, tables: &T) -> Verdict {
    let (source, destination) = (packet.source.address, packet.destination.address);
    let route = if destination == own { Route::Own } else { tables.route(source, destination) };
    let to = match route {
        Route::Uplink(_) => return drop_for(reason, tables),
        Route::Elsewhere => return Verdict::KERNEL,
        Route::Mesh => Zone::Mesh,
        Route::Own => Zone::Own,
    };
    sites::once(&rules::of_odd(packet, Zone::Lan, to), tables)
}

#[inline(always)]
fn from_lan<T: Tables>(packet: &Packet, largest: u32, epoch: u32, tables: &T) -> Verdict {
    let key = FlowKey { inside: packet.source, remote: packet.destination, protocol: packet.protocol };
    let now_s = tables.now_s();
    let known = tables.flow(&key).filter(|flow| flow.ends_s.get() > now_s);
    if let Some(flow) = &known
        && flow.slot == MESH_SLOT
    {
        return sites::known(packet, &key, flow, Zone::Lan, (now_s, epoch), tables);
    }
    if let Some(flow) = known {
        if flow.state.get() & state::HAIRPIN != 0 {
            return Verdict::KERNEL;
        }
        let verdict = goes_out(packet, largest, &key, &flow, now_s, tables);
        if verdict.fate == Fate::Translate {
            answers::keep(packet, Zone::Lan, epoch, &flow, flow.outside, tables);
        }
        if verdict.fate != Fate::Kernel {
            return verdict;
        }
    }
    match tables.route(packet.source.address, packet.destination.address) {
        Route::Uplink(slot) => open(packet, largest, &key, slot, 0, now_s, tables),
        Route::Mesh => sites::begin(packet, &key, Zone::Lan, Zone::Mesh, now_s, tables),
        // The next program's.
        Route::Own if hairpin::uplink(packet, tables).is_some() => Verdict::KERNEL,
        Route::Own => sites::towards_box(packet, tables),
        Route::Elsewhere => Verdict::KERNEL,
    }
}

/// A packet of a flow. Nothing is said if the flow has no more what it has outside, or if the kernel has to say something about the packet: it is
/// taken as one of no flow then.
#[inline(always)]
pub(crate) fn goes_out<T: Tables>(
    packet: &Packet,
    largest: u32,
    key: &FlowKey,
    flow: &Flow,
    now_s: u32,
    tables: &T,
) -> Verdict {
    let Some(uplink) = tables.uplink(flow.slot) else { return Verdict::KERNEL };
    // An uplink that is gone has no address, one with a new lease another.
    if uplink.address != flow.outside.address {
        return Verdict::KERNEL;
    }
    if !rules::goes_on(tables, key, flow) {
        return Verdict::DROP;
    }
    if is_for_the_kernel(packet, largest, uplink.mtu) {
        return Verdict::KERNEL;
    }
    let state = state::after_out(flow.state.get(), packet.flags);
    if !lasts(flow, key, state, now_s, tables) {
        return Verdict::KERNEL;
    }
    T::add(&flow.packets_out, 1);
    T::add(&flow.bytes_out, u64::from(packet.bytes));
    Verdict::translate(Translation::out(packet, flow.outside, uplink.mtu))
}

/// A flow that is not known, which would leave by the uplink in this slot, and keeps these bits of its state.
#[inline(always)]
pub(crate) fn open<T: Tables>(
    packet: &Packet,
    largest: u32,
    key: &FlowKey,
    slot: u32,
    kept: u32,
    now_s: u32,
    tables: &T,
) -> Verdict {
    let uplink = tables.uplink(slot).unwrap_or_default();
    if uplink.address == 0 || is_for_the_kernel(packet, largest, uplink.mtu) {
        return Verdict::KERNEL;
    }
    match packet.kind {
        Kind::Ports if packet.protocol == TCP && packet.flags & (SYN | ACK) != SYN => {
            return drop_for(Reason::NoSuchConnection, tables);
        }
        Kind::Reply | Kind::Error => return drop_for(Reason::NoSuchFlow, tables),
        Kind::Ports | Kind::Request => {}
    }
    let query = rules::of_packet(packet, Zone::Lan, Zone::Wan);
    let judgement = rules::judge(tables, &query);
    if !judgement.allows() {
        return Verdict::DROP;
    }
    let ends_s = now_s.wrapping_add(state::lifetime_s(packet.protocol, 0));
    let Some(port) = ports::choose(tables, packet.source, uplink.address, packet.protocol, ends_s) else {
        return drop_for(Reason::PortsUsedUp, tables);
    };
    let outside = Endpoint::new(uplink.address, port);
    let flow = Flow {
        packets_out: Cell::new(1),
        bytes_out: Cell::new(u64::from(packet.bytes)),
        began_s: Cell::new(now_s),
        ends_s: Cell::new(ends_s),
        outside,
        slot,
        generation: Cell::new(policy::generation(tables)),
        rule: Cell::new(judgement.rule as u16),
        opening: query.opening.number(),
        state: Cell::new(kept),
        ..Flow::default()
    };
    if !tables.add_flow(key, &flow) {
        return drop_for(Reason::TableFull, tables);
    }
    Verdict::translate(Translation::out(packet, outside, uplink.mtu))
}

/// A packet from WAN, which came by the device with this index.
#[inline(always)]
pub fn inbound<T: Tables>(parsed: &Parsed, device: u32, tables: &T) -> Verdict {
    let packet = &parsed.packet;
    let epoch = tables.epoch();
    match parsed.shape {
        Shape::Whole => {}
        Shape::Part => return parts::inbound(packet, device, tables).unwrap_or(Verdict::KERNEL),
        Shape::Odd(_) | Shape::Broken => return Verdict::KERNEL,
    }
    let port = packet.destination.port;
    // Pings of the box itself, tunnels, its own questions and their answers.
    if !ports::is_ours(port) && !tables.is_forwarded(packet.protocol, port) {
        return Verdict::KERNEL;
    }
    let came = Some(Came { device, epoch });
    let Some(translation) = to_inside(packet, came, 0, tables.now_s(), tables) else { return Verdict::KERNEL };
    if packet.is_cut {
        parts::begin(packet, translation.to(), packet.source, tables);
    }
    Verdict::translate(translation)
}

/// How a packet came in from WAN.
#[derive(Clone, Copy)]
pub(crate) struct Came {
    /// The index of its device.
    device: u32,
    /// What the service's tables were.
    epoch: u32,
}

/// Whom a packet for an address of ours is for, by a flow or by a port forward; how it `came`, if it did. A flow that begins keeps these bits of its
/// state.
#[inline(always)]
pub(crate) fn to_inside<T: Tables>(
    packet: &Packet,
    came: Option<Came>,
    kept: u32,
    now_s: u32,
    tables: &T,
) -> Option<Translation> {
    let Endpoint { address, port, .. } = packet.destination;
    let owner = tables.owner(&ports::outside(address, port, packet.protocol));
    if let Some(owner) = &owner
        && let Some(translation) = of_flow(packet, owner.inside, came, now_s, tables)
    {
        return Some(translation);
    }
    let (slot, uplink) = hairpin::slot_of(address, tables)?;
    let is_there = came.is_none_or(|came| came.device == uplink.index);
    if is_there && let Some(inside) = forward::find(packet, slot, tables) {
        let opened = forward::open(packet, inside, (slot, &uplink), kept, now_s, tables);
        return opened.then(|| Translation::into(packet, inside, uplink.mtu));
    }
    if owner.is_some() || tables.is_forwarded(packet.protocol, port) {
        tables.count(Reason::Unsolicited);
    }
    None
}

/// If there is a flow between him who sends this and `inside`.
#[inline(always)]
fn of_flow<T: Tables>(
    packet: &Packet,
    inside: Endpoint,
    came: Option<Came>,
    now_s: u32,
    tables: &T,
) -> Option<Translation> {
    let key = FlowKey { inside, remote: packet.source, protocol: packet.protocol };
    let flow = tables.flow(&key).filter(|flow| flow.ends_s.get() > now_s && flow.outside == packet.destination)?;
    let uplink = tables.uplink(flow.slot)?;
    if uplink.address != packet.destination.address || came.is_some_and(|came| came.device != uplink.index) {
        return None;
    }
    if !rules::goes_on(tables, &key, &flow) {
        return None;
    }
    // An error says nothing of how long the flow lasts: anybody on its way can make one.
    if packet.kind != Kind::Error {
        let state = state::after_in(flow.state.get(), packet.flags);
        lasts(&flow, &key, state, now_s, tables);
    }
    T::add(&flow.packets_in, 1);
    T::add(&flow.bytes_in, u64::from(packet.bytes));
    if let Some(came) = came {
        answers::keep(packet, Zone::Wan, came.epoch, &flow, inside, tables);
    }
    Some(Translation::into(packet, inside, uplink.mtu))
}

/// The flow goes on, in this state; and so does the port that it has outside. Whether it still has it.
#[inline(always)]
fn lasts<T: Tables>(flow: &Flow, key: &FlowKey, state: u32, now_s: u32, tables: &T) -> bool {
    if flow.state.get() != state {
        flow.state.set(state);
    }
    let ends_s = now_s.wrapping_add(state::lifetime_s(key.protocol, state));
    // At most once a second, so that packets of one flow on several processors do not fight for its memory.
    if flow.ends_s.get() == ends_s {
        return true;
    }
    flow.ends_s.set(ends_s);
    ports::hold(tables, key.inside, &ports::outside(flow.outside.address, flow.outside.port, key.protocol), ends_s)
}

/// The kernel says "time exceeded" and "too big", and can only say it to him who sent the packet.
#[inline(always)]
const fn is_for_the_kernel(packet: &Packet, largest: u32, mtu: u32) -> bool {
    packet.ttl <= 1 || (packet.dont_fragment && largest > mtu)
}

#[inline(always)]
pub(crate) fn drop_for<T: Tables>(reason: Reason, tables: &T) -> Verdict {
    tables.count(reason);
    Verdict::DROP
}
