//! Flows told to collectors (IPFIX), from what the service reads out of the tables anyway.
//!
//! *Does*: decide which flow is told of when, and what it has carried since the last time; make messages ([`message`], [`template`]).
//! *Never does*: send; keep a flow that was not told of yet; tell of the same bytes twice; queue without end.
//! *Spec*: RFC 7011; RFC 5103 (both directions in one record); `docs/datapath.md`, section "IPFIX".

mod message;
mod seen;
mod template;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::Duration,
};

use patronus_ebpf_core::state::lifetime_s;
use patronus_types::Ipfix;

pub use seen::{Counts, Key, Seen};

use crate::limit;
use message::Message;
use template::{Record, Times};

/// The clocks at one look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// The monotonic clock, which the tables know.
    pub monotonic: Duration,
    /// The time of day, since 1970.
    pub unix: Duration,
}

impl Moment {
    fn seconds(&self) -> u32 {
        u32::try_from(self.monotonic.as_secs()).unwrap_or(u32::MAX)
    }

    /// A second of the monotonic clock as the time of day in milliseconds; what is to come is now.
    fn unix_ms(&self, second: u32) -> u64 {
        let ago = self.monotonic.saturating_sub(Duration::from_secs(second.into()));
        u64::try_from(self.unix.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Devices by number (`ingressInterface`, `egressInterface`); 0 is not known.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    /// The LAN's.
    pub lan: u32,
    /// Those of uplinks, by slot.
    pub uplinks: Vec<u32>,
}

/// Why a flow is told of (`flowEndReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// It was silent for too long.
    Idle = 1,
    /// It goes on.
    Active = 2,
    /// TCP said its last.
    End = 3,
    /// Rules, forwards, or a full table took it out.
    Forced = 4,
}

impl Reason {
    /// Of a flow that is over: what rules end, ends at second 0.
    #[must_use]
    pub const fn of_end(ends_s: u32) -> Self {
        if ends_s == 0 { Self::Forced } else { Self::Idle }
    }
}

/// What came of it, since the exporter was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Records made.
    pub records: u64,
    /// Records that were not.
    pub not_told: u64,
}

/// Makes messages. Its flows come sweep by sweep: [`begin`](Self::begin), [`handle_flow`](Self::handle_flow) for each, [`finish`](Self::finish).
#[derive(Debug)]
pub struct Exporter {
    active_s: u32,
    /// What was there before is told of from then on.
    started_s: u32,
    now: Moment,
    interfaces: Interfaces,
    sweep: u64,
    templates_s: Option<u32>,
    kept: HashMap<Key, Kept>,
    message: Message,
    queue: VecDeque<Vec<u8>>,
    told: Told,
}

/// A flow that was told of and may be again.
#[derive(Debug)]
struct Kept {
    seen: Seen,
    told: Counts,
    /// Where the last record ended.
    until_s: u32,
    /// When it was looked at last to tell of it.
    told_s: u32,
    sweep: u64,
    /// Its end was told, and it is still in the table.
    is_ended: bool,
}

impl Exporter {
    /// Flows that begin after this second are told of whole.
    #[must_use]
    pub fn new(settings: &Ipfix, now: Moment) -> Self {
        Self {
            active_s: settings.active_seconds.into(),
            started_s: now.seconds(),
            now,
            interfaces: Interfaces::default(),
            sweep: 0,
            templates_s: None,
            kept: HashMap::new(),
            message: Message::new(settings.domain),
            queue: VecDeque::new(),
            told: Told::default(),
        }
    }

    /// A look through the tables begins.
    pub fn begin(&mut self, now: Moment, interfaces: Interfaces) {
        (self.now, self.interfaces) = (now, interfaces);
        self.sweep = self.sweep.wrapping_add(1);
        let is_due = |last: u32| now.seconds().saturating_sub(last) >= limit::TEMPLATES_EVERY_S;
        if self.templates_s.is_none_or(is_due) && self.queue.len() <= limit::MESSAGES_QUEUED {
            self.templates_s = Some(now.seconds());
            // Beyond the limit by this one: data without it says nothing.
            self.queue.push_back(self.message.templates(now));
        }
    }

    /// A flow in its table, which `end` takes out of there. `count` says what it has carried, and is asked only if it is told of.
    pub fn handle_flow(&mut self, key: Key, seen: Seen, end: Option<Reason>, count: impl FnOnce() -> Counts) {
        let end = end.map(|end| if end == Reason::Idle && seen.is_over() { Reason::End } else { end });
        // The same ends again, between two looks.
        if self.kept.get(&key).is_some_and(|kept| kept.seen.began_s != seen.began_s)
            && let Some(before) = self.kept.remove(&key)
        {
            self.vanished(key, &before);
        }
        match self.kept.get_mut(&key) {
            Some(kept) => {
                (kept.seen, kept.sweep) = (seen, self.sweep);
                self.goes_on(key, seen, end, count);
            }
            None if seen.began_s <= self.started_s => self.was_there(key, seen, end, count),
            None => self.is_new(key, seen, end, count),
        }
    }

    /// The look is over: what was kept and is in no table any more has ended.
    pub fn finish(&mut self) {
        let sweep = self.sweep;
        let gone: Vec<_> = self.kept.extract_if(|_, kept| kept.sweep != sweep).collect();
        for (key, kept) in gone {
            self.vanished(key, &kept);
        }
        self.close();
    }

    /// The next message, for every collector.
    pub fn poll_message(&mut self) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        !self.queue.is_empty()
    }

    /// What came of it so far.
    #[must_use]
    pub const fn told(&self) -> Told {
        self.told
    }

    /// What it carried before nobody knows to have been told; from now on is counted.
    fn was_there(&mut self, key: Key, seen: Seen, end: Option<Reason>, count: impl FnOnce() -> Counts) {
        if end.is_some() {
            self.told.not_told = self.told.not_told.saturating_add(1);
        } else if self.kept.len() < limit::KEPT_FLOWS {
            self.keep(key, seen, count(), self.now.seconds(), false);
        }
    }

    /// A flow that nothing was told of yet needs no memory: all that it has carried is new.
    fn is_new(&mut self, key: Key, seen: Seen, end: Option<Reason>, count: impl FnOnce() -> Counts) {
        let is_active = self.now.seconds().saturating_sub(seen.began_s) >= self.active_s;
        let reason = end.or(seen.is_over().then_some(Reason::End)).or(is_active.then_some(Reason::Active));
        // What stays in its table must be remembered, or it would be told of again. Without room it waits for its end.
        let Some(reason) = reason.filter(|_| end.is_some() || self.kept.len() < limit::KEPT_FLOWS) else { return };
        let (counts, until_s) = (count(), self.last_s(&key, &seen, reason));
        let is_told = self.tell(&key, &seen, reason, counts, seen.began_s, until_s);
        if end.is_some() {
            self.told.not_told = self.told.not_told.saturating_add((!is_told).into());
        } else if is_told {
            self.keep(key, seen, counts, until_s, reason == Reason::End);
        }
    }

    /// A flow that is kept.
    fn goes_on(&mut self, key: Key, seen: Seen, end: Option<Reason>, count: impl FnOnce() -> Counts) {
        let Entry::Occupied(mut entry) = self.kept.entry(key) else { return };
        let (now_s, kept) = (self.now.seconds(), entry.get_mut());
        kept.is_ended &= seen.is_over();
        let is_active = !kept.is_ended && now_s.saturating_sub(kept.told_s) >= self.active_s;
        let has_ended = seen.is_over() && !kept.is_ended;
        let reason = end.or(has_ended.then_some(Reason::End)).or(is_active.then_some(Reason::Active));
        let Some(mut reason) = reason else { return };
        let (counts, from_s, was_ended) = (count(), kept.until_s, kept.is_ended);
        let more = counts.since(&kept.told);
        if end.is_some() {
            entry.remove();
        }
        // Nothing is told of silence, but its end.
        let says_something = more != Counts::default() || (reason != Reason::Active && !was_ended);
        if was_ended {
            reason = Reason::End;
        }
        let until_s = self.last_s(&key, &seen, reason).max(from_s);
        let is_told = !says_something || self.tell(&key, &seen, reason, more, from_s, until_s);
        if end.is_some() {
            self.told.not_told = self.told.not_told.saturating_add((!is_told).into());
        } else if is_told && let Some(kept) = self.kept.get_mut(&key) {
            (kept.told, kept.told_s, kept.until_s) = (counts, now_s, until_s);
            kept.is_ended = reason == Reason::End;
        }
    }

    /// A kept flow that went between two looks; what it carried after the first of them nobody knows.
    fn vanished(&mut self, key: Key, kept: &Kept) {
        let more = kept.seen.counts.since(&kept.told);
        if !kept.is_ended || more != Counts::default() {
            let reason = if kept.is_ended { Reason::End } else { Reason::Forced };
            let until_s = self.last_s(&key, &kept.seen, reason).max(kept.until_s);
            let is_told = self.tell(&key, &kept.seen, reason, more, kept.until_s, until_s);
            self.told.not_told = self.told.not_told.saturating_add((!is_told).into());
        }
    }

    fn keep(&mut self, key: Key, seen: Seen, told: Counts, until_s: u32, is_ended: bool) {
        let (told_s, sweep) = (self.now.seconds(), self.sweep);
        self.kept.insert(key, Kept { seen, told, until_s, told_s, sweep, is_ended });
    }

    /// When its last packet went by, as far as the table knows: it says only when the flow would end.
    fn last_s(&self, key: &Key, seen: &Seen, reason: Reason) -> u32 {
        let now_s = self.now.seconds();
        if reason == Reason::Active || seen.ends_s == 0 {
            return now_s;
        }
        seen.ends_s.saturating_sub(lifetime_s(key.protocol(), seen.state)).clamp(seen.began_s.min(now_s), now_s)
    }

    /// Whether there was room.
    fn tell(&mut self, key: &Key, seen: &Seen, reason: Reason, more: Counts, from_s: u32, until_s: u32) -> bool {
        let times = Times { start_ms: self.now.unix_ms(from_s), end_ms: self.now.unix_ms(until_s) };
        let record = Record::of(key, seen, reason, more, times, &self.interfaces);
        if !self.message.fits(record.form()) {
            self.close();
        }
        if self.message.is_empty() && self.queue.len() >= limit::MESSAGES_QUEUED {
            return false;
        }
        self.message.add(&record);
        self.told.records = self.told.records.saturating_add(1);
        true
    }

    fn close(&mut self) {
        self.queue.extend(self.message.take(self.now));
    }
}
