//! The beginning of a network: a root, its first signer, its first site.

use ed25519_dalek::SigningKey;
use patronus_types::{IpNet, SiteName};
use patronus_wire::{
    Body, IdentityKey, Refused, Roles, SignerCertificate, SiteRecord, Standing, Validity, Verified, network_id,
};

use crate::{Roster, limit};

/// What the first site writes down before it tells anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// By the root, of the first signer.
    pub certificate: Verified<SignerCertificate>,
    /// By the signer, of the first site.
    pub record: Verified<SiteRecord>,
}

impl Founding {
    /// The roster that has just these.
    #[must_use]
    pub fn roster(&self, root: IdentityKey) -> Roster {
        let mut roster = Roster::new(root);
        // Both were signed a moment ago with the keys that the roster checks them with.
        let _ = roster.merge_signer(self.certificate.clone().into_unverified());
        let _ = roster.merge_record(self.record.clone().into_unverified());
        roster
    }
}

/// Founds a network. The root's key is needed here and never again on this box. `now_s` may be a lower bound of the time: the signer
/// renews the record once it knows better.
///
/// # Errors
/// If name or prefixes are such that other sites would refuse them.
pub fn found(
    root: &SigningKey,
    signer: &SigningKey,
    identity: &SigningKey,
    name: SiteName,
    prefixes: Vec<IpNet>,
    now_s: u64,
) -> Result<Founding, Refused> {
    let network = network_id(&IdentityKey::from(root));
    let not_before_s = now_s.saturating_sub(limit::BACKDATE_S);
    let certificate = SignerCertificate {
        network,
        signer: IdentityKey::from(signer),
        serial: 1,
        standing: Standing::Active,
        validity: Validity { not_before_s, not_after_s: now_s.saturating_add(limit::SIGNER_VALIDITY_S) },
    };
    let record = SiteRecord {
        network,
        signer: IdentityKey::from(signer),
        identity: IdentityKey::from(identity),
        serial: 1,
        member_since_s: now_s,
        validity: Validity { not_before_s, not_after_s: now_s.saturating_add(limit::RECORD_VALIDITY_S) },
        roles: Roles::SITE | Roles::SEED | Roles::HUB | Roles::RELAY,
        name,
        prefixes,
    };
    Ok(Founding { certificate: certificate.sign(root)?, record: record.sign(signer)? })
}
