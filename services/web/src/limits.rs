//! How much of everything the front door takes. One place; each limit is tested at the limit and one above.
//!
//! *Does*: our own choices, each with its reason.
//! *Spec*: `docs/adr/0003-front-door.md`.

use std::time::Duration;

/// Connections at a time, all sources. With TLS one costs about 40 KiB: 5 MiB in all.
pub const CONNECTIONS: usize = 128;
/// Connections of one source address (one /64 of IPv6). A browser opens six.
pub const CONNECTIONS_PER_SOURCE: usize = 32;
/// From accept to the end of the TLS handshake; a small box that is writing to a slow disk may need seconds.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// From the first wait for a request to the end of its head; so also the longest idle time of a kept connection.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// From the end of the head to the end of the body.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// A connection's whole life: ends readers that never take their answer.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// What is being answered when the service is told to stop may take this long; `init` waits longer.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// Questions to other services at one time: a service grants its callers 16 connections each, and some of ours follow its state.
pub const QUESTIONS: usize = 12;
/// Requests on one connection.
pub const REQUESTS_PER_CONNECTION: u32 = 200;
/// Request line and header fields together.
pub const HEAD_BYTES: usize = 8 * 1024;
/// Header fields. Browsers send about 20.
pub const HEADERS: usize = 40;
/// A path. Ours have at most 32 bytes.
pub const PATH_BYTES: usize = 128;
/// What follows the question mark.
pub const QUERY_BYTES: usize = 512;
/// The largest body, an administrator's configuration: 768 KiB that a form has percent-encoded (three bytes for one at worst), and its other fields.
pub const BODY_BYTES: usize = 2400 * 1024;
/// A body of set-up: 10 fields and 6 for each of 32 ports, about 40 bytes each.
pub const SET_UP_BODY_BYTES: usize = 16 * 1024;
/// Any other body: a code, a password, a number. It is all that a stranger can make us keep.
pub const SMALL_BODY_BYTES: usize = 4 * 1024;
/// Fields of a form: the set-up form has 10 and 6 for each of 32 ports.
pub const FORM_FIELDS: usize = 256;

/// Sessions at a time; the one that was longest unused gives way.
pub const SESSIONS: usize = 16;
/// A session ends when nobody used it for so long.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends in any case.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Wrong claim codes before the lock. With 50 bits of code, ten guesses are one in 10^14.
pub const CLAIM_WRONG: u32 = 10;
/// How long the lock holds.
pub const CLAIM_LOCK: Duration = Duration::from_secs(15 * 60);
/// Pause between two codes.
pub const CLAIM_PAUSE: Duration = Duration::from_secs(1);

/// Logins of one source before it has to wait.
pub const LOGINS_PER_SOURCE: u32 = 5;
/// First wait; doubles with each further failure.
pub const LOGIN_WAIT: Duration = Duration::from_secs(12);
/// Longest wait.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// A source that was quiet for so long starts afresh.
pub const LOGIN_FORGET: Duration = Duration::from_secs(60 * 60);
/// Sources remembered; the one that was longest quiet gives way.
pub const LOGIN_SOURCES: usize = 256;
/// Logins of all sources per minute: each costs 19 MiB for some 50 ms.
pub const LOGINS_PER_MINUTE: u32 = 30;

/// Shortest password in bytes; what counts is its strength.
pub const PASSWORD_MIN_BYTES: usize = 10;
/// Longest password in bytes.
pub const PASSWORD_MAX_BYTES: usize = 256;

/// Events that are kept: a network of 500 sites with four paths each that comes up at once leaves half of it; who follows takes them within milliseconds.
pub const EVENTS: usize = 1024;
/// Events that are copied for one follower at a time.
pub const EVENTS_AT_ONCE: usize = 64;
/// Followers of events at a time. Each is a connection with its TLS buffers.
pub const FOLLOWERS: usize = 8;
/// A follower takes each message within this time, or is cut.
pub const FOLLOWER_DEADLINE: Duration = Duration::from_secs(5);
/// How often a follower's session is looked at.
pub const FOLLOWER_LOOK: Duration = Duration::from_secs(1);
/// A follower is sent a ping at every so many looks: one that went away without a word is noticed.
pub const FOLLOWER_LOOKS_PER_PING: u32 = 30;
/// What a follower may say at once. It has nothing to say.
pub const FOLLOWER_MESSAGE_BYTES: usize = 1024;

/// Log lines on one page.
pub const LOG_LINES: u32 = 500;
