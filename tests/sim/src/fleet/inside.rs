//! Tunnels of a fleet: who has one with whom, and what goes through.
//!
//! *Does*: let a tunnel be where the real one would be: both ends are members to each other, one of them knows where the other is now, no cut
//! and no pair of translators is between them.
//! *Never does*: carry anything for whom the far end does not count as a member: its tunnel has no such peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    rc::Rc,
};

use patronus_mesh::Standing;
use patronus_types::{SiteId, ports::MESH_PORT};
use patronus_wire::inner_address;

use super::{Coming, Fleet};
use crate::{charter, site::Input};

/// Between two looks of a site at its tunnels. `tunnel` says every second how they are; this is fine enough for seconds.
const LOOK_EVERY_MS: u64 = 2_000;
/// `KEEPALIVE_S` of the shell, and for how long it counts a silent tunnel as one that answers.
const KEEPALIVE_MS: u64 = 25_000;
const ANSWERS_MS: u64 = 2 * KEEPALIVE_MS;
/// With more sites than these each has tunnels with some: nobody builds a full mesh of them.
const FULL_MESH: u32 = 512;

/// What a site's tunnels are.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    seen: Option<(u64, u64)>,
    up: BTreeSet<u32>,
    /// Those that have stopped, and until when that is not noticed.
    silent: BTreeMap<u32, u64>,
    told: usize,
    heard_ms: u64,
}

impl Tunnels {
    /// Those of which a keepalive has come: of all at once, and as often as of each.
    fn poll_heard(&mut self, now_ms: u64) -> impl Iterator<Item = u32> {
        let is_due = now_ms >= self.heard_ms + KEEPALIVE_MS;
        if is_due {
            self.heard_ms = now_ms;
        }
        self.up.iter().copied().filter(move |_| is_due)
    }
}

impl Fleet {
    /// Where a site is inside tunnels.
    pub(crate) fn inner(site: u32) -> SocketAddr {
        let network = patronus_wire::network_id(&charter::root());
        SocketAddr::new(inner_address(network, charter::id(site)).into(), MESH_PORT)
    }

    pub(super) fn look_at_tunnels(&mut self, site: u32) {
        self.schedule(self.now_ms + LOOK_EVERY_MS, Coming::Tunnels(site));
        let Some(mesh) = self.sites[site as usize].mesh() else { return };
        let (seen, now_ms) = ((mesh.generation(), self.ways), self.now_ms);
        let mut tunnels = std::mem::take(&mut self.tunnels[site as usize]);
        if tunnels.seen != Some(seen) {
            tunnels.seen = Some(seen);
            let up: BTreeSet<u32> = self.candidates(site).filter(|other| self.has_tunnel(site, *other)).collect();
            for lost in tunnels.up.difference(&up) {
                tunnels.silent.insert(*lost, now_ms + ANSWERS_MS);
            }
            tunnels.silent.retain(|other, _| !up.contains(other));
            tunnels.up = up;
        }
        tunnels.silent.retain(|_, until_ms| now_ms < *until_ms);
        let answering = tunnels.up.iter().chain(tunnels.silent.keys());
        let answering: BTreeSet<SiteId> = answering.map(|other| self.sites[*other as usize].id).collect();
        let heard = tunnels.poll_heard(now_ms).map(|other| self.sites[other as usize].id).collect();
        let is_new = std::mem::replace(&mut tunnels.told, answering.len()) != answering.len();
        self.tunnels[site as usize] = tunnels;
        if is_new || !BTreeSet::is_empty(&heard) {
            self.give(site, Input::Tunnels { answering, heard });
        }
    }

    /// Sends to a site by its address inside tunnels.
    pub(super) fn send_inside(&mut self, site: u32, to: SocketAddr, bytes: &Rc<[u8]>) {
        let Some(to) = self.inner.get(&to).copied().filter(|to| self.has_tunnel(site, *to)) else { return };
        for delay_ms in self.weather.inner(&mut self.dice) {
            let what = Coming::Inner { to, source: Self::inner(site), bytes: Rc::clone(bytes) };
            self.schedule(self.now_ms + delay_ms, what);
        }
    }

    /// Whom a site may have a tunnel with: all, or in a large fleet those at distances that double.
    fn candidates(&self, site: u32) -> Box<dyn Iterator<Item = u32>> {
        let count = self.sites.len() as u32;
        if count <= FULL_MESH {
            return Box::new((0..count).filter(move |other| *other != site));
        }
        let distances = (0..32).map(|power| 1_u32 << power).take_while(move |distance| *distance < count / 2);
        Box::new(distances.flat_map(move |distance| [(site + distance) % count, (site + count - distance) % count]))
    }

    fn has_tunnel(&self, a: u32, b: u32) -> bool {
        let (here, there) = (&self.sites[a as usize], &self.sites[b as usize]);
        let is_way = !self.cut.between(a, b) && (here.lan == there.lan || here.nat.passes(there.nat));
        let (Some(ours), Some(theirs)) = (here.mesh(), there.mesh()) else { return false };
        let knows = |mesh: &patronus_mesh::Mesh, far: &crate::Site| {
            let is_member = mesh.members().get(&far.id).is_some_and(|member| member.standing == Standing::Valid);
            let heard = mesh.book().get(&far.id).filter(|_| is_member)?;
            Some(heard.announcement.uplinks == charter::uplinks(far.number, far.moves))
        };
        is_way && matches!((knows(ours, there), knows(theirs, here)), (Some(a), Some(b)) if a || b)
    }
}
