//! Why bytes from another site are not used.

use thiserror::Error;

/// Each is the name of one rule of `docs/wire.md`; its text is the name under which it is counted. Next: drop the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[allow(missing_docs, reason = "the text of each says it; docs/wire.md, section \"Refusals\", explains it")]
pub enum Refused {
    // Framing.
    #[error("truncated")]
    Truncated,
    #[error("trailing-bytes")]
    TrailingBytes,
    #[error("version-unknown")]
    VersionUnknown,
    #[error("kind-unknown")]
    KindUnknown,
    #[error("kind-unexpected")]
    KindUnexpected,
    #[error("object-too-large")]
    ObjectTooLarge,
    #[error("message-too-large")]
    MessageTooLarge,
    #[error("datagram-too-large")]
    DatagramTooLarge,
    #[error("too-many-objects")]
    TooManyObjects,
    #[error("objects-out-of-order")]
    ObjectsOutOfOrder,
    // Keys and signatures.
    #[error("key-invalid")]
    KeyInvalid,
    #[error("key-weak")]
    KeyWeak,
    #[error("tunnel-key-invalid")]
    TunnelKeyInvalid,
    #[error("tunnel-key-weak")]
    TunnelKeyWeak,
    #[error("signature-invalid")]
    SignatureInvalid,
    #[error("network-key-unknown")]
    NetworkKeyUnknown,
    #[error("seal-broken")]
    SealBroken,
    // Fields of objects.
    #[error("serial-out-of-range")]
    SerialOutOfRange,
    #[error("epoch-out-of-range")]
    EpochOutOfRange,
    #[error("sequence-out-of-range")]
    SequenceOutOfRange,
    #[error("time-out-of-range")]
    TimeOutOfRange,
    #[error("validity-inverted")]
    ValidityInverted,
    #[error("validity-too-long")]
    ValidityTooLong,
    #[error("standing-unknown")]
    StandingUnknown,
    #[error("name-invalid")]
    NameInvalid,
    #[error("roles-unknown")]
    RolesUnknown,
    #[error("roles-empty")]
    RolesEmpty,
    // Prefixes.
    #[error("too-many-prefixes")]
    TooManyPrefixes,
    #[error("prefix-family-unknown")]
    PrefixFamilyUnknown,
    #[error("prefix-too-long")]
    PrefixTooLong,
    #[error("prefix-too-wide")]
    PrefixTooWide,
    #[error("prefix-host-bits")]
    PrefixHostBits,
    #[error("prefix-reserved")]
    PrefixReserved,
    #[error("prefixes-out-of-order")]
    PrefixesOutOfOrder,
    #[error("prefixes-overlap")]
    PrefixesOverlap,
    // Uplinks and endpoints.
    #[error("too-many-uplinks")]
    TooManyUplinks,
    #[error("slot-out-of-range")]
    SlotOutOfRange,
    #[error("slots-out-of-order")]
    SlotsOutOfOrder,
    #[error("tunnel-key-twice")]
    TunnelKeyTwice,
    #[error("too-many-endpoints")]
    TooManyEndpoints,
    #[error("endpoint-kind-unknown")]
    EndpointKindUnknown,
    #[error("endpoint-family-unknown")]
    EndpointFamilyUnknown,
    #[error("endpoint-address-unusable")]
    EndpointAddressUnusable,
    #[error("endpoint-port-zero")]
    EndpointPortZero,
    #[error("endpoint-twice")]
    EndpointTwice,
    // Tokens and joining.
    #[error("token-not-one")]
    TokenNotOne,
    #[error("token-too-long")]
    TokenTooLong,
    #[error("token-mistyped")]
    TokenMistyped,
    #[error("too-many-seeds")]
    TooManySeeds,
    #[error("seed-invalid")]
    SeedInvalid,
    #[error("join-reason-unknown")]
    JoinReasonUnknown,
}
