//! Between the LAN and other sites, and from the LAN to the box itself.
//!
//! *Does*: let pass what the rules let pass, with the flow's other direction; count it.
//! *Never does*: translate anything, or ask that a connection be seen from its first packet: both ends may be older than this box's memory.
//! *Spec*: `docs/datapath.md`, section "A packet's way".

use core::cell::Cell;

use patronus_ebpf_abi::{Flow, FlowKey, MESH_SLOT, Reason, policy::Zone};

use crate::{
    answers,
    packet::{Kind, Packet, Parsed, Shape},
    policy, rules, state,
    tables::Tables,
    verdict::Verdict,
};

/// A packet that came out of a tunnel.
#[inline(always)]
pub fn from_mesh<T: Tables>(parsed: &Parsed, tables: &T) -> Verdict {
    let lan = tables.lan();
    let (packet, destination) = (&parsed.packet, parsed.packet.destination.address);
    // What sites say to each other's boxes, and what one hands on to the next, is no business of these rules.
    if lan.mask == 0 || destination & lan.mask != lan.network || destination == lan.address {
        return Verdict::KERNEL;
    }
    match parsed.shape {
        Shape::Whole => {
            let key = FlowKey { inside: packet.destination, remote: packet.source, protocol: packet.protocol };
            let epoch = tables.epoch();
            let now_s = tables.now_s();
            match tables.flow(&key) {
                Some(flow) if flow.slot == MESH_SLOT && flow.ends_s.get() > now_s => {
                    known(packet, &key, &flow, Zone::Mesh, (now_s, epoch), tables)
                }
                _ => begin(packet, &key, Zone::Mesh, Zone::Lan, now_s, tables),
            }
        }
        Shape::Part | Shape::Odd(_) => once(&rules::of_odd(packet, Zone::Mesh, Zone::Lan), tables),
        Shape::Broken => Verdict::KERNEL,
    }
}

/// One that cannot belong to a flow, for the box or into a tunnel.
#[inline(always)]
pub(crate) fn once<T: Tables>(query: &policy::Query, tables: &T) -> Verdict {
    if rules::judge(tables, query).allows() { Verdict::KERNEL } else { Verdict::DROP }
}

/// From the LAN to the box itself.
#[inline(always)]
pub(crate) fn towards_box<T: Tables>(packet: &Packet, tables: &T) -> Verdict {
    if !rules::asks(packet) {
        return Verdict::KERNEL;
    }
    once(&rules::of_packet(packet, Zone::Lan, Zone::Own), tables)
}

/// A packet that begins a flow, or goes on with one that this box does not know.
#[inline(always)]
pub(crate) fn begin<T: Tables>(
    packet: &Packet,
    key: &FlowKey,
    from: Zone,
    to: Zone,
    now_s: u32,
    tables: &T,
) -> Verdict {
    let query = rules::of_packet(packet, from, to);
    let judgement = rules::judge(tables, &query);
    if !judgement.allows() {
        return Verdict::DROP;
    }
    // An answer or an error begins nothing.
    if !matches!(packet.kind, Kind::Ports | Kind::Request) {
        return Verdict::KERNEL;
    }
    let flow = Flow {
        began_s: Cell::new(now_s),
        ends_s: Cell::new(now_s.wrapping_add(state::lifetime_s(packet.protocol, 0))),
        slot: MESH_SLOT,
        state: Cell::new(if from == Zone::Lan { 0 } else { state::FORWARDED }),
        generation: Cell::new(policy::generation(tables)),
        rule: Cell::new(judgement.rule as u16),
        opening: query.opening.number(),
        ..Flow::default()
    };
    let (packets, bytes) = counters(&flow, from);
    packets.set(1);
    bytes.set(u64::from(packet.bytes));
    if !tables.add_flow(key, &flow) {
        tables.count(Reason::TableFull);
        return Verdict::DROP;
    }
    Verdict::KERNEL
}

/// A packet of a flow with another site.
#[inline(always)]
pub(crate) fn known<T: Tables>(
    packet: &Packet,
    key: &FlowKey,
    flow: &Flow,
    from: Zone,
    (now_s, epoch): (u32, u32),
    tables: &T,
) -> Verdict {
    if !rules::goes_on(tables, key, flow) {
        return Verdict::DROP;
    }
    if packet.kind != Kind::Error {
        let before = flow.state.get();
        let state = match from {
            Zone::Lan => state::after_out(before, packet.flags),
            _ => state::after_in(before, packet.flags),
        };
        if before != state {
            flow.state.set(state);
        }
        let ends_s = now_s.wrapping_add(state::lifetime_s(packet.protocol, state));
        if flow.ends_s.get() != ends_s {
            flow.ends_s.set(ends_s);
        }
    }
    let (packets, bytes) = counters(flow, from);
    T::add(packets, 1);
    T::add(bytes, u64::from(packet.bytes));
    answers::keep(packet, from, epoch, flow, key.inside, tables);
    Verdict::KERNEL
}

/// Out is from the LAN.
#[inline(always)]
const fn counters(flow: &Flow, from: Zone) -> (&Cell<u64>, &Cell<u64>) {
    match from {
        Zone::Lan => (&flow.packets_out, &flow.bytes_out),
        _ => (&flow.packets_in, &flow.bytes_in),
    }
}
