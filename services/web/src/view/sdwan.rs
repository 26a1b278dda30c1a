//! Network, sites, tokens and paths as page and API show them: one shape for both.
//!
//! *Does*: put names to ids and ages to moments.
//! *Never does*: ask anybody; hold the secret of a token.

use std::collections::BTreeMap;

use patronus_ipc::{mesh, prober, tunnel};
use patronus_types::SiteId;
use serde::Serialize;

use super::quality::Quality;

/// Where this site stands, in a few numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// `none`, `joining` or `member`.
    pub state: &'static str,
    /// What keeps it from joining.
    pub problem: Option<Problem>,
    /// Members, this site included.
    pub sites: usize,
    /// Those that are heard.
    pub active: usize,
    /// Paths to other sites.
    pub paths: usize,
    /// Those that are up.
    pub paths_up: usize,
}

/// Where this site stands.
#[must_use]
pub(crate) fn summary(
    network: &mesh::State,
    tunnels: Option<&tunnel::State>,
    measured: Option<&prober::State>,
) -> Summary {
    let paths = tunnels.map_or_else(Vec::new, |tunnels| self::paths(tunnels, None, measured, 0).paths);
    let members = || network.sites.iter().filter(|site| site.standing == mesh::Standing::Valid);
    Summary {
        state: match (&network.network, &network.joining) {
            (Some(_), _) => "member",
            (None, Some(_)) => "joining",
            (None, None) => "none",
        },
        problem: network.joining.as_ref().and_then(|joining| joining.problem.as_ref()).map(problem),
        sites: members().count(),
        active: members().filter(|site| site.is_active).count(),
        paths: paths.len(),
        paths_up: paths.iter().filter(|path| path.is_up()).count(),
    }
}

/// Everything that `/api/sdwan/sites` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Sites {
    /// The network; `null` while this site is in none.
    pub network: Option<Network>,
    /// The way into one, while this site is on it.
    pub joining: Option<Joining>,
    /// All sites, by name.
    pub sites: Vec<Site>,
    /// What two sites were granted, for people.
    pub conflicts: Vec<String>,
    /// Messages that were not used, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A network.
#[derive(Debug, Serialize)]
pub(crate) struct Network {
    /// The hash of its root's key.
    pub id: String,
    /// Whether this box makes tokens and revokes.
    pub is_signer: bool,
    /// All that the root has named.
    pub signers: Vec<Signer>,
}

/// Who may sign records.
#[derive(Debug, Serialize)]
pub(crate) struct Signer {
    /// Ed25519 public key, hexadecimal.
    pub key: String,
    /// Whether it is this box.
    pub is_here: bool,
    /// Whether it was withdrawn, for ever.
    pub is_withdrawn: bool,
    /// Until when it may sign.
    pub valid_until_unix_s: u64,
    /// How many sites are members by its word.
    pub sites: u32,
}

/// The way into a network.
#[derive(Debug, Serialize)]
pub(crate) struct Joining {
    /// Which.
    pub network: String,
    /// What was answered last, if it was no.
    pub problem: Option<Problem>,
}

/// What keeps something from coming about.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    /// Its name.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// A site.
#[derive(Debug, Serialize)]
pub(crate) struct Site {
    /// Who it is.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Whether it is this one.
    pub is_own: bool,
    /// Whether it is a member: `valid`, `not-yet`, `expired`, `revoked`.
    pub standing: &'static str,
    /// Whether it was heard within the last two minutes.
    pub is_active: bool,
    /// When it was heard last; `null` if not since this box started, and for this site.
    pub heard_seconds_ago: Option<u64>,
    /// What it may be.
    pub roles: Vec<mesh::Role>,
    /// What is behind it.
    pub prefixes: Vec<String>,
    /// Since when it is a member.
    pub member_since_unix_s: u64,
    /// Until when its record is good.
    pub valid_until_unix_s: u64,
    /// With which of this box's tokens it joined.
    pub token: Option<String>,
    /// How it can be reached.
    pub uplinks: Vec<Uplink>,
}

/// An uplink of a site.
#[derive(Debug, Serialize)]
pub(crate) struct Uplink {
    /// Which.
    pub slot: u8,
    /// WireGuard public key, hexadecimal.
    pub key: String,
    /// Where it may be reached, best first.
    pub endpoints: Vec<String>,
}

/// A token that was made here.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    /// Its name; not its secret.
    pub id: String,
    /// `good`, `used` or `expired`.
    pub state: &'static str,
    /// When it was made.
    pub made_unix_s: u64,
    /// Until when it is good.
    pub expires_unix_s: u64,
    /// What the site may be.
    pub roles: Vec<mesh::Role>,
    /// What the site may have behind it.
    pub prefixes: Vec<String>,
    /// Who joined with it.
    pub used_by: Option<String>,
    /// What that site is called now.
    pub used_by_name: Option<String>,
    /// When it joined.
    pub used_unix_s: Option<u64>,
}

/// The network as `mesh` told it, at `uptime_ms` of `CLOCK_BOOTTIME`.
#[must_use]
pub(crate) fn sites(state: &mesh::State, uptime_ms: u64) -> Sites {
    Sites {
        network: state.network.as_ref().map(network),
        joining: state.joining.as_ref().map(|joining| Joining {
            network: joining.network.to_string(),
            problem: joining.problem.as_ref().map(problem),
        }),
        sites: state.sites.iter().map(|it| site(state, it, uptime_ms)).collect(),
        conflicts: state.conflicts.clone(),
        refused: state.refused.clone(),
    }
}

fn network(network: &mesh::Network) -> Network {
    let signer = |signer: &mesh::Signer| Signer {
        key: hex::encode(signer.key),
        is_here: signer.is_here,
        is_withdrawn: signer.is_withdrawn,
        valid_until_unix_s: signer.valid_until_unix_s,
        sites: signer.sites,
    };
    let signers = network.signers.iter().map(signer).collect();
    Network { id: network.id.to_string(), is_signer: network.is_signer, signers }
}

/// A reason, as a sentence.
#[must_use]
pub(crate) fn problem(problem: &mesh::Problem) -> Problem {
    let mut letters = problem.message.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if problem.message.ends_with('.') { "" } else { "." };
    Problem { code: problem.code.clone(), message: format!("{first}{}{end}", letters.as_str()) }
}

fn site(state: &mesh::State, site: &mesh::Site, uptime_ms: u64) -> Site {
    let joined_with = |token: &&mesh::Token| token.used.is_some_and(|(user, _)| user == site.id);
    Site {
        id: site.id.to_string(),
        name: site.name.to_string(),
        is_own: state.site == Some(site.id),
        standing: match site.standing {
            mesh::Standing::Valid => "valid",
            mesh::Standing::NotYet => "not-yet",
            mesh::Standing::Expired => "expired",
            mesh::Standing::Revoked => "revoked",
        },
        is_active: site.is_active,
        heard_seconds_ago: site.heard_uptime_ms.map(|heard_ms| uptime_ms.saturating_sub(heard_ms) / 1000),
        roles: site.roles.clone(),
        prefixes: site.prefixes.iter().map(ToString::to_string).collect(),
        member_since_unix_s: site.member_since_unix_s,
        valid_until_unix_s: site.valid_until_unix_s,
        token: state.tokens.iter().find(joined_with).map(|token| hex::encode(token.id)),
        uplinks: site.uplinks.iter().map(uplink).collect(),
    }
}

fn uplink(uplink: &mesh::Uplink) -> Uplink {
    Uplink {
        slot: uplink.slot.number(),
        key: hex::encode(uplink.key),
        endpoints: uplink.endpoints.iter().map(ToString::to_string).collect(),
    }
}

/// The tokens made on this box, newest first, as they stand at `unix_s`.
#[must_use]
pub(crate) fn tokens(state: &mesh::State, unix_s: i64) -> Vec<Token> {
    let now_s = u64::try_from(unix_s).unwrap_or_default();
    let view = |token: &mesh::Token| Token {
        id: hex::encode(token.id),
        state: match token.used {
            Some(_) => "used",
            None if token.expires_unix_s < now_s => "expired",
            None => "good",
        },
        made_unix_s: token.made_unix_s,
        expires_unix_s: token.expires_unix_s,
        roles: token.roles.clone(),
        prefixes: token.prefixes.iter().map(ToString::to_string).collect(),
        used_by: token.used.map(|(site, _)| site.to_string()),
        used_by_name: token.used.and_then(|(site, _)| name_of(state, site)),
        used_unix_s: token.used.map(|(_, at_s)| at_s),
    };
    state.tokens.iter().map(view).collect()
}

/// What a site is called.
pub(super) fn name_of(state: &mesh::State, id: SiteId) -> Option<String> {
    state.sites.iter().find(|site| site.id == id).map(|site| site.name.to_string())
}

/// Everything that `/api/sdwan/paths` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Paths {
    /// This box's uplinks with their WireGuard keys.
    pub slots: Vec<Slot>,
    /// Every path, by peer, slot here and slot there.
    pub paths: Vec<Path>,
    /// Datagrams and packets that were dropped, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// An uplink of this box.
#[derive(Debug, Serialize)]
pub(crate) struct Slot {
    /// Which.
    pub slot: u8,
    /// Its device.
    pub device: String,
    /// WireGuard public key, hexadecimal.
    pub public_key: String,
    /// UDP port of its sessions.
    pub listen_port: u16,
    /// Where it is seen from outside, most witnesses first.
    pub seen: Vec<String>,
    /// What each STUN server of the configuration says.
    pub stun: Vec<tunnel::StunAnswer>,
}

/// A path.
#[derive(Debug, Serialize)]
pub(crate) struct Path {
    /// The site at the far end.
    pub peer: String,
    /// What it is called; empty if `mesh` does not know it any more.
    pub peer_name: String,
    /// The slot here.
    pub local: u8,
    /// The slot there.
    pub remote: u8,
    /// Whether there is a session.
    pub status: tunnel::PathStatus,
    /// Whether packets go, and how well; `null` while `prober` has not said it.
    pub quality: Option<Quality>,
    /// `direct`, or `relayed` by another site.
    pub way: &'static str,
    /// Where the peer was when it was heard last; `null` while a relay carries the path.
    pub endpoint: Option<String>,
    /// The site that carries the path.
    pub via: Option<String>,
    /// What that is called.
    pub via_name: Option<String>,
    /// Age of the session in use.
    pub session_age_ms: Option<u64>,
    /// How long ago the last authentic datagram came.
    pub heard_ago_ms: Option<u64>,
    /// Bytes of the longest packet that it takes.
    pub mtu: Option<u16>,
    /// What went there.
    pub sent: tunnel::Traffic,
    /// What came from there.
    pub received: tunnel::Traffic,
    /// Packets sent there that have not come here.
    pub lost: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
}

impl Path {
    /// Whether packets go over it, as far as anybody has said.
    pub(crate) fn is_up(&self) -> bool {
        self.status == tunnel::PathStatus::Up && self.quality.as_ref().is_none_or(Quality::is_alive)
    }
}

/// How a path goes, by who carries it.
pub(super) const fn way(via: Option<SiteId>) -> &'static str {
    if via.is_some() { "relayed" } else { "direct" }
}

/// The paths as `tunnel` and, at `uptime_ms` of `CLOCK_BOOTTIME`, `prober` told them, with names as `mesh` told them.
#[must_use]
pub(crate) fn paths(
    state: &tunnel::State,
    network: Option<&mesh::State>,
    measured: Option<&prober::State>,
    uptime_ms: u64,
) -> Paths {
    let quality = |path: &tunnel::PathState| {
        let id = prober::PathId { site: path.peer, local: path.local, remote: path.remote };
        measured?.paths.iter().find(|report| report.id() == id).map(|report| Quality::of(report, uptime_ms))
    };
    let path = |path: &tunnel::PathState| Path {
        peer: path.peer.to_string(),
        peer_name: network.and_then(|network| name_of(network, path.peer)).unwrap_or_default(),
        local: path.local.number(),
        remote: path.remote.number(),
        status: path.status,
        quality: quality(path),
        way: way(path.via),
        endpoint: path.endpoint.map(|endpoint| endpoint.to_string()),
        via: path.via.map(|via| via.to_string()),
        via_name: path.via.and_then(|via| network.and_then(|network| name_of(network, via))),
        session_age_ms: path.session_age_ms,
        heard_ago_ms: path.heard_ago_ms,
        mtu: path.longest,
        sent: path.sent,
        received: path.received,
        lost: path.lost,
        reordered: path.reordered,
    };
    let slot = |slot: &tunnel::Slot| Slot {
        slot: slot.slot.number(),
        device: slot.device.to_string(),
        public_key: slot.public_key.to_string(),
        listen_port: slot.listen_port,
        seen: slot.seen.iter().map(ToString::to_string).collect(),
        stun: slot.stun.clone(),
    };
    Paths {
        slots: state.slots.iter().map(slot).collect(),
        paths: state.paths.iter().map(path).collect(),
        rejected: state.rejected.clone(),
    }
}
