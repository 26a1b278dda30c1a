//! IPv6 between LAN and Internet.
//!
//! *Does*: let the LAN open flows towards WAN, and let in from WAN what belongs to such a flow.
//! *Never does*: translate: computers on the LAN have addresses that the world knows. Answer by itself: the kernel forwards, and says errors.
//! Rules that name prefixes are about IPv4, and say nothing here.
//! *Spec*: RFC 6092 (what a router before a home lets in), RFC 4890 section 4.3.1 (errors that must pass: those of a flow that is known).

mod packet;

use core::{cell::Cell, ops::Deref};

use patronus_ebpf_abi::{
    Reason,
    policy::{Opening, Zone, service},
    six::{Flow6, FlowKey6, Lan6},
};

pub use packet::{ICMPV6, IP6_BYTES, Packet6, Parsed6, Shape6, parse6};

use crate::{
    packet::{ACK, ICMP, Kind, SYN, TCP},
    policy::{self, Query},
    rules, state,
    tables::{Route, Tables},
};

/// Headers of IP and TCP, which the MSS does not count.
const HEADERS: u32 = 60;

/// The tables for IPv6, beside the others.
pub trait Tables6: Tables {
    /// A flow in its table.
    type Flow6: Deref<Target = Flow6>;

    /// The LAN.
    fn lan6(&self) -> Lan6;
    /// Where the kernel's routing would send a packet from the LAN.
    fn route6(&self, packet: &Packet6) -> Route;
    /// A flow.
    fn flow6(&self, key: &FlowKey6) -> Option<Self::Flow6>;
    /// Puts a flow into its table. Whether it is there now.
    fn add_flow6(&self, key: &FlowKey6, flow: &Flow6) -> bool;
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict6 {
    /// The kernel has it, as it came.
    Kernel,
    /// Marked, then the kernel forwards it. A SYN may ask for segments of so many bytes at most; 0: it is none.
    Pass(u16),
    /// Nobody has it any more; the reason has been counted.
    Drop,
}

/// A packet from the LAN.
#[inline(always)]
pub fn outbound6<T: Tables6>(parsed: &Parsed6, tables: &T) -> Verdict6 {
    let (lan, packet) = (tables.lan6(), &parsed.packet);
    // Neighbours, groups and what never leaves a link are no business of a router.
    if lan.mask_high == 0 || lan.has(&packet.destination) || packet.is_local() {
        return Verdict6::Kernel;
    }
    match parsed.shape {
        Shape6::Whole if lan.has(&packet.source) => from_lan(packet, tables),
        Shape6::Whole => refuse(packet, Reason::ForeignSource, tables),
        Shape6::Odd(reason) => refuse(packet, reason, tables),
        Shape6::Broken => Verdict6::Kernel,
    }
}

/// What is in no flow must not leave by an uplink; elsewhere it may go.
#[inline(always)]
fn refuse<T: Tables6>(packet: &Packet6, reason: Reason, tables: &T) -> Verdict6 {
    match tables.route6(packet) {
        Route::Uplink(_) => drop_for(reason, tables),
        _ => Verdict6::Kernel,
    }
}

#[inline(always)]
fn from_lan<T: Tables6>(packet: &Packet6, tables: &T) -> Verdict6 {
    let key = FlowKey6 { inside: packet.source, remote: packet.destination, protocol: packet.protocol, zero: 0 };
    let now_s = tables.now_s();
    if let Some(flow) = tables.flow6(&key)
        && flow.ends_s.get() > now_s
    {
        if !goes_on(&flow, &key, tables) {
            return Verdict6::Drop;
        }
        let state = state::after_out(flow.state.get(), packet.flags);
        lasts(&flow, packet, state, now_s);
        T::add(&flow.packets_out, 1);
        T::add(&flow.bytes_out, u64::from(packet.bytes));
        return pass(packet, flow.slot, tables);
    }
    let Route::Uplink(slot) = tables.route6(packet) else { return Verdict6::Kernel };
    match packet.kind {
        Kind::Ports if packet.protocol == TCP && packet.flags & (SYN | ACK) != SYN => {
            return drop_for(Reason::NoSuchConnection, tables);
        }
        Kind::Reply | Kind::Error => return drop_for(Reason::NoSuchFlow, tables),
        Kind::Ports | Kind::Request => {}
    }
    let asked = query(&key, Opening { from: Zone::Lan, to: Zone::Wan, dscp: packet.dscp });
    let judgement = rules::judge(tables, &asked);
    if !judgement.allows() {
        return Verdict6::Drop;
    }
    let flow = Flow6 {
        packets_out: Cell::new(1),
        bytes_out: Cell::new(u64::from(packet.bytes)),
        began_s: Cell::new(now_s),
        ends_s: Cell::new(now_s.wrapping_add(state::lifetime_s(packet.protocol, 0))),
        slot,
        generation: Cell::new(policy::generation(tables)),
        rule: Cell::new(judgement.rule as u16),
        opening: asked.opening.number(),
        ..Flow6::default()
    };
    if !tables.add_flow6(&key, &flow) {
        return drop_for(Reason::TableFull, tables);
    }
    pass(packet, slot, tables)
}

/// A packet from WAN.
#[inline(always)]
pub fn inbound6<T: Tables6>(parsed: &Parsed6, tables: &T) -> Verdict6 {
    let (lan, packet) = (tables.lan6(), &parsed.packet);
    if parsed.shape != Shape6::Whole || lan.mask_high == 0 || !lan.has(&packet.destination) {
        return Verdict6::Kernel;
    }
    let key = FlowKey6 { inside: packet.destination, remote: packet.source, protocol: packet.protocol, zero: 0 };
    let now_s = tables.now_s();
    match tables.flow6(&key).filter(|flow| flow.ends_s.get() > now_s) {
        Some(flow) => {
            if !goes_on(&flow, &key, tables) {
                return Verdict6::Drop;
            }
            // An error says nothing of how long the flow lasts: anybody on its way can make one.
            if packet.kind != Kind::Error {
                let state = state::after_in(flow.state.get(), packet.flags);
                lasts(&flow, packet, state, now_s);
            }
            T::add(&flow.packets_in, 1);
            T::add(&flow.bytes_in, u64::from(packet.bytes));
            pass(packet, flow.slot, tables)
        }
        None => {
            tables.count(Reason::Unsolicited);
            Verdict6::Kernel
        }
    }
}

/// Whether the rules let it go on: see [`rules::goes_on`].
#[inline(always)]
fn goes_on<T: Tables6>(flow: &Flow6, key: &FlowKey6, tables: &T) -> bool {
    let generation = policy::generation(tables);
    if flow.generation.get() == generation {
        return true;
    }
    let judgement = rules::judge(tables, &query(key, Opening::of(flow.opening)));
    if judgement.allows() {
        flow.rule.set(judgement.rule as u16);
        flow.generation.set(generation);
    } else {
        flow.ends_s.set(0);
    }
    judgement.allows()
}

/// What a flow from the LAN asks of the rules, which know pings by their protocol in IPv4.
#[inline(always)]
const fn query(key: &FlowKey6, opening: Opening) -> Query {
    let protocol = if key.protocol == ICMPV6 { ICMP } else { key.protocol };
    Query { opening, source: 0, destination: 0, service: service(protocol, key.remote.port as u32) }
}

#[inline(always)]
fn lasts(flow: &Flow6, packet: &Packet6, state: u32, now_s: u32) {
    if flow.state.get() != state {
        flow.state.set(state);
    }
    let ends_s = now_s.wrapping_add(state::lifetime_s(packet.protocol, state));
    if flow.ends_s.get() != ends_s {
        flow.ends_s.set(ends_s);
    }
}

/// RFC 8200 section 5: 1280 bytes always fit.
#[inline(always)]
fn pass<T: Tables6>(packet: &Packet6, slot: u32, tables: &T) -> Verdict6 {
    let is_syn = packet.protocol == TCP && packet.kind == Kind::Ports && packet.flags & SYN != 0;
    let mtu = if is_syn { tables.uplink(slot).map_or(0, |uplink| uplink.mtu) } else { 0 };
    Verdict6::Pass(mtu.saturating_sub(HEADERS) as u16)
}

#[inline(always)]
fn drop_for<T: Tables6>(reason: Reason, tables: &T) -> Verdict6 {
    tables.count(reason);
    Verdict6::Drop
}
