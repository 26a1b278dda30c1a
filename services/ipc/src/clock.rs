//! What `clock` answers: how good the time is.

use patronus_types::Generation;
use serde::{Deserialize, Serialize};

use crate::Protocol;
/// What may be asked of `clock`.
pub use crate::WatchOnly as Request;

/// `clock`'s protocol.
#[derive(Debug)]
pub struct Clock;

impl Protocol for Clock {
    const SERVICE: &'static str = "clock";
    type Request = Request;
    type Reply = State;
}

/// How good the time is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with every change since `clock` started.
    pub generation: Generation,
    /// Whether a server was heard recently enough to trust the time.
    pub synchronised: bool,
    /// The server that was believed last.
    pub server: Option<String>,
    /// What was wrong when it was last corrected, in microseconds; positive: the box was behind.
    pub offset_us: Option<i64>,
    /// Stratum of that server.
    pub stratum: Option<u8>,
    /// The time below which the clock is never set, in seconds since 1970: build time or the stored mark.
    pub floor_unix_s: i64,
}
