//! From the tables to what people see.

use std::net::{Ipv4Addr, SocketAddrV4};

use patronus_ebpf_abi::{Endpoint, Flow, FlowKey};
use patronus_ipc::datapath::{self, MOST_FLOWS, Traffic};
use patronus_types::UplinkName;

use crate::Desired;

/// `REPLIED` of `ebpf/core`: somebody outside has answered.
const REPLIED: u32 = 1;

/// The flows that have carried most, the most first.
#[must_use]
pub fn flows(mut table: Vec<(FlowKey, Flow)>, now_s: u32, desired: &Desired) -> Vec<datapath::Flow> {
    table.retain(|(_, flow)| flow.ends_s.get() > now_s);
    table.sort_by_key(|(key, flow)| (std::cmp::Reverse(bytes(flow)), *key));
    table.truncate(MOST_FLOWS);
    table.iter().map(|(key, flow)| one(key, flow, now_s, desired)).collect()
}

fn one(key: &FlowKey, flow: &Flow, now_s: u32, desired: &Desired) -> datapath::Flow {
    datapath::Flow {
        protocol: u8::try_from(key.protocol).unwrap_or_default(),
        inside: socket(key.inside),
        remote: socket(key.remote),
        outside: socket(flow.outside),
        uplink: uplink(flow, desired),
        answered: flow.state.get() & REPLIED != 0,
        sent: Traffic { packets: flow.packets_out.get(), bytes: flow.bytes_out.get() },
        received: Traffic { packets: flow.packets_in.get(), bytes: flow.bytes_in.get() },
        age_s: now_s.saturating_sub(flow.began_s.get()),
        ends_in_s: flow.ends_s.get().saturating_sub(now_s),
    }
}

/// A slot may have been given to another uplink since.
fn uplink(flow: &Flow, desired: &Desired) -> Option<UplinkName> {
    let slot = usize::try_from(flow.slot).ok()?;
    let uplink = desired.uplinks.get(slot)?;
    (uplink.address == Some(Ipv4Addr::from(flow.outside.address))).then(|| uplink.name.clone())
}

fn bytes(flow: &Flow) -> u64 {
    flow.bytes_out.get().saturating_add(flow.bytes_in.get())
}

fn socket(end: Endpoint) -> SocketAddrV4 {
    SocketAddrV4::new(end.address.into(), end.port)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn flow(port: u16, bytes: u64, ends_s: u32) -> (FlowKey, Flow) {
        let key = FlowKey { inside: Endpoint::new(1, port), remote: Endpoint::new(2, 80), protocol: 6 };
        (key, Flow { bytes_in: Cell::new(bytes), ends_s: Cell::new(ends_s), ..Flow::default() })
    }

    #[test]
    fn flows_come_by_what_they_carried_and_those_that_are_over_not_at_all() {
        let told = flows(vec![flow(1, 10, 100), flow(2, 30, 100), flow(3, 20, 50)], 60, &Desired::default());
        assert_eq!(told.iter().map(|flow| flow.inside.port()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(told[0].ends_in_s, 40);
    }

    #[test]
    fn as_many_flows_as_the_limit_are_told_and_not_one_more() {
        let table = |count: usize| (0..count).map(|port| flow(port as u16, 1, 100)).collect();
        assert_eq!(flows(table(MOST_FLOWS), 1, &Desired::default()).len(), MOST_FLOWS);
        assert_eq!(flows(table(MOST_FLOWS + 1), 1, &Desired::default()).len(), MOST_FLOWS);
    }
}
