//! Signers by the word of the root: one more, or one less.
//!
//! *Does*: sign certificates with the root's key while a person lends it; sign again what is to stay when a signer goes.
//! *Never does*: keep the root's key; make more signers than others remember.
//! *Spec*: `docs/membership.md`, section "Signers"; `docs/wire.md`, section "Signer certificate".

use ed25519_dalek::SigningKey;
use patronus_types::SiteId;
use patronus_wire::{Body, Bundle, IdentityKey, Revocation, SignerCertificate, Standing, Validity, Verified};

use crate::{Registrar, Roster, SignError, limit, members};

/// The word of the root that this is a signer from now on. `now_s` may be a lower bound of the time.
///
/// # Errors
/// The root is another network's, or there are too many signers.
pub fn appoint(
    root: &SigningKey,
    signer: IdentityKey,
    roster: &Roster,
    now_s: u64,
) -> Result<Verified<SignerCertificate>, SignError> {
    if roster.signer(&signer).is_none() && roster.signers().count() >= limit::SIGNERS {
        return Err(SignError::TooManySigners);
    }
    certify(root, signer, Standing::Active, roster, now_s)
}

/// The word of the root that this is no signer any more, for ever.
///
/// # Errors
/// The root is another network's, or there is no such signer.
pub fn withdraw(
    root: &SigningKey,
    signer: IdentityKey,
    roster: &Roster,
    now_s: u64,
) -> Result<Verified<SignerCertificate>, SignError> {
    roster.signer(&signer).ok_or(SignError::SignerUnknown)?;
    certify(root, signer, Standing::Withdrawn, roster, now_s)
}

fn certify(
    root: &SigningKey,
    signer: IdentityKey,
    standing: Standing,
    roster: &Roster,
    now_s: u64,
) -> Result<Verified<SignerCertificate>, SignError> {
    if IdentityKey::from(root) != roster.root() {
        return Err(SignError::RootKeyWrong);
    }
    let certificate = SignerCertificate {
        network: roster.network(),
        signer,
        serial: roster.signer(&signer).map_or(1, |known| known.serial.saturating_add(1)),
        standing,
        validity: Validity {
            not_before_s: now_s.saturating_sub(limit::BACKDATE_S),
            not_after_s: now_s.saturating_add(limit::SIGNER_VALIDITY_S),
        },
    };
    Ok(certificate.sign(root)?)
}

impl Registrar<'_> {
    /// What another signer alone has said and is to stay when it goes, in this signer's name.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn succeed(&self, signer: &IdentityKey) -> Result<Bundle, SignError> {
        let mut bundle = Bundle::default();
        for site in self.members_of(signer) {
            bundle.records.push(self.renew(site)?.into_unverified());
        }
        for site in self.roster().revoked_only_by(signer) {
            let revocation = self.roster().revocation_by(&site, signer);
            let revoked_s = revocation.map(|revocation| revocation.revoked_s).unwrap_or_default();
            let again = Revocation { network: self.roster().network(), signer: self.public(), site, revoked_s };
            bundle.revocations.push(again.sign(self.key())?.into_unverified());
        }
        Ok(bundle)
    }

    /// Sites that are members by the word of this signer.
    fn members_of(&self, signer: &IdentityKey) -> Vec<SiteId> {
        let is_revoked = |member: &members::Member| member.standing == members::Standing::Revoked;
        let by = self.members().iter().filter(|(_, member)| member.record.signer == *signer && !is_revoked(member));
        by.map(|(site, _)| *site).collect()
    }
}
