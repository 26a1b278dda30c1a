//! The limits of what sites say to each other, in one place. They belong to version 1: a change of one is a new version.

/// Uplinks in one announcement.
pub const UPLINKS: usize = patronus_types::Limit::UPLINKS;
/// Endpoints of one uplink.
pub const ENDPOINTS_PER_UPLINK: usize = 8;
/// Endpoints in one announcement: with all uplinks it still fits into one datagram of [`DATAGRAM_BYTES`].
pub const ENDPOINTS: usize = 20;
/// Prefixes granted to one site.
pub const PREFIXES: usize = 32;
/// Seeds in one token.
pub const SEEDS: usize = 4;
/// A serial, boot epoch or sequence above this could never be followed by enough others: 2^48.
pub const COUNTER_MAX: u64 = 1 << 48;
/// Longest time for which a site record may be valid, in seconds: 400 days.
pub const RECORD_VALIDITY_S: u64 = 400 * 86_400;
/// Longest time for which a signer may be one, in seconds: twenty years.
pub const SIGNER_VALIDITY_S: u64 = 20 * 366 * 86_400;
/// No time on the wire is later than this, in seconds since 1970: the year 2200.
pub const TIME_MAX_S: u64 = 7_258_118_400;

/// Body of a signer certificate.
pub const SIGNER_BODY_BYTES: usize = 128;
/// Body of a site record: with the longest name and [`PREFIXES`] of IPv6.
pub const RECORD_BODY_BYTES: usize = 770;
/// Body of an announcement: with [`UPLINKS`] and [`ENDPOINTS`] of IPv6.
pub const ANNOUNCEMENT_BODY_BYTES: usize = 1_061;
/// Body of a wish to join: with the longest name and [`PREFIXES`] of IPv6.
pub const WISH_BODY_BYTES: usize = 705;
/// Body of a revocation.
pub const REVOCATION_BODY_BYTES: usize = 128;

/// A sealed datagram on a LAN: with IPv6 and UDP headers it fits into the smallest link of IPv6 (1,280 bytes).
pub const DATAGRAM_BYTES: usize = 1_232;
/// A token before it becomes text.
pub const TOKEN_BYTES: usize = 2_048;
/// A pasted token, with all the white space that a mail program may add.
pub const TOKEN_TEXT_BYTES: usize = 8_192;
/// A message between two sites over TCP, without its header.
pub const MESSAGE_BYTES: usize = 256 * 1_024;
/// Objects of one kind in one bundle.
pub const BUNDLE_OBJECTS: usize = 256;
/// A sealed wish to join: the largest wish with header, signature and tag.
pub const JOIN_REQUEST_BYTES: usize = 1_024;
/// A sealed answer to it.
pub const JOIN_ANSWER_BYTES: usize = 16 * 1_024;
/// Parts into which the roster is divided for comparing.
pub const BUCKETS: usize = 64;
