//! Why a message from another site is not used, and how often.

use std::collections::BTreeMap;

use patronus_wire::Refused;
use thiserror::Error;

/// Declares the refusals of this crate with the names under which they are counted.
macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// The text of each is the name under which it is counted. Next, always: drop the object, keep the rest of the message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
        pub enum Refusal {
            /// Not by the rules of the format.
            #[error("{0}")]
            Wire(#[from] Refused),
            $($(#[doc = $doc])* #[error($name)] $variant,)*
        }

        impl Refusal {
            /// Every one of them.
            pub fn each() -> impl Iterator<Item = Self> {
                Refused::ALL.iter().copied().map(Self::Wire).chain([$(Self::$variant),*])
            }
        }
    };
}

refusals! {
    /// This source sends too much. Nothing of the message was looked at.
    SourceOverRate = "source-over-rate",
    /// All sources together send too much.
    TotalOverRate = "total-over-rate",
    /// This source wants too many signatures checked.
    SourceOverSignatureRate = "source-over-signature-rate",
    /// All sources together want too many signatures checked.
    TotalOverSignatureRate = "total-over-signature-rate",
    /// For another network.
    WrongNetwork = "wrong-network",
    /// Signed by somebody of whom the root says nothing.
    SignerUnknown = "signer-unknown",
    /// Signed by somebody who is no signer any more.
    SignerWithdrawn = "signer-withdrawn",
    /// A certificate older than what is known.
    CertificateSuperseded = "certificate-superseded",
    /// A record older than what is known.
    RecordSuperseded = "record-superseded",
    /// A record of a site that was revoked.
    RecordOfRevokedSite = "record-of-revoked-site",
    /// More signers than [`crate::limit::SIGNERS`].
    TooManySigners = "too-many-signers",
    /// More sites than [`crate::limit::SITES`].
    TooManySites = "too-many-sites",
    /// More revoked sites than [`crate::limit::REVOCATIONS`].
    TooManyRevocations = "too-many-revocations",
    /// By a site that no signer has made a member.
    SiteUnknown = "site-unknown",
    /// By a site that was revoked.
    SiteRevoked = "site-revoked",
    /// By a site whose record is not valid any more.
    SiteExpired = "site-expired",
    /// By a site whose record is not valid yet.
    SiteNotYetValid = "site-not-yet-valid",
    /// In this site's own name.
    OwnAnnouncement = "own-announcement",
    /// The same as before: the normal fate of a datagram that came twice.
    AnnouncementRepeated = "announcement-repeated",
    /// Older than what the site said last.
    AnnouncementReplayed = "announcement-replayed",
    /// An older one in a bundle: the normal fate of what two neighbours tell each other.
    AnnouncementSuperseded = "announcement-superseded",
    /// Claims to be a relay without the role.
    RelayNotGranted = "relay-not-granted",
    /// Claims to be a seed without the role.
    SeedNotGranted = "seed-not-granted",
    /// Claims to be a hub without the role.
    HubNotGranted = "hub-not-granted",
    /// Claims the tunnel key of another site.
    TunnelKeyOfAnotherSite = "tunnel-key-of-another-site",
    /// Claims to be reached at an address that is behind it.
    EndpointInsideOwnPrefix = "endpoint-inside-own-prefix",
    /// An answer to a question that was not asked.
    AnswerUnexpected = "answer-unexpected",
    /// From an address inside tunnels that is no member's.
    InnerSourceUnknown = "inner-source-unknown",
    /// More wishes to join than are handed on.
    ForwardOverRate = "forward-over-rate",
    /// A wish to join where nobody can admit.
    JoinNotHere = "join-not-here",
}

/// How often each refusal happened since the service started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(BTreeMap<Refusal, u64>);

impl Refusals {
    /// One more.
    pub fn count(&mut self, refusal: Refusal) {
        let count = self.0.entry(refusal).or_default();
        *count = count.saturating_add(1);
    }

    /// How often this one happened.
    #[must_use]
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.0.get(&refusal).copied().unwrap_or_default()
    }

    /// All that happened at least once, by name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(refusal, count)| (refusal.to_string(), *count)).collect()
    }

    /// Of all kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
