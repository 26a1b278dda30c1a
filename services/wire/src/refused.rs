//! Why bytes from another site are not used.

use thiserror::Error;

/// Declares the refusals with the names under which they are counted.
macro_rules! refusals {
    ($($variant:ident = $name:literal,)*) => {
        /// Each is one rule of `docs/wire.md`, section "Refusals"; its text is the name under which it is counted. Next: drop the bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
        #[allow(missing_docs, reason = "the text of each says it, the document explains it")]
        pub enum Refused {
            $(#[error($name)] $variant,)*
        }

        impl Refused {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

refusals! {
    // Framing.
    Truncated = "truncated",
    TrailingBytes = "trailing-bytes",
    VersionUnknown = "version-unknown",
    KindUnknown = "kind-unknown",
    KindUnexpected = "kind-unexpected",
    ObjectTooLarge = "object-too-large",
    MessageTooLarge = "message-too-large",
    DatagramTooLarge = "datagram-too-large",
    TooManyObjects = "too-many-objects",
    ObjectsOutOfOrder = "objects-out-of-order",
    // Keys and signatures.
    KeyInvalid = "key-invalid",
    KeyWeak = "key-weak",
    TunnelKeyInvalid = "tunnel-key-invalid",
    TunnelKeyWeak = "tunnel-key-weak",
    SignatureInvalid = "signature-invalid",
    NetworkKeyUnknown = "network-key-unknown",
    SealBroken = "seal-broken",
    // Fields of objects.
    SerialOutOfRange = "serial-out-of-range",
    EpochOutOfRange = "epoch-out-of-range",
    SequenceOutOfRange = "sequence-out-of-range",
    TimeOutOfRange = "time-out-of-range",
    ValidityInverted = "validity-inverted",
    ValidityTooLong = "validity-too-long",
    StandingUnknown = "standing-unknown",
    NameInvalid = "name-invalid",
    RolesUnknown = "roles-unknown",
    RolesEmpty = "roles-empty",
    // Prefixes.
    TooManyPrefixes = "too-many-prefixes",
    PrefixFamilyUnknown = "prefix-family-unknown",
    PrefixTooLong = "prefix-too-long",
    PrefixTooWide = "prefix-too-wide",
    PrefixHostBits = "prefix-host-bits",
    PrefixReserved = "prefix-reserved",
    PrefixesOutOfOrder = "prefixes-out-of-order",
    PrefixesOverlap = "prefixes-overlap",
    // Uplinks and endpoints.
    TooManyUplinks = "too-many-uplinks",
    SlotOutOfRange = "slot-out-of-range",
    SlotsOutOfOrder = "slots-out-of-order",
    TunnelKeyTwice = "tunnel-key-twice",
    TooManyEndpoints = "too-many-endpoints",
    EndpointKindUnknown = "endpoint-kind-unknown",
    EndpointFamilyUnknown = "endpoint-family-unknown",
    EndpointAddressUnusable = "endpoint-address-unusable",
    EndpointPortZero = "endpoint-port-zero",
    EndpointTwice = "endpoint-twice",
    // Tokens and joining.
    TokenNotOne = "token-not-one",
    TokenTooLong = "token-too-long",
    TokenMistyped = "token-mistyped",
    TooManySeeds = "too-many-seeds",
    SeedInvalid = "seed-invalid",
    JoinReasonUnknown = "join-reason-unknown",
}
