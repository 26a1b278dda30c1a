//! What a signer does: admit, renew, rename, revoke.
//!
//! *Does*: decide and sign. What it returns holds once it is on disk and in the roster.
//! *Never does*: sign what other sites would refuse; sign without knowing the time; judge a token by its text rather than by what was
//! kept of it.
//! *Spec*: `docs/wire.md`, section "Joining"; `docs/membership.md`, section "Signers".

use ed25519_dalek::SigningKey;
use patronus_types::{IpNet, SiteId, SiteName};
use patronus_wire::{
    Body, IdentityKey, JoinRefusal, JoinRequest, JoinWish, Refused, Revocation, Roles, SiteRecord, Validity, Verified,
    open_request, site_id,
};
use thiserror::Error;

use crate::{Invitation, Members, Roster, Standing, Use, Wallclock, limit, wallclock::Judgement};

/// Why a signer does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// What it would sign others would refuse.
    #[error("{0}")]
    Wire(#[from] Refused),
    /// The root does not vouch for it now.
    #[error("signer-unable")]
    SignerUnable,
    /// It does not know the time.
    #[error("clock-unknown")]
    ClockUnknown,
    /// There is no such site.
    #[error("site-unknown")]
    SiteUnknown,
    /// The site was revoked, for ever.
    #[error("site-revoked")]
    SiteRevoked,
    /// The key is another network's.
    #[error("root-key-wrong")]
    RootKeyWrong,
    /// There is no such signer.
    #[error("signer-unknown")]
    SignerUnknown,
    /// Others would forget one.
    #[error("too-many-signers")]
    TooManySigners,
    /// Another site has the name.
    #[error("name-taken")]
    NameTaken,
    /// Another site has the prefix, or a part of it.
    #[error("prefix-taken")]
    PrefixTaken,
    /// Others would forget it.
    #[error("too-many-revocations")]
    TooManyRevocations,
    /// All invitations that it keeps are still good.
    #[error("too-many-invitations")]
    TooManyInvitations,
    /// An invitation may not be good for so long.
    #[error("validity-too-long")]
    ValidityTooLong,
}

/// Who is to be what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identity key.
    pub identity: IdentityKey,
    /// What it is to be called.
    pub name: SiteName,
    /// What it may be.
    pub roles: Roles,
    /// What it may have behind it.
    pub prefixes: Vec<IpNet>,
}

/// A site that may join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub site: SiteId,
    /// What is written together with [`Admitted::used`]; `None` if the site was admitted with this token before.
    pub record: Option<Verified<SiteRecord>>,
    /// What is written to the invitation.
    pub used: Use,
}

/// A signer at work: its key, and what it knows at this moment.
#[derive(Debug)]
pub struct Registrar<'k> {
    key: &'k SigningKey,
    roster: &'k Roster,
    members: &'k Members,
    clock: Wallclock,
}

impl<'k> Registrar<'k> {
    /// The signer with this key.
    #[must_use]
    pub const fn new(key: &'k SigningKey, roster: &'k Roster, members: &'k Members, clock: Wallclock) -> Self {
        Self { key, roster, members, clock }
    }

    /// Decides a request to join with an invitation of its own. To be called inside the transaction that writes what comes out.
    ///
    /// # Errors
    /// The outer one: the request is not sealed with this token, and gets no answer. The inner one is the answer.
    pub fn admit(
        &self,
        request: &JoinRequest,
        invitation: &Invitation,
    ) -> Result<Result<Admitted, JoinRefusal>, Refused> {
        match open_request(request, &invitation.secret(), self.roster.network()) {
            Ok(wish) => Ok(self.decide(&wish, invitation)),
            Err(Refused::SealBroken) => Err(Refused::SealBroken),
            // Who has the secret learns that his wish is none; who has not learns nothing.
            Err(_) => Ok(Err(JoinRefusal::WishInvalid)),
        }
    }

    /// A revocation, or `None` if the site is revoked already.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn revoke(&self, site: SiteId) -> Result<Option<Verified<Revocation>>, SignError> {
        if self.roster.is_revoked(&site) {
            return Ok(None);
        }
        self.members.get(&site).ok_or(SignError::SiteUnknown)?;
        if self.roster.revoked_sites() >= limit::REVOCATIONS {
            return Err(SignError::TooManyRevocations);
        }
        // Unlike a record it needs no clock: the time in it is for people.
        let (Wallclock::Known(revoked_s) | Wallclock::AtLeast(revoked_s)) = self.clock;
        let revocation = Revocation { network: self.roster.network(), signer: self.public(), site, revoked_s };
        Ok(Some(revocation.sign(self.key)?))
    }

    /// A new record of a member, with another name.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn rename(&self, site: SiteId, name: SiteName) -> Result<Verified<SiteRecord>, SignError> {
        let grant = Grant { name, ..self.present_grant(site)? };
        self.sign_record(&grant)
    }

    /// A new record of a member, valid from now on.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn renew(&self, site: SiteId) -> Result<Verified<SiteRecord>, SignError> {
        self.sign_record(&self.present_grant(site)?)
    }

    /// The sites whose records this signer should renew now: its own in time, those of another signer when that has let much time pass.
    #[must_use]
    pub fn due(&self) -> Vec<SiteId> {
        let Some(now_s) = self.clock.known_s() else { return Vec::new() };
        let is_due = |record: &SiteRecord| {
            let is_own = record.signer == self.public();
            let before_s = if is_own { limit::RENEW_BEFORE_S } else { limit::TAKE_OVER_BEFORE_S };
            record.validity.not_after_s < now_s.saturating_add(before_s)
        };
        let members = self.members.iter().filter(|(_, member)| member.standing != Standing::Revoked);
        members.filter(|(_, member)| is_due(&member.record)).map(|(site, _)| *site).collect()
    }

    fn decide(&self, wish: &JoinWish, invitation: &Invitation) -> Result<Admitted, JoinRefusal> {
        let site = site_id(&wish.identity);
        if let Some(used) = invitation.used {
            // The first answer may have been lost.
            return if used.site == site {
                Ok(Admitted { site, record: None, used })
            } else {
                Err(JoinRefusal::TokenUsed)
            };
        }
        let now_s = self.clock.known_s().ok_or(JoinRefusal::ClockUnknown)?;
        if now_s > invitation.expires_s {
            return Err(JoinRefusal::TokenExpired);
        }
        let is_granted = |wanted: &IpNet| invitation.prefixes.iter().any(|granted| granted.contains(wanted));
        if !wish.prefixes.iter().all(is_granted) {
            return Err(JoinRefusal::PrefixNotGranted);
        }
        if self.members.get(&site).is_none() && self.roster.sites() >= limit::SITES {
            return Err(JoinRefusal::NetworkFull);
        }
        let prefixes = if wish.prefixes.is_empty() { &invitation.prefixes } else { &wish.prefixes }.clone();
        let grant = Grant { identity: wish.identity, name: wish.name.clone(), roles: invitation.roles(), prefixes };
        let record = self.sign_record(&grant)?;
        Ok(Admitted { site, record: Some(record), used: Use { site, at_s: now_s } })
    }

    /// Signs a record with the next serial, unless that would be of no use.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign_record(&self, grant: &Grant) -> Result<Verified<SiteRecord>, SignError> {
        let now_s = self.clock.known_s().ok_or(SignError::ClockUnknown)?;
        let certificate = self.roster.signer(&self.public()).ok_or(SignError::SignerUnable)?;
        let is_able = certificate.standing == patronus_wire::Standing::Active;
        if !is_able || self.clock.judge(certificate.validity) != Judgement::Valid {
            return Err(SignError::SignerUnable);
        }
        let site = site_id(&grant.identity);
        if self.roster.is_revoked(&site) {
            return Err(SignError::SiteRevoked);
        }
        if self.members.named(&grant.name).is_some_and(|holder| holder != site) {
            return Err(SignError::NameTaken);
        }
        let is_taken = |prefix| self.members.other_holder(prefix, &site).is_some();
        if grant.prefixes.iter().any(is_taken) {
            return Err(SignError::PrefixTaken);
        }
        let record = SiteRecord {
            network: self.roster.network(),
            signer: self.public(),
            identity: grant.identity,
            serial: self.roster.highest_serial(&site).saturating_add(1),
            member_since_s: self.members.get(&site).map_or(now_s, |member| member.record.member_since_s),
            validity: Validity {
                not_before_s: now_s.saturating_sub(limit::BACKDATE_S),
                not_after_s: now_s.saturating_add(limit::RECORD_VALIDITY_S),
            },
            roles: grant.roles,
            name: grant.name.clone(),
            prefixes: grant.prefixes.clone(),
        };
        Ok(record.sign(self.key)?)
    }

    fn present_grant(&self, site: SiteId) -> Result<Grant, SignError> {
        let record = &self.members.get(&site).ok_or(SignError::SiteUnknown)?.record;
        let (name, prefixes) = (record.name.clone(), record.prefixes.clone());
        Ok(Grant { identity: record.identity, name, roles: record.roles, prefixes })
    }

    pub(crate) const fn key(&self) -> &SigningKey {
        self.key
    }

    pub(crate) const fn roster(&self) -> &Roster {
        self.roster
    }

    pub(crate) const fn members(&self) -> &Members {
        self.members
    }

    pub(crate) fn public(&self) -> IdentityKey {
        IdentityKey::from(self.key)
    }
}

impl From<SignError> for JoinRefusal {
    fn from(error: SignError) -> Self {
        match error {
            SignError::ClockUnknown => Self::ClockUnknown,
            SignError::SiteRevoked => Self::SiteRevoked,
            SignError::NameTaken => Self::NameTaken,
            SignError::PrefixTaken => Self::PrefixTaken,
            SignError::Wire(_) => Self::WishInvalid,
            _ => Self::SignerUnable,
        }
    }
}
