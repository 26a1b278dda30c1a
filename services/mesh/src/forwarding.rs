//! Wishes to join that came to a seed whose box has not made the token.
//!
//! *Does*: hand a stranger's wish on to the sites that say they have a signer, and the answer back.
//! *Never does*: understand either: both are sealed with the token; hand on what another site has handed on; remember more than
//! [`limit::FORWARDED`] wishes, or one for longer than [`limit::FORWARD_MS`].
//! *Spec*: `docs/membership.md`, section "Signers".

use std::net::SocketAddr;

use patronus_types::{SiteId, ports::MESH_PORT};
use patronus_wire::{Capabilities, JoinAnswer, JoinRequest, TokenId, inner_address};

use crate::{Connections, Guard, Mesh, Now, Rates, Refusal, limit};

/// Who waits for answers.
#[derive(Debug)]
pub struct Forwarding {
    waiting: Vec<Waiting>,
    guard: Guard,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    token: TokenId,
    source: SocketAddr,
    until_ms: u64,
}

impl Default for Forwarding {
    fn default() -> Self {
        let rates = Rates { source: limit::FORWARD_SOURCE_RATE, total: limit::FORWARD_TOTAL_RATE };
        Self { waiting: Vec::new(), guard: Guard::new(rates) }
    }
}

impl Forwarding {
    /// A wish that nobody here can decide. Gives the connections on which it is to be said; to others it goes through tunnels.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn handle_wish(
        &mut self,
        source: SocketAddr,
        request: &JoinRequest,
        connections: &Connections,
        mesh: &mut Mesh,
        now: Now,
    ) -> Result<Vec<u64>, Refusal> {
        // Who is a member hands on what a stranger has said: once is enough.
        let number = connections.to(source).filter(|number| !connections.is_members(*number, mesh));
        number.ok_or(Refusal::JoinNotHere)?;
        let signers = signers(mesh);
        if signers.is_empty() {
            return Err(Refusal::JoinNotHere);
        }
        self.guard.take(source.ip(), 1, now.ms).map_err(|_| Refusal::ForwardOverRate)?;
        self.remember(
            Waiting { token: request.token, source, until_ms: now.ms.saturating_add(limit::FORWARD_MS) },
            now,
        );
        let mut said = Vec::new();
        for site in signers {
            match connections.with(&site) {
                Some(number) => said.push(number),
                None => {
                    let to = inner_address(mesh.roster().network(), site);
                    mesh.send_request(SocketAddr::new(to.into(), MESH_PORT), request.clone());
                }
            }
        }
        Ok(said)
    }

    /// Those who wait for this answer: only who has asked can open it.
    ///
    /// # Errors
    /// [`Refusal::AnswerUnexpected`]: nobody does.
    pub fn handle_answer(&mut self, answer: &JoinAnswer, now: Now) -> Result<Vec<SocketAddr>, Refusal> {
        let waiting = self.waiting.iter().filter(|it| it.token == answer.token && now.ms < it.until_ms);
        let sources: Vec<SocketAddr> = waiting.map(|it| it.source).collect();
        if sources.is_empty() { Err(Refusal::AnswerUnexpected) } else { Ok(sources) }
    }

    fn remember(&mut self, new: Waiting, now: Now) {
        self.waiting.retain(|it| now.ms < it.until_ms && (it.token, it.source) != (new.token, new.source));
        if self.waiting.len() >= limit::FORWARDED {
            self.waiting.remove(0);
        }
        self.waiting.push(new);
    }
}

/// Other members that say they have a signer.
fn signers(mesh: &Mesh) -> Vec<SiteId> {
    let says = |site: &SiteId| {
        mesh.book().get(site).is_some_and(|heard| heard.announcement.capabilities.has(Capabilities::SIGNER))
    };
    let others = mesh.members().valid().map(|(site, _)| *site).filter(|site| *site != mesh.site());
    others.filter(says).take(limit::SIGNERS).collect()
}
