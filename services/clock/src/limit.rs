//! Every number of this crate that is our own choice.

/// Servers of one kind that are asked in one round: those of the document, or, if none of them has the time, those that DHCP named.
pub const SERVERS: usize = 8;
/// Addresses used of one name.
pub const ADDRESSES_PER_NAME: usize = 1;
/// How long one server may take to answer.
pub const ANSWER_MS: u64 = 2_000;
/// Answers that took longer are too vague: the offset may be wrong by half of it.
pub const DELAY_MAX_US: i64 = 1_500_000;
/// Servers further than this from their reference clock are not used (RFC 5905 section 7.2: MAXDIST is 1.5 s).
pub const ROOT_DISTANCE_MAX_US: i64 = 1_500_000;
/// Later corrections below this are slewed; the kernel takes at most half a second.
pub const SLEW_MAX_US: i64 = 500_000;
/// Differences below this are noise of the network: nothing is done.
pub const IGNORE_US: i64 = 1_000;
/// A later step is made only when two rounds in a row ask for the same, within this.
pub const STEP_AGREEMENT_US: i64 = 500_000;
/// And at most once in this time.
pub const STEP_INTERVAL_MS: u64 = 15 * 60 * 1000;
/// The clock is never set later than this after the build, in seconds: twenty years.
pub const CEILING_AFTER_BUILD_S: i64 = 20 * 365 * 24 * 3600 + 5 * 24 * 3600;
/// First pause after a round without result; doubled each time.
pub const RETRY_FIRST_MS: u64 = 2_000;
/// Longest pause after a round without result.
pub const RETRY_LONGEST_MS: u64 = 300_000;
/// First pause after a good round; doubled each time. RFC 4330 section 10 asks for no less than 15 s.
pub const POLL_FIRST_MS: u64 = 64_000;
/// Longest pause between good rounds.
pub const POLL_LONGEST_MS: u64 = 2_048_000;
/// Without a good round for this long the time is no longer called synchronised.
pub const TRUST_MS: u64 = 4 * 3600 * 1000;
/// Servers whose wish to be asked less is remembered: more than are asked, because pools change their addresses.
pub const PAUSES: usize = 64;
/// How long a server that says "go away" is not asked (RFC 4330 section 8).
pub const BANNED_MS: u64 = 24 * 3600 * 1000;
/// The mark on disk is written at most this often.
pub const MARK_INTERVAL_MS: u64 = 300_000;
