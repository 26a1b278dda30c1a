//! A new site on its way into a network.
//!
//! *Does*: ask with its token until somebody answers; believe an answer only if it makes this site a member by the word of the token's root.
//! *Never does*: tell anybody the token's secret.

use ed25519_dalek::SigningKey;
use patronus_types::{IpNet, SiteName};
use patronus_wire::{
    Body, IdentityKey, JoinAnswer, JoinRefusal, JoinRequest, JoinToken, JoinWish, Message, NetworkKey, Nonce, Refused,
    network_id, seal_request, site_id,
};
use thiserror::Error;

use crate::{Members, Roster, Standing, Wallclock, limit};

/// Asks until it is answered.
#[derive(Debug)]
pub struct Joiner {
    token: JoinToken,
    identity: IdentityKey,
    request: JoinRequest,
    due_ms: u64,
}

/// What a new member begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Whom to trust.
    pub roster: Roster,
    /// For the LAN.
    pub network_key: NetworkKey,
}

/// Why an answer does not make this site a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The signer said no.
    #[error("{0}")]
    Refused(#[from] JoinRefusal),
    /// The answer is not by the rules, or to another question. Next: wait for a better one.
    #[error("{0}")]
    Wire(#[from] Refused),
    /// The answer does not hold a valid record of this site that goes back to the token's root.
    #[error("answer-without-record")]
    WithoutRecord,
}

impl Joiner {
    /// A site with this identity that wants to be called so. Asks at once.
    ///
    /// # Errors
    /// What a reader of the wish would say.
    pub fn new(
        token: JoinToken,
        identity: &SigningKey,
        name: SiteName,
        prefixes: Vec<IpNet>,
        nonce: Nonce,
        now_ms: u64,
    ) -> Result<Self, Refused> {
        let public = IdentityKey::from(identity);
        let wish = JoinWish { network: network_id(&token.root), identity: public, name, prefixes }.sign(identity)?;
        let request = seal_request(&token, &wish, nonce)?;
        Ok(Self { token, identity: public, request, due_ms: now_ms })
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> &JoinToken {
        &self.token
    }

    /// The question, for somebody who has just been reached.
    #[must_use]
    pub fn request(&self) -> Message {
        Message::JoinRequest(self.request.clone())
    }

    /// When to ask next.
    #[must_use]
    pub const fn deadline(&self) -> u64 {
        self.due_ms
    }

    /// The question, when it is time for it. Always the same one, so that the answer to any of them counts.
    pub fn poll_ask(&mut self, now_ms: u64) -> Option<Message> {
        if now_ms < self.due_ms {
            return None;
        }
        self.due_ms = now_ms.saturating_add(limit::JOIN_RETRY_MS);
        Some(self.request())
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub fn handle_answer(&self, answer: &JoinAnswer, clock: Wallclock) -> Result<Joined, JoinError> {
        let admission = answer.open(&self.request, &self.token.secret)??;
        let mut roster = Roster::new(self.token.root);
        roster.merge(admission.bundle);
        let members = Members::new(&roster, clock);
        let own = members.get(&site_id(&self.identity));
        if own.is_none_or(|own| own.standing != Standing::Valid) {
            return Err(JoinError::WithoutRecord);
        }
        Ok(Joined { roster, network_key: admission.network_key })
    }
}
