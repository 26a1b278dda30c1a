//! What goes through the box, for page and API.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use patronus_ipc::datapath::{self, Ipfix, State, Traffic};
use serde::Serialize;

/// Everything that `/api/flows` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Flows {
    /// The LAN from which flows may begin.
    pub lan: Option<String>,
    /// Uplinks by which they may leave.
    pub uplinks: Vec<Uplink>,
    /// How many there are, and how many fit.
    pub count: u32,
    /// How many fit.
    pub most: u32,
    /// Packets that were not carried, by reason.
    pub not_carried: BTreeMap<String, u64>,
    /// How the export of flows goes; `null` without one.
    pub ipfix: Option<Ipfix>,
    /// Those that have carried most, the most first.
    pub flows: Vec<Flow>,
}

/// An uplink by which flows may leave.
#[derive(Debug, Serialize)]
pub(crate) struct Uplink {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: String,
    /// What flows are seen as.
    pub address: Ipv4Addr,
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// Somebody inside talks to somebody outside.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    /// `tcp`, `udp` or `icmp`.
    pub protocol: &'static str,
    /// The computer on the LAN.
    pub inside: SocketAddr,
    /// Whom it talks to.
    pub remote: SocketAddr,
    /// What it is seen as.
    pub outside: SocketAddr,
    /// By which uplink; empty if that is gone.
    pub uplink: String,
    /// Whether it came by a port forward.
    pub forwarded: bool,
    /// Whether the other side has answered.
    pub answered: bool,
    /// The rule that let it pass.
    pub rule: String,
    /// From inside.
    pub sent: Traffic,
    /// To inside.
    pub received: Traffic,
    /// For how long it has been there.
    pub age_s: u32,
    /// In how many seconds of silence it is over.
    pub ends_in_s: u32,
}

/// What `datapath` told.
#[must_use]
pub(crate) fn flows(state: &State, flows: &[datapath::Flow]) -> Flows {
    let uplink = |uplink: &datapath::Uplink| Uplink {
        name: uplink.name.to_string(),
        port: uplink.port.to_string(),
        address: uplink.address,
        mtu: uplink.mtu,
    };
    Flows {
        lan: state.lan.map(|lan| lan.to_string()),
        uplinks: state.uplinks.iter().map(uplink).collect(),
        count: state.flows,
        most: state.flows_max,
        not_carried: state.not_carried.clone(),
        ipfix: state.ipfix.clone(),
        flows: flows.iter().map(flow).collect(),
    }
}

fn flow(flow: &datapath::Flow) -> Flow {
    Flow {
        protocol: match flow.protocol {
            6 => "tcp",
            17 => "udp",
            _ => "icmp",
        },
        inside: flow.inside,
        remote: flow.remote,
        outside: flow.outside,
        uplink: flow.uplink.as_ref().map(ToString::to_string).unwrap_or_default(),
        forwarded: flow.forwarded,
        answered: flow.answered,
        rule: flow.rule.clone(),
        sent: flow.sent,
        received: flow.received,
        age_s: flow.age_s,
        ends_in_s: flow.ends_in_s,
    }
}
