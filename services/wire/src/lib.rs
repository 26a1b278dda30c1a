//! What sites say to each other: bytes, then meaning.
//!
//! *Does*: nothing yet. Membership, announcements and probes put their formats here, version 1 first.
//! *Never does*: I/O, trust decisions.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Code map".
#![forbid(unsafe_code)]
