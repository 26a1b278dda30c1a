//! Connections between sites: ordered, whole, and dead for a while before anybody notices.
//!
//! *Does*: hold what cannot pass while the way is cut, up to what a shell holds; call again with the pauses of the real caller.
//! *Spec*: `services/mesh/src/shell/seed/`.

use std::{collections::BTreeMap, net::SocketAddr, rc::Rc};

use patronus_mesh::limit;
use patronus_wire::Message;

/// Which end of a connection: the caller's, or the seed's.
pub(crate) type End = usize;

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    /// The sites, caller first.
    pub sites: [u32; 2],
    /// Whom the caller called.
    pub called: SocketAddr,
    /// Whether each end knows of it.
    pub open: [bool; 2],
    /// When each end heard something last.
    pub heard_ms: [u64; 2],
    /// When the last message to each end arrives: none overtakes another.
    pub arrives_ms: [u64; 2],
    /// Messages to each end that wait for the way to be whole.
    pub held: [Vec<Rc<Message>>; 2],
}

impl Pipe {
    /// Whether one more message has no room: its sender closes the connection.
    #[must_use]
    pub(crate) fn is_full(&self, to: End) -> bool {
        self.held[to].len() >= limit::CONNECTION_OUTBOX
    }
}

/// A caller's wish to be connected to one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Which try: an older one counts no more.
    pub number: u64,
    /// The connection, while there is one.
    pub pipe: Option<u64>,
    pause_ms: u64,
    began_ms: u64,
}

impl Call {
    /// The first.
    #[must_use]
    pub(crate) const fn new(number: u64, now_ms: u64) -> Self {
        Self { number, pipe: None, pause_ms: limit::REDIAL_FIRST_MS, began_ms: now_ms }
    }

    /// It failed, or ended: when to call next.
    pub(crate) fn handle_end(&mut self, now_ms: u64) -> u64 {
        if now_ms.saturating_sub(self.began_ms) > limit::REDIAL_LONGEST_MS {
            self.pause_ms = limit::REDIAL_FIRST_MS;
        }
        self.pipe = None;
        let next_ms = now_ms + self.pause_ms;
        self.pause_ms = (self.pause_ms * 2).min(limit::REDIAL_LONGEST_MS);
        self.began_ms = next_ms;
        next_ms
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes {
    /// Connections, by their number.
    pub open: BTreeMap<u64, Pipe>,
    /// By caller and seed.
    pub calls: BTreeMap<(u32, SocketAddr), Call>,
    next: u64,
}

impl Pipes {
    /// A number that was never used.
    pub(crate) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The connections of a site, with its end of each.
    pub(crate) fn of(&self, site: u32) -> Vec<(u64, End)> {
        let ends =
            |(number, pipe): (&u64, &Pipe)| pipe.sites.iter().position(|it| *it == site).map(|end| (*number, end));
        self.open.iter().filter_map(ends).collect()
    }
}
