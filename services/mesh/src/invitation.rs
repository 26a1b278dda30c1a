//! What a signer keeps of the tokens that it made.
//!
//! *Does*: the record of one token, and which of many make room for a new one.
//! *Never does*: consume a token by itself: that happens in one transaction with the record that it leads to.

use std::collections::BTreeMap;

use patronus_types::{IpNet, SiteId};
use patronus_wire::{JoinToken, Roles, Seed, TokenId, TokenSecret};
use serde::{Deserialize, Serialize};

use crate::{SignError, limit};

/// One token, as its maker keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    secret: [u8; 16],
    /// When it was made, in seconds since 1970.
    pub made_s: u64,
    /// Until when it is good, in seconds since 1970.
    pub expires_s: u64,
    roles: u8,
    /// What the site may have behind it.
    pub prefixes: Vec<IpNet>,
    /// Who has joined with it.
    pub used: Option<Use>,
}

/// A token that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// By whom.
    pub site: SiteId,
    /// When, in seconds since 1970.
    pub at_s: u64,
}

/// All of them, by the name of their token.
pub type Invitations = BTreeMap<TokenId, Invitation>;

impl Invitation {
    /// A new one. `valid_s` is at most [`limit::INVITATION_S`].
    ///
    /// # Errors
    /// [`SignError::ValidityTooLong`].
    pub fn new(
        secret: &TokenSecret,
        made_s: u64,
        valid_s: u64,
        roles: Roles,
        prefixes: Vec<IpNet>,
    ) -> Result<Self, SignError> {
        if valid_s > limit::INVITATION_S {
            return Err(SignError::ValidityTooLong);
        }
        let expires_s = made_s.saturating_add(valid_s);
        Ok(Self { secret: secret.0, made_s, expires_s, roles: roles.bits(), prefixes, used: None })
    }

    /// Its secret.
    #[must_use]
    pub const fn secret(&self) -> TokenSecret {
        TokenSecret(self.secret)
    }

    /// What the site may be.
    #[must_use]
    pub const fn roles(&self) -> Roles {
        Roles::from_bits_truncate(self.roles)
    }

    /// What a person carries to the new site.
    #[must_use]
    pub fn token(&self, root: patronus_wire::IdentityKey, seeds: Vec<Seed>) -> JoinToken {
        let prefixes = self.prefixes.clone();
        JoinToken { root, secret: self.secret(), expires_s: self.expires_s, roles: self.roles(), prefixes, seeds }
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("token", &self.secret().id())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// Which invitation makes room for one more: none, if there is room; else the oldest that is used up or over.
///
/// # Errors
/// [`SignError::TooManyInvitations`] if all are still good.
pub fn room(invitations: &Invitations, now_s: u64) -> Result<Option<TokenId>, SignError> {
    if invitations.len() < limit::INVITATIONS {
        return Ok(None);
    }
    let is_over = |invitation: &Invitation| invitation.used.is_some() || invitation.expires_s < now_s;
    let over = invitations.iter().filter(|(_, invitation)| is_over(invitation));
    let oldest = over.min_by_key(|(_, invitation)| invitation.made_s).map(|(token, _)| *token);
    oldest.map(Some).ok_or(SignError::TooManyInvitations)
}
