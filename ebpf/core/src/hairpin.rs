//! From the LAN to the LAN by an address outside: each sees the other as from outside, and answers come back through the box.
//!
//! *Does*: what a packet that leaves and one that comes in would get, one after the other.
//! *Never does*: let anybody in whom the same rules would not let in from WAN.
//! *Spec*: RFC 4787 REQ-9, RFC 5382 REQ-8 (external source address and port).

use patronus_ebpf_abi::{Endpoint, FlowKey, Reason, Uplink, state::HAIRPIN};

use crate::{
    decide::{drop_for, goes_out, open, to_inside},
    packet::{Kind, Packet, Parsed, Shape},
    ports,
    tables::Tables,
    verdict::{Fate, Verdict},
};

/// The uplink whose address a packet from the LAN is for, if somebody has the port that it is for.
#[inline(always)]
pub(crate) fn uplink<T: Tables>(packet: &Packet, tables: &T) -> Option<(u32, Uplink)> {
    let Endpoint { address, port, .. } = packet.destination;
    if packet.kind != Kind::Ports {
        return None;
    }
    let found = slot_of(address, tables)?;
    let is_somebodys = tables.is_forwarded(packet.protocol, port)
        || (ports::is_ours(port) && tables.owner(&ports::outside(address, port, packet.protocol)).is_some());
    is_somebodys.then_some(found)
}

/// The uplink that has this address.
#[inline(always)]
pub(crate) fn slot_of<T: Tables>(address: u32, tables: &T) -> Option<(u32, Uplink)> {
    if address == 0 {
        return None;
    }
    for slot in 0..patronus_ebpf_abi::UPLINKS {
        if let Some(uplink) = tables.uplink(slot)
            && uplink.address == address
        {
            return Some((slot, uplink));
        }
    }
    None
}

/// What [`crate::outbound`] has left to the kernel because it is for an address of an uplink: if somebody on the LAN has it, it goes to him.
#[inline(always)]
pub fn around<T: Tables>(parsed: &Parsed, largest: u32, tables: &T) -> Verdict {
    let (packet, lan) = (&parsed.packet, tables.lan());
    let is_from_lan = lan.mask != 0 && packet.source.address & lan.mask == lan.network;
    if parsed.shape != Shape::Whole || !is_from_lan {
        return Verdict::KERNEL;
    }
    let key = FlowKey { inside: packet.source, remote: packet.destination, protocol: packet.protocol };
    let now_s = tables.now_s();
    let mut out = Verdict::KERNEL;
    if let Some(flow) = tables.flow(&key)
        && flow.ends_s.get() > now_s
        && flow.state.get() & HAIRPIN != 0
    {
        out = goes_out(packet, largest, &key, &flow, now_s, tables);
    }
    if out.fate == Fate::Kernel
        && let Some((slot, _)) = uplink(packet, tables)
    {
        out = open(packet, largest, &key, slot, HAIRPIN, now_s, tables);
    }
    if out.fate != Fate::Translate {
        return out;
    }
    back(packet, out, now_s, tables)
}

/// A packet that was translated comes in again.
#[inline(always)]
fn back<T: Tables>(packet: &Packet, out: Verdict, now_s: u32, tables: &T) -> Verdict {
    let seen = Packet { source: out.outside(), ..*packet };
    match to_inside(&seen, None, HAIRPIN, now_s, tables) {
        Some(into) => out.and(into),
        None => drop_for(Reason::Unsolicited, tables),
    }
}
