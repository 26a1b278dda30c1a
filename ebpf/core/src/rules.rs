//! When packets are judged.
//!
//! *Does*: judge the first packet of a flow, a flow that an older policy let pass, and what is in no flow; count and note each judgement.
//! *Never does*: judge the next packets of a flow by the same policy.

use patronus_ebpf_abi::{
    Flow, FlowKey, Reason,
    policy::{Opening, PORT_UNKNOWN, Zone, service},
};

use crate::{
    packet::{ACK, Kind, Packet, SYN, TCP},
    policy::{self, Judgement, Query},
    tables::Tables,
};

/// Judges a packet that is the first of its kind, and notes what was found.
#[inline(always)]
pub(crate) fn judge<T: Tables>(tables: &T, query: &Query) -> Judgement {
    let judgement = policy::judge(tables, query);
    tables.note(judgement, query);
    if !judgement.allows() {
        tables.count(Reason::Rule);
    }
    judgement
}

/// Whether a flow may go on: it is judged again if the policy is another than that which let it pass. Otherwise it is over.
#[inline(always)]
pub(crate) fn goes_on<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) -> bool {
    let generation = policy::generation(tables);
    if flow.generation.get() == generation {
        return true;
    }
    let judgement = judge(tables, &Query::of_flow(key, Opening::of(flow.opening)));
    if judgement.allows() {
        flow.rule.set(judgement.rule as u16);
        flow.generation.set(generation);
    } else {
        flow.ends_s.set(0);
    }
    judgement.allows()
}

/// What a packet that can belong to a flow asks.
#[inline(always)]
pub(crate) const fn of_packet(packet: &Packet, from: Zone, to: Zone) -> Query {
    Query {
        opening: Opening { from, to, dscp: packet.dscp as u32 },
        source: packet.source.address,
        destination: packet.destination.address,
        service: service(packet.protocol, packet.destination.port as u32),
    }
}

/// What one asks that cannot: its port may be any.
#[inline(always)]
pub(crate) const fn of_odd(packet: &Packet, from: Zone, to: Zone) -> Query {
    Query { service: service(packet.protocol, PORT_UNKNOWN), ..of_packet(packet, from, to) }
}

/// Whether it begins something that the box itself would answer. What goes on, and answers to the box's own questions, are not judged.
#[inline(always)]
pub(crate) const fn asks(packet: &Packet) -> bool {
    match packet.kind {
        Kind::Ports => packet.protocol != TCP || packet.flags & (SYN | ACK) == SYN,
        Kind::Request => true,
        Kind::Reply | Kind::Error => false,
    }
}
