//! What another document would change for traffic between sites: which class takes which path, and which flows of now are concerned.
//!
//! *Does*: compare what `router` decides with what it would decide, and judge flows by both lists of rules.
//! *Never does*: know how packets are marked: rules by DSCP alone match unmarked traffic or nothing here.
//! *Spec*: `docs/router.md`, section "Dry run".

use std::net::{IpAddr, SocketAddr};

use patronus_ipc::{datapath, mesh, router};
use patronus_types::{Class, ClassRule, Document, Traffic};
use serde::Serialize;

use super::routing::{Slots, name};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Changes {
    /// Classes that would take another path.
    pub paths: Vec<PathChange>,
    /// Flows of now that would be of another class.
    pub flows: Vec<FlowChange>,
    /// Out of so many between sites: those that have carried most.
    pub flows_compared: usize,
}

/// A class that would take another path to a site.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PathChange {
    /// Which site.
    pub site: String,
    /// What it is called.
    pub name: String,
    /// Which class.
    pub class: Class,
    /// By which path it goes now.
    pub from: Option<Slots>,
    /// And then.
    pub to: Option<Slots>,
}

/// A flow that would be of another class.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FlowChange {
    /// IP protocol number.
    pub protocol: u8,
    /// The computer on the LAN.
    pub inside: SocketAddr,
    /// Whom it talks to.
    pub remote: SocketAddr,
    /// What its site is called.
    pub name: String,
    /// Its class now.
    pub from: Class,
    /// And then.
    pub to: Class,
}

/// `now` is what `router` says, `then` what it would say with `document`.
pub(crate) fn changes(
    now: &router::State,
    then: &[router::Site],
    document: &Document,
    flows: &[datapath::Flow],
    network: Option<&mesh::State>,
) -> Changes {
    let rules = document.policy.all_rules();
    let reached = |flow: &datapath::Flow| now.sites.iter().find(|site| is_behind(site, flow.remote.ip()));
    let between: Vec<_> = flows.iter().filter_map(|flow| Some((flow, reached(flow)?))).collect();
    let flow_change = |(flow, site): &(&datapath::Flow, &router::Site)| {
        let (from, to) = (class(&now.rules, flow), class(&rules, flow));
        let (protocol, inside, remote) = (flow.protocol, flow.inside, flow.remote);
        (from != to).then(|| FlowChange { protocol, inside, remote, name: name(site.id, network), from, to })
    };
    Changes {
        paths: now.sites.iter().flat_map(|site| path_changes(site, then, network)).collect(),
        flows: between.iter().filter_map(flow_change).collect(),
        flows_compared: between.len(),
    }
}

fn path_changes(now: &router::Site, then: &[router::Site], network: Option<&mesh::State>) -> Vec<PathChange> {
    let Some(then) = then.iter().find(|site| site.id == now.id) else { return Vec::new() };
    let first = |site: &router::Site, class: Class| {
        let way = site.group(class)?.ways.first()?;
        Some(Slots { local: way.local.number(), remote: way.remote.number() })
    };
    let change = |class: &Class| {
        let (class, from, to) = (*class, first(now, *class), first(then, *class));
        (from != to).then(|| PathChange { site: now.id.to_string(), name: name(now.id, network), class, from, to })
    };
    Class::ALL.iter().filter_map(change).collect()
}

fn is_behind(site: &router::Site, address: IpAddr) -> bool {
    site.prefixes.iter().any(|prefix| prefix.contains(&address))
}

fn class(rules: &[ClassRule], flow: &datapath::Flow) -> Class {
    let has_ports = matches!(flow.protocol, 6 | 17);
    let traffic = Traffic {
        protocol: flow.protocol,
        addresses: (flow.inside.ip(), flow.remote.ip()),
        ports: has_ports.then(|| (flow.inside.port(), flow.remote.port())),
        dscp: 0,
    };
    rules.iter().find(|rule| rule.matches(&traffic)).map_or(Class::Other, |rule| rule.class)
}
