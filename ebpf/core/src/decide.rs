//! What becomes of a packet.
//!
//! *Does*: let the LAN open flows towards WAN, and let in from WAN what belongs to such a flow.
//! *Never does*: answer by itself: what needs an ICMP error goes to the kernel as it came, before anything in it is changed.
//! *Spec*: `docs/datapath.md`, section "A packet's way"; RFC 4787 REQ-8 (filtering by address and port).

use core::cell::Cell;

use patronus_ebpf_abi::{Endpoint, Flow, FlowKey, Reason};

use crate::{
    packet::{ACK, Kind, Packet, Parsed, SYN, TCP},
    ports, state,
    tables::{Route, Tables},
    translate::Translation,
};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel has it, as it came.
    Kernel,
    /// Rewritten and marked, then the kernel forwards it.
    Translate(Translation),
    /// Nobody has it any more; the reason has been counted.
    Drop,
}

/// A packet from the LAN. `largest` is what it takes on the wire: its own length, or that of the longest of the segments it will be cut into.
#[inline(always)]
pub fn outbound<T: Tables>(parsed: &Parsed, largest: u32, tables: &T) -> Verdict {
    let (source, destination) = match parsed {
        Parsed::Packet(packet) => (packet.source.address, packet.destination.address),
        Parsed::Odd(source, destination, _) => (*source, *destination),
        Parsed::Broken => return Verdict::Kernel,
    };
    let lan = tables.lan();
    // Neighbours, groups and everybody are no business of a router.
    if lan.mask == 0 || destination & lan.mask == lan.network || destination >= 0xe000_0000 {
        return Verdict::Kernel;
    }
    match parsed {
        Parsed::Packet(packet) if source & lan.mask == lan.network => from_lan(packet, largest, tables),
        Parsed::Packet(_) => refuse_uplinks(source, destination, Reason::ForeignSource, tables),
        Parsed::Odd(_, _, reason) => refuse_uplinks(source, destination, *reason, tables),
        Parsed::Broken => Verdict::Kernel,
    }
}

/// What cannot be translated must not leave by an uplink; elsewhere it may go.
#[inline(always)]
fn refuse_uplinks<T: Tables>(source: u32, destination: u32, reason: Reason, tables: &T) -> Verdict {
    match tables.route(source, destination) {
        Route::Uplink(_) => drop_for(reason, tables),
        Route::Elsewhere => Verdict::Kernel,
    }
}

#[inline(always)]
fn from_lan<T: Tables>(packet: &Packet, largest: u32, tables: &T) -> Verdict {
    let key = FlowKey { inside: packet.source, remote: packet.destination, protocol: packet.protocol };
    let now_s = tables.now_s();
    if let Some(flow) = tables.flow(&key)
        && flow.ends_s.get() > now_s
        && let Some(uplink) = tables.uplink(flow.slot)
        // An uplink that is gone has no address, one with a new lease another.
        && uplink.address == flow.outside.address
    {
        if is_for_the_kernel(packet, largest, uplink.mtu) {
            return Verdict::Kernel;
        }
        let state = state::after_out(flow.state.get(), packet.flags);
        if lasts(&flow, &key, state, now_s, tables) {
            T::add(&flow.packets_out, 1);
            T::add(&flow.bytes_out, u64::from(packet.bytes));
            return Verdict::Translate(Translation::out(packet, flow.outside, uplink.mtu));
        }
    }
    open(packet, largest, &key, now_s, tables)
}

/// A flow that is not known.
#[inline(always)]
fn open<T: Tables>(packet: &Packet, largest: u32, key: &FlowKey, now_s: u32, tables: &T) -> Verdict {
    let Route::Uplink(slot) = tables.route(packet.source.address, packet.destination.address) else {
        return Verdict::Kernel;
    };
    let Some(uplink) = tables.uplink(slot) else { return Verdict::Kernel };
    if uplink.address == 0 {
        return Verdict::Kernel;
    }
    match packet.kind {
        Kind::Ports if packet.protocol == TCP && packet.flags & (SYN | ACK) != SYN => {
            return drop_for(Reason::NoSuchConnection, tables);
        }
        Kind::Reply | Kind::Error => return drop_for(Reason::NoSuchFlow, tables),
        Kind::Ports | Kind::Request => {}
    }
    if is_for_the_kernel(packet, largest, uplink.mtu) {
        return Verdict::Kernel;
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
        ..Flow::default()
    };
    if !tables.add_flow(key, &flow) {
        return drop_for(Reason::TableFull, tables);
    }
    Verdict::Translate(Translation::out(packet, outside, uplink.mtu))
}

/// A packet from WAN, which came by the device with this index.
#[inline(always)]
pub fn inbound<T: Tables>(parsed: &Parsed, device: u32, tables: &T) -> Verdict {
    let Parsed::Packet(packet) = parsed else { return Verdict::Kernel };
    let Endpoint { address, port, .. } = packet.destination;
    // Pings of the box itself, tunnels, its own questions and their answers.
    if !ports::is_ours(port) {
        return Verdict::Kernel;
    }
    let Some(owner) = tables.owner(&ports::outside(address, port, packet.protocol)) else { return Verdict::Kernel };
    let inside = owner.inside;
    let key = FlowKey { inside, remote: packet.source, protocol: packet.protocol };
    let now_s = tables.now_s();
    if let Some(flow) = tables.flow(&key)
        && flow.ends_s.get() > now_s
        && flow.outside == packet.destination
        && let Some(uplink) = tables.uplink(flow.slot)
        && uplink.index == device
        && uplink.address == address
    {
        // An error says nothing of how long the flow lasts: anybody on its way can make one.
        if packet.kind != Kind::Error {
            let state = state::after_in(flow.state.get(), packet.flags);
            lasts(&flow, &key, state, now_s, tables);
        }
        T::add(&flow.packets_in, 1);
        T::add(&flow.bytes_in, u64::from(packet.bytes));
        return Verdict::Translate(Translation::into(packet, inside, uplink.mtu));
    }
    tables.count(Reason::Unsolicited);
    Verdict::Kernel
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
fn drop_for<T: Tables>(reason: Reason, tables: &T) -> Verdict {
    tables.count(reason);
    Verdict::Drop
}
