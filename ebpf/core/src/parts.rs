//! Parts of datagrams: only the first has ports.
//!
//! *Does*: remember to which flow a first part belonged, and lead the others the same way.
//! *Never does*: put parts together, or keep one until the first has come: what comes before it is lost.
//! *Spec*: RFC 791 section 3.2; RFC 4787 REQ-14; RFC 1858 section 3.2.2.

use patronus_ebpf_abi::{
    Endpoint, FlowKey,
    part::{Part, PartKey},
};

use crate::{packet::Packet, tables::Tables, translate::Translation, verdict::Verdict};

/// For how long parts are awaited (Linux: `ipfrag_time`).
const AWAITED_S: u32 = 30;

/// The first part of a datagram passes: the others are of the same flow.
#[inline(always)]
pub(crate) fn begin<T: Tables>(packet: &Packet, inside: Endpoint, remote: Endpoint, tables: &T) {
    let flow = FlowKey { inside, remote, protocol: packet.protocol };
    tables.keep_part(&key(packet), &Part { flow, ends_s: tables.now_s().wrapping_add(AWAITED_S) });
}

/// A later part from the LAN.
#[inline(always)]
pub(crate) fn outbound<T: Tables>(packet: &Packet, tables: &T) -> Option<Verdict> {
    let (key, flow) = known(packet, tables)?;
    let uplink = tables.uplink(flow.slot)?;
    if key.inside.address != packet.source.address || uplink.address != flow.outside.address {
        return None;
    }
    // The kernel says "time exceeded" to him who sent it.
    if packet.ttl <= 1 {
        return Some(Verdict::KERNEL);
    }
    T::add(&flow.packets_out, 1);
    T::add(&flow.bytes_out, u64::from(packet.bytes));
    Some(Verdict::translate(Translation::part(true, packet.source, flow.outside)))
}

/// A later part from WAN, which came by the device with this index.
#[inline(always)]
pub(crate) fn inbound<T: Tables>(packet: &Packet, device: u32, tables: &T) -> Option<Verdict> {
    let (key, flow) = known(packet, tables)?;
    let uplink = tables.uplink(flow.slot)?;
    let is_his = flow.outside.address == packet.destination.address && key.remote.address == packet.source.address;
    if !is_his || uplink.address != flow.outside.address || uplink.index != device {
        return None;
    }
    T::add(&flow.packets_in, 1);
    T::add(&flow.bytes_in, u64::from(packet.bytes));
    Some(Verdict::translate(Translation::part(false, packet.destination, key.inside)))
}

/// The flow of a datagram whose first part has passed.
#[inline(always)]
fn known<T: Tables>(packet: &Packet, tables: &T) -> Option<(FlowKey, T::Flow)> {
    let (part, now_s) = (tables.part(&key(packet))?, tables.now_s());
    let flow = tables.flow(&part.flow)?;
    (part.ends_s > now_s && flow.ends_s.get() > now_s).then_some((part.flow, flow))
}

#[inline(always)]
const fn key(packet: &Packet) -> PartKey {
    PartKey {
        source: packet.source.address,
        destination: packet.destination.address,
        id_and_protocol: (packet.id as u32) << 16 | packet.protocol,
    }
}
