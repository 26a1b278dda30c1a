//! What is said inside tunnels: the same as on a LAN, to one site at a time.
//!
//! *Does*: know each site by its address there, which the tunnel vouches for.
//! *Never does*: need a seed: what one site learns goes on from tunnel to tunnel.
//! *Spec*: `docs/wire.md`, section "Inside tunnels"; `docs/membership.md`, section "Inside tunnels".

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use patronus_types::{SiteId, ports::MESH_PORT};
use patronus_wire::{inner_address, inner_sites};

use super::{Destination, Mesh, Now};
use crate::{Refusal, Standing};

impl Mesh {
    /// Where this site is inside tunnels.
    #[must_use]
    pub fn inner_address(&self) -> Ipv6Addr {
        inner_address(self.roster.network(), self.site)
    }

    /// The sites whose tunnels answer now.
    pub fn handle_tunnels(&mut self, peers: BTreeSet<SiteId>, now: Now) {
        self.gossip.handle_peers(peers, now.ms);
    }

    /// Takes a datagram that came out of a tunnel.
    pub fn handle_inner_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Now) {
        match self.member_at(source.ip()) {
            Some(_) => self.handle_datagram(source, datagram, now),
            None => self.refusals.count(Refusal::InnerSourceUnknown),
        }
    }

    /// The member that has this address inside tunnels.
    pub(super) fn member_at(&self, address: IpAddr) -> Option<SiteId> {
        let IpAddr::V6(address) = address else { return None };
        let sites = inner_sites(self.roster.network(), address)?;
        let mut known = self.members.within(sites);
        known.find(|(_, member)| member.standing == Standing::Valid).map(|(site, _)| *site)
    }

    /// Compares with whom it is time to compare with.
    pub(super) fn gossip(&mut self, now: Now, random: u64) {
        for site in self.gossip.poll_tell(now.ms, random) {
            let to = SocketAddr::new(inner_address(self.roster.network(), site).into(), MESH_PORT);
            let digest = self.digest();
            self.send(Destination::Neighbour(to), digest);
        }
    }
}
