//! Sites and the paths to them from this one, as page and API show them: one shape for both.

use std::collections::BTreeMap;

use patronus_ipc::{
    mesh,
    prober::{self, Liveness},
    router, tunnel,
};
use patronus_types::{Class, SiteId};
use serde::Serialize;

use super::{routing::Slots, sdwan};

/// Everything that `/api/sdwan/topology` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Topology {
    /// All members, by name.
    pub sites: Vec<Node>,
    /// The paths from this site, by site and slots.
    pub paths: Vec<Edge>,
}

/// A site.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    /// Who it is.
    pub site: String,
    /// What it is called.
    pub name: String,
    /// Whether it is this one.
    pub is_own: bool,
    /// Whether it was heard lately.
    pub is_active: bool,
    /// How it is reached from here.
    pub state: Reach,
    /// Paths to it.
    pub paths: usize,
    /// Those that carry packets without a doubt.
    pub paths_up: usize,
}

/// How a site is reached from here: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reach {
    /// By no path.
    Down,
    /// Not by all paths, or not by all without a doubt.
    Partly,
    /// No path has carried anything yet.
    Unknown,
    /// By all paths; and this site itself.
    Up,
}

impl Reach {
    /// From the worst to the best.
    pub(crate) const ALL: [Self; 4] = [Self::Down, Self::Partly, Self::Unknown, Self::Up];

    fn of(paths: &[&prober::PathReport], is_own: bool) -> Self {
        let any = |wanted: &[Liveness]| paths.iter().any(|path| wanted.contains(&path.liveness));
        let all_up = !paths.is_empty() && paths.iter().all(|path| path.liveness == Liveness::Up);
        if is_own || all_up {
            Self::Up
        } else if any(&[Liveness::Up, Liveness::Suspect]) {
            Self::Partly
        } else if any(&[Liveness::Down, Liveness::Holding]) {
            Self::Down
        } else {
            Self::Unknown
        }
    }
}

/// A path.
#[derive(Debug, Serialize)]
pub(crate) struct Edge {
    /// The site at the far end.
    pub site: String,
    /// Its slots.
    #[serde(flatten)]
    pub slots: Slots,
    /// Whether it lives.
    pub liveness: Liveness,
    /// `direct`, or `relayed` by another site.
    pub way: &'static str,
    /// The site that carries it, if one does.
    pub via: Option<String>,
    /// What that is called.
    pub via_name: Option<String>,
    /// Mean round trip.
    pub rtt_us: Option<u32>,
    /// What it carries.
    pub classes: Vec<Class>,
}

impl Topology {
    /// The paths to a site.
    pub(crate) fn paths_to(&self, node: &Node) -> impl Iterator<Item = &Edge> {
        self.paths.iter().filter(|path| path.site == node.site)
    }
}

/// Sites by `mesh`, paths by `prober`, by whom they go by `tunnel`, and what they carry by `router`.
pub(crate) fn topology(
    network: &mesh::State,
    tunnels: &tunnel::State,
    reports: &prober::State,
    state: &router::State,
) -> Topology {
    let mut by_site: BTreeMap<SiteId, Vec<&prober::PathReport>> = BTreeMap::new();
    reports.paths.iter().for_each(|path| by_site.entry(path.site).or_default().push(path));
    let carried: BTreeMap<SiteId, &router::Site> = state.sites.iter().map(|site| (site.id, site)).collect();
    let node = |site: &mesh::Site| {
        let paths = by_site.get(&site.id).map(Vec::as_slice).unwrap_or_default();
        let is_own = network.site == Some(site.id);
        Node {
            site: site.id.to_string(),
            name: site.name.to_string(),
            is_own,
            is_active: site.is_active,
            state: Reach::of(paths, is_own),
            paths: paths.len(),
            paths_up: paths.iter().filter(|path| path.liveness == Liveness::Up).count(),
        }
    };
    let relays: BTreeMap<_, SiteId> = tunnels
        .paths
        .iter()
        .filter_map(|path| {
            Some((prober::PathId { site: path.peer, local: path.local, remote: path.remote }, path.via?))
        })
        .collect();
    let edge = |path: &prober::PathReport| {
        let via = relays.get(&path.id()).copied();
        Edge {
            site: path.site.to_string(),
            slots: Slots { local: path.local.number(), remote: path.remote.number() },
            liveness: path.liveness,
            way: sdwan::way(via),
            via: via.map(|via| via.to_string()),
            via_name: via.and_then(|via| sdwan::name_of(network, via)),
            rtt_us: path.measured.rtt_us,
            classes: carried.get(&path.site).map(|site| carried_by(path, site)).unwrap_or_default(),
        }
    };
    let members = network.sites.iter().filter(|site| site.standing == mesh::Standing::Valid);
    Topology { sites: members.map(node).collect(), paths: reports.paths.iter().map(edge).collect() }
}

fn carried_by(path: &prober::PathReport, site: &router::Site) -> Vec<Class> {
    let is_here = |group: &router::Group| {
        let mut used = group.ways.iter().take(group.spread.into());
        used.any(|way| (way.local, way.remote) == (path.local, path.remote))
    };
    let carried = Class::ALL.iter().zip(&site.groups).filter(|(_, group)| is_here(group));
    carried.map(|(class, _)| *class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_as_the_paths_to_it() {
        use Liveness::{Down, Holding, Probing, Suspect, Unknown, Up};
        for (paths, reach) in [
            (&[][..], Reach::Unknown),
            (&[Unknown, Probing], Reach::Unknown),
            (&[Up, Up], Reach::Up),
            (&[Up, Suspect], Reach::Partly),
            (&[Up, Down], Reach::Partly),
            (&[Suspect], Reach::Partly),
            (&[Holding, Unknown], Reach::Down),
            (&[Down], Reach::Down),
        ] {
            let reports: Vec<_> = paths.iter().map(|liveness| report(*liveness)).collect();
            assert_eq!(Reach::of(&reports.iter().collect::<Vec<_>>(), false), reach, "{paths:?}");
            assert_eq!(Reach::of(&[], true), Reach::Up);
        }
    }

    fn report(liveness: Liveness) -> prober::PathReport {
        let slot = patronus_types::UplinkSlot::new(0).unwrap();
        prober::PathReport {
            site: SiteId([1; 32]),
            local: slot,
            remote: slot,
            liveness,
            since_ms: 0,
            measured: prober::Measured::default(),
            is_metered: false,
        }
    }
}
