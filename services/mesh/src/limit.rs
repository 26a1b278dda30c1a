//! Every number of this crate that is our own choice. Those of the format are in `patronus_wire::limit`.

/// Signers of one network. With more, those with the lowest keys count.
pub const SIGNERS: usize = 16;
/// Sites of one network. With more, those with the lowest ids count; a signer admits no more.
pub const SITES: usize = 2_048;
/// Revoked sites of one network. With more, those with the lowest ids count; a signer revokes no more.
pub const REVOCATIONS: usize = 4_096;
/// Invitations that a signer keeps, used and unused. The oldest used one makes room; if none is used, no more are made.
pub const INVITATIONS: usize = 256;

/// By how much clocks of sites may differ, in seconds.
pub const SKEW_S: u64 = 300;
/// How long a record is valid, in seconds: 30 days.
pub const RECORD_VALIDITY_S: u64 = 30 * 86_400;
/// A record is renewed when less than this is left of it, in seconds: 20 days, so that signers may be away for as long.
pub const RENEW_BEFORE_S: u64 = 20 * 86_400;
/// Another signer's record is renewed when less than this is left of it, in seconds: ten days after that signer should have done it.
pub const TAKE_OVER_BEFORE_S: u64 = 10 * 86_400;
/// What a signer has said that goes is signed anew this long before it goes, in milliseconds: all others have it then.
pub const WITHDRAW_AFTER_MS: u64 = 10_000;
/// A record is valid from this long before it was signed, in seconds: a new box whose clock is a bit slow is a member at once.
pub const BACKDATE_S: u64 = 86_400;
/// How long a signer is one, in seconds: ten years.
pub const SIGNER_VALIDITY_S: u64 = 10 * 365 * 86_400;
/// Longest time for which an invitation is good, in seconds: 30 days.
pub const INVITATION_S: u64 = 30 * 86_400;

/// Between two announcements on a LAN, in milliseconds; each time a quarter more or less.
pub const ANNOUNCE_MS: u64 = 30_000;
/// After a change it is said at once, and again after these times, in milliseconds: one of three gets through.
pub const REPEAT_AFTER_MS: [u64; 2] = [1_000, 3_000];
/// Announcements are this far apart at least, in milliseconds, however often something changes.
pub const ANNOUNCE_GAP_MS: u64 = 200;
/// And this far for each member, in milliseconds: of 500 sites on one LAN that change all the time each hears 500 a second.
pub const ANNOUNCE_GAP_EACH_MS: u64 = 2;
/// A site that was silent for this long, in milliseconds, is inactive.
pub const SILENCE_MS: u64 = 120_000;

/// Messages of one source: a second's share, and how many at once.
pub const SOURCE_RATE: (u32, u32) = (100, 200);
/// Messages of all sources together.
pub const TOTAL_RATE: (u32, u32) = (2_000, 4_000);
/// Signatures to be checked for one source. A new member brings a few hundred at once.
pub const SIGNATURE_SOURCE_RATE: (u32, u32) = (200, 1_000);
/// Signatures to be checked altogether: a tenth of what one core can.
pub const SIGNATURE_TOTAL_RATE: (u32, u32) = (1_000, 5_000);
/// Sources that are remembered; the one that was silent longest makes room.
pub const SOURCES: usize = 1_024;

/// Between two summaries to the same neighbour, in milliseconds.
pub const SUMMARY_GAP_MS: u64 = 2_000;
/// Neighbours with whom a site compares in that time.
pub const COMPARED: usize = 16;
/// Datagrams for one pull; what is left comes with the next.
pub const DATAGRAMS_PER_PULL: usize = 64;
/// Messages that wait to be sent. With more, the oldest is dropped: comparing goes on until all is there.
pub const OUTBOX: usize = 256;
/// Events that wait to be taken. With more, the oldest is dropped: the state has it all.
pub const EVENTS: usize = 1_024;

/// Sites that are told at a time what is new; with them each change reaches all, from site to site.
pub const GOSSIP_FANOUT: usize = 3;
/// How often that happens for one change. With these two a site that one in four others can reach is told by one of them, but for one in 400;
/// it asks itself soon.
pub const GOSSIP_ROUNDS: u32 = 8;
/// Between two of these, in milliseconds, however much is new.
pub const GOSSIP_GAP_MS: u64 = 1_000;
/// Between two comparisons with anybody when nothing is new, in milliseconds; each time a quarter more or less.
pub const GOSSIP_EVERY_MS: u64 = 5_000;

/// Members on connections are told news at most this often, in milliseconds.
pub const TELL_GAP_MS: u64 = 200;
/// And not more often than this for each of them, in milliseconds: a seed of 500 sites tells news once a second.
pub const TELL_MS_EACH: u64 = 2;
/// And compared with this often without any, in milliseconds.
pub const TELL_EVERY_MS: u64 = 30_000;
/// Seeds that a site calls.
pub const SEEDS_CALLED: usize = 4;
/// Messages that wait to be sent on one connection; with more it is closed, and made anew.
pub const CONNECTION_OUTBOX: usize = 64;
/// A connection on which nothing was heard for this long, in seconds, is closed.
pub const CONNECTION_SILENCE_S: u64 = 120;
/// How long the far end may take for a handshake, and to take a message, in seconds.
pub const CONNECTION_PATIENCE_S: u64 = 5;
/// Between the first and the second call of a seed, in milliseconds; doubled each time.
pub const REDIAL_FIRST_MS: u64 = 1_000;
/// The longest such pause, in milliseconds.
pub const REDIAL_LONGEST_MS: u64 = 60_000;

/// Between two look-ups of a STUN server's name that was not found, in milliseconds; doubled each time.
pub const LOOK_UP_FIRST_MS: u64 = 1_000;
/// The longest such pause, in milliseconds.
pub const LOOK_UP_LONGEST_MS: u64 = 60_000;
/// Between two look-ups of those that were found, in milliseconds: a server may move.
pub const LOOK_UP_EVERY_MS: u64 = 600_000;

/// Wishes of strangers that a seed hands on and remembers; with more, the oldest is forgotten.
pub const FORWARDED: usize = 64;
/// For how long, in milliseconds.
pub const FORWARD_MS: u64 = 30_000;
/// Wishes of one stranger that are handed on: a second's share, and how many at once.
pub const FORWARD_SOURCE_RATE: (u32, u32) = (1, 8);
/// And of all strangers together.
pub const FORWARD_TOTAL_RATE: (u32, u32) = (10, 40);

/// Between two tries to join, in milliseconds.
pub const JOIN_RETRY_MS: u64 = 1_000;
