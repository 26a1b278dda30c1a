//! The limits of this crate, in one place. Those of the document itself are in `patronus_types::Limit`.

use std::ops::RangeInclusive;

/// Revisions that are kept. The running one and what a trial falls back to are always among them.
pub const HISTORY: usize = 50;

/// How long a document may be on trial, in seconds: long enough to reach the page again, short enough that nobody drives
/// to the site meanwhile.
pub const TRIAL_S: RangeInclusive<u32> = 1..=3600;

/// The name of who made a change, in bytes.
pub const AUTHOR_BYTES: usize = 64;

/// The stored verifier of a password, in bytes. Argon2id's is about 100.
pub const PASSWORD_PHC_BYTES: usize = 512;

/// What checking a password may cost, as Argon2's memory in KiB and its passes: above it, a box with 256 MiB could lock its
/// administrator out.
pub const PASSWORD_MEMORY_KIB: u32 = 64 * 1024;
/// See [`PASSWORD_MEMORY_KIB`].
pub const PASSWORD_PASSES: u32 = 16;
