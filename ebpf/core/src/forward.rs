//! Port forwards: who is meant by a port of ours.
//!
//! *Does*: find the computer behind a port, for those who may use it; open the flow from outside.
//! *Never does*: share a port: whoever got it by chance before it was forwarded loses it.
//! *Spec*: RFC 4787 REQ-1 (the computer's own flows have the port, too).

use core::cell::Cell;

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, Inside, Owner, Reason, Uplink,
    forward::{FORWARDS, Forward},
    policy::Zone,
};

use crate::{
    packet::{ACK, Kind, Packet, SYN, TCP},
    policy, ports, rules, state,
    tables::Tables,
};

/// The computer that `packet` is for by a port forward of the uplink in this slot.
#[inline(always)]
pub(crate) fn find<T: Tables>(packet: &Packet, slot: u32, tables: &T) -> Option<Endpoint> {
    if packet.kind != Kind::Ports || !tables.is_forwarded(packet.protocol, packet.destination.port) {
        return None;
    }
    for index in 0..FORWARDS {
        let forward = tables.forward(index)?;
        if forward.protocol == 0 {
            return None;
        }
        if is_it(forward, packet, slot) {
            let port = forward.inside.port.wrapping_add(packet.destination.port - forward.first);
            return may_use(forward, packet.source.address).then_some(Endpoint::new(forward.inside.address, port));
        }
    }
    None
}

#[inline(always)]
const fn is_it(forward: &Forward, packet: &Packet, slot: u32) -> bool {
    let port = packet.destination.port;
    forward.protocol == packet.protocol
        && forward.first <= port
        && port <= forward.last
        && forward.slots >> slot & 1 == 1
}

#[inline(always)]
fn may_use(forward: &Forward, source: u32) -> bool {
    let mut used = forward.sources_used;
    if used == 0 {
        return true;
    }
    for prefix in &forward.sources {
        if used == 0 {
            return false;
        }
        if source & prefix.mask == prefix.network {
            return true;
        }
        used -= 1;
    }
    false
}

/// A flow from outside to the computer `inside`, if this packet may begin one. Whether it did.
#[inline(always)]
pub(crate) fn open<T: Tables>(
    packet: &Packet,
    inside: Endpoint,
    (slot, uplink): (u32, &Uplink),
    kept: u32,
    now_s: u32,
    tables: &T,
) -> bool {
    if packet.protocol == TCP && packet.flags & (SYN | ACK) != SYN {
        tables.count(Reason::NoSuchConnection);
        return false;
    }
    let key = FlowKey { inside, remote: packet.source, protocol: packet.protocol };
    let ends_s = now_s.wrapping_add(state::lifetime_s(packet.protocol, 0));
    let outside = packet.destination;
    // By another port he talks to the same computer already: answers to the two could not be told apart.
    if let Some(flow) = tables.flow(&key)
        && flow.ends_s.get() > now_s
        && flow.outside != outside
        && tables.uplink(flow.slot).is_some_and(|uplink| uplink.address == flow.outside.address)
    {
        tables.count(Reason::EndsTaken);
        return false;
    }
    let query = rules::of_packet(&Packet { destination: inside, ..*packet }, Zone::Wan, Zone::Lan);
    let judgement = rules::judge(tables, &query);
    if !judgement.allows() {
        return false;
    }
    tables.give(
        &ports::outside(outside.address, outside.port, packet.protocol),
        &Owner { inside, ends_s: Cell::new(ends_s), zero: 0 },
    );
    tables.keep_port(&Inside { endpoint: inside, outside: uplink.address, protocol: packet.protocol }, outside.port);
    let flow = Flow {
        packets_in: Cell::new(1),
        bytes_in: Cell::new(u64::from(packet.bytes)),
        began_s: Cell::new(now_s),
        ends_s: Cell::new(ends_s),
        outside,
        slot,
        state: Cell::new(kept | state::FORWARDED),
        generation: Cell::new(policy::generation(tables)),
        rule: Cell::new(judgement.rule as u16),
        opening: query.opening.number(),
        ..Flow::default()
    };
    let is_there = tables.add_flow(&key, &flow);
    if !is_there {
        tables.count(Reason::TableFull);
    }
    is_there
}
