//! From the tables to what people see.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, MESH_SLOT,
    policy::Zone,
    six::{Endpoint6, Flow6, FlowKey6},
    state::{FORWARDED, REPLIED},
};
use patronus_ipc::datapath::{self, MOST_FLOWS, Traffic};
use patronus_types::UplinkName;

use crate::{
    Desired,
    policy::{Book, Entry},
};

/// The flows that have carried most, of however many come by.
#[derive(Debug, Default)]
pub struct Most(Vec<Known>);

/// A flow as it stands in its table.
#[derive(Debug)]
pub enum Known {
    /// IPv4.
    Four(FlowKey, Flow),
    /// IPv6.
    Six(FlowKey6, Flow6),
}

impl Known {
    fn bytes(&self) -> u64 {
        let (out, into) = match self {
            Self::Four(_, flow) => (&flow.bytes_out, &flow.bytes_in),
            Self::Six(_, flow) => (&flow.bytes_out, &flow.bytes_in),
        };
        out.get().saturating_add(into.get())
    }

    /// An order that is the same at each look.
    const fn ends(&self) -> (Option<FlowKey>, Option<FlowKey6>) {
        match self {
            Self::Four(key, _) => (Some(*key), None),
            Self::Six(key, _) => (None, Some(*key)),
        }
    }
}

impl Most {
    /// One more has come by.
    pub fn add(&mut self, known: Known) {
        self.0.push(known);
        if self.0.len() > 4 * MOST_FLOWS {
            self.narrow();
        }
    }

    fn narrow(&mut self) {
        self.0.sort_unstable_by_key(|known| (std::cmp::Reverse(known.bytes()), known.ends()));
        self.0.truncate(MOST_FLOWS);
    }

    /// At most [`MOST_FLOWS`], the most first.
    #[must_use]
    pub fn flows(mut self, now_s: u32, desired: &Desired, book: &Book) -> Vec<datapath::Flow> {
        self.narrow();
        let told = |known: &Known| match known {
            Known::Four(key, flow) => one(key, flow, now_s, desired, book),
            Known::Six(key, flow) => six(key, flow, now_s, desired, book),
        };
        self.0.iter().map(told).collect()
    }
}

/// The rules with what they have decided.
#[must_use]
pub fn rules(book: &Book, hits: impl Fn(&str) -> Option<u64>) -> Vec<datapath::Rule> {
    let zone = |zone: Option<Zone>| zone.map_or("any", Zone::name).to_owned();
    let row = |entry: &Entry| datapath::Rule {
        name: entry.name.clone(),
        built_in: entry.is_built_in,
        allows: entry.rule.as_ref().is_none_or(|rule| rule.allows),
        from: zone(entry.rule.as_ref().and_then(|rule| rule.from)),
        to: zone(entry.rule.as_ref().and_then(|rule| rule.to)),
        asks: entry.asks.clone(),
        log: entry.rule.as_ref().is_some_and(|rule| rule.logs),
        hits: hits(&entry.name),
        problem: entry.problem.map(str::to_owned),
    };
    book.0.iter().map(row).collect()
}

fn one(key: &FlowKey, flow: &Flow, now_s: u32, desired: &Desired, book: &Book) -> datapath::Flow {
    datapath::Flow {
        protocol: u8::try_from(key.protocol).unwrap_or_default(),
        inside: socket(key.inside),
        remote: socket(key.remote),
        // Between sites nobody is translated.
        outside: socket(if flow.slot == MESH_SLOT { key.inside } else { flow.outside }),
        uplink: uplink(flow, desired),
        rule: book.entry(flow.rule.get().into()).map(|entry| entry.name.clone()).unwrap_or_default(),
        forwarded: flow.slot != MESH_SLOT && flow.state.get() & FORWARDED != 0,
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

fn six(key: &FlowKey6, flow: &Flow6, now_s: u32, desired: &Desired, book: &Book) -> datapath::Flow {
    let slot = usize::try_from(flow.slot).ok();
    datapath::Flow {
        protocol: u8::try_from(key.protocol).unwrap_or_default(),
        inside: socket_six(key.inside),
        remote: socket_six(key.remote),
        outside: socket_six(key.inside),
        uplink: slot.and_then(|slot| desired.uplinks.get(slot)).map(|uplink| uplink.name.clone()),
        rule: book.entry(flow.rule.get().into()).map(|entry| entry.name.clone()).unwrap_or_default(),
        forwarded: false,
        answered: flow.state.get() & REPLIED != 0,
        sent: Traffic { packets: flow.packets_out.get(), bytes: flow.bytes_out.get() },
        received: Traffic { packets: flow.packets_in.get(), bytes: flow.bytes_in.get() },
        age_s: now_s.saturating_sub(flow.began_s.get()),
        ends_in_s: flow.ends_s.get().saturating_sub(now_s),
    }
}

fn socket(end: Endpoint) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(end.address).into(), end.port)
}

fn socket_six(end: Endpoint6) -> SocketAddr {
    let address = u128::from(end.high) << 64 | u128::from(end.low);
    SocketAddr::new(Ipv6Addr::from_bits(address).into(), end.port)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What is told of flows that carried so many bytes, each from a port of its own.
    fn told(carried: impl IntoIterator<Item = u64>) -> Vec<(u16, u64)> {
        let mut most = Most::default();
        for (port, bytes) in (0..).zip(carried) {
            let key = FlowKey { inside: Endpoint::new(1, port), remote: Endpoint::new(2, 80), protocol: 6 };
            most.add(Known::Four(key, Flow { bytes_in: Cell::new(bytes), ..Flow::default() }));
        }
        let flows = most.flows(1, &Desired::default(), &Book::default());
        flows.iter().map(|flow| (flow.inside.port(), flow.received.bytes)).collect()
    }

    #[test]
    fn flows_come_by_what_they_carried() {
        assert_eq!(told([10, 30, 20]), [(1, 30), (2, 20), (0, 10)]);
    }

    #[test]
    fn as_many_flows_as_the_limit_are_told_and_not_one_more() {
        let limit = MOST_FLOWS as u64;
        assert_eq!(told(0..limit).len(), MOST_FLOWS);
        assert_eq!(told(0..=limit).len(), MOST_FLOWS);
    }

    #[test]
    fn of_many_flows_the_largest_are_told_wherever_they_come() {
        let many = 20 * MOST_FLOWS as u64;
        // Each number once, in no order.
        let told = told((0..many).map(|n| n * 7919 % many));
        assert_eq!(
            told.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(),
            (many - MOST_FLOWS as u64..many).rev().collect::<Vec<_>>()
        );
    }
}
