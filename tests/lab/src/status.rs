//! What a lab is doing: its sites, and one row for each path and direction.
//!
//! *Does*: ask each site's `mesh` and `tunnel` over their sockets; lines for people, JSON for programs.
//! *Never does*: change anything.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use patronus_ipc::{
    call,
    mesh::{self, Mesh},
    tunnel::{self, PathStatus, Tunnel},
};
use patronus_types::SiteId;
use serde::{Deserialize, Serialize};

/// Where a lab's sites have their sockets, as the process that holds the lab wrote it down.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Held {
    /// The process that holds the lab.
    pub pid: u32,
    /// For each site, its directory of sockets.
    pub sites: Vec<PathBuf>,
}

/// What a lab is doing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// By number.
    pub sites: Vec<Site>,
    /// Each direction of each path, as its sending end sees it.
    pub paths: Vec<PathRow>,
}

/// A site.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// From 1.
    pub number: usize,
    /// What others call it.
    pub name: String,
    /// `alone`, `joining`, `member` or `revoked`.
    pub standing: &'static str,
    /// Members that it hears, with itself.
    pub active: usize,
    /// Members that it knows.
    pub known: usize,
}

/// One direction of a path.
#[derive(Clone, Debug, Serialize)]
pub struct PathRow {
    /// Who sends.
    pub from: String,
    /// Over which of its uplinks.
    pub from_uplink: u8,
    /// Who receives.
    pub to: String,
    /// Over which of its uplinks.
    pub to_uplink: u8,
    /// `up` or `down`.
    pub state: &'static str,
    /// Where the receiver is, unless a relay carries the path.
    pub endpoint: Option<String>,
    /// The relay that carries it.
    pub via: Option<String>,
    /// How old the session is.
    pub session_age_ms: Option<u64>,
    /// Inner packets and bytes that were sent.
    pub packets: u64,
    /// See `packets`.
    pub bytes: u64,
    /// How many of the packets that the sender was to hear never came to it.
    pub lost_on_the_way_back: u64,
}

impl Status {
    /// Asks all sites of a lab.
    ///
    /// # Errors
    /// If one does not answer.
    pub async fn of(held: &Held) -> Result<Self> {
        let mut states = Vec::new();
        for dir in &held.sites {
            states.push(ask(dir).await.with_context(|| format!("{} does not answer", dir.display()))?);
        }
        let names: BTreeMap<SiteId, String> =
            states.iter().flat_map(|(mesh, _)| &mesh.sites).map(|site| (site.id, site.name.to_string())).collect();
        let sites = (1..).zip(&states).map(|(number, (mesh, _))| site(number, mesh)).collect();
        let paths = states.iter().flat_map(|(mesh, tunnel)| paths(mesh, tunnel, &names)).collect();
        Ok(Self { sites, paths })
    }

    /// For people.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for Site { number, name, standing, active, known } in &self.sites {
            text += &format!("site {number:<3} {name:<12} {standing:<8} hears {active} of {known}\n");
        }
        for path in &self.paths {
            let age = path.session_age_ms.map_or_else(String::new, |age_ms| format!("{} s", age_ms / 1_000));
            text += &format!(
                "{:>10}.{} -> {:<10}.{} {:<5} {:<24} {:>6} {:>9} packets\n",
                path.from,
                path.from_uplink,
                path.to,
                path.to_uplink,
                path.state,
                path.endpoint
                    .clone()
                    .or_else(|| Some(format!("via {}", path.via.as_ref()?)))
                    .unwrap_or_else(|| "-".into()),
                age,
                path.packets
            );
        }
        text
    }
}

async fn ask(dir: &Path) -> Result<(mesh::State, tunnel::State)> {
    let mesh::Reply::State(mesh) = call::<Mesh>(dir, &mesh::Request::Watch).await? else { bail!("no state") };
    let tunnel::Reply::State(tunnel) = call::<Tunnel>(dir, &tunnel::Request::Watch).await? else { bail!("no state") };
    Ok((*mesh, *tunnel))
}

fn site(number: usize, mesh: &mesh::State) -> Site {
    let own = mesh.sites.iter().find(|site| Some(site.id) == mesh.site);
    let standing = match own {
        Some(own) if own.standing == mesh::Standing::Revoked => "revoked",
        Some(_) => "member",
        None if mesh.joining.is_some() => "joining",
        None => "alone",
    };
    Site {
        number,
        name: own.map_or_else(String::new, |own| own.name.to_string()),
        standing,
        active: mesh.sites.iter().filter(|site| site.is_active).count(),
        known: mesh.sites.iter().filter(|site| site.standing == mesh::Standing::Valid).count(),
    }
}

fn paths(mesh: &mesh::State, tunnel: &tunnel::State, names: &BTreeMap<SiteId, String>) -> Vec<PathRow> {
    let name = |site: &SiteId| names.get(site).cloned().unwrap_or_else(|| site.short().to_string());
    let from = mesh.site.as_ref().map(name).unwrap_or_default();
    let row = |path: &tunnel::PathState| PathRow {
        from: from.clone(),
        from_uplink: path.local.number(),
        to: name(&path.peer),
        to_uplink: path.remote.number(),
        state: if path.status == PathStatus::Up { "up" } else { "down" },
        endpoint: path.endpoint.map(|endpoint| endpoint.to_string()),
        via: path.via.as_ref().map(name),
        session_age_ms: path.session_age_ms,
        packets: path.sent.packets,
        bytes: path.sent.bytes,
        lost_on_the_way_back: path.lost,
    };
    tunnel.paths.iter().map(row).collect()
}
