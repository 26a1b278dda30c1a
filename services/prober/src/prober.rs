//! All paths of this box.
//!
//! *Does*: know whose address is whose, give each path its rate, keep to the budgets, hand out what is to be sent and what was found.
//! *Never does*: answer anybody but the site whose path it is; send more than its budgets, whoever asks.
//! *Spec*: `docs/prober.md`, section "Rates".

mod reports;
mod testing;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::Ipv6Addr,
};

use patronus_ipc::prober::PathId;
use patronus_types::{SiteId, UplinkSlot};

use self::testing::{Loaded, Testing};
use crate::{
    Reject, Rejects,
    bucket::Bucket,
    limit,
    load::Message,
    packet::{Answered, Packet},
    path::{Moment, Path},
};

/// A path as `tunnel` and the document have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub id: PathId,
    /// Where the site is inside tunnels.
    pub address: Ipv6Addr,
    /// Whether there is a session.
    pub is_up: bool,
    /// Whether the uplink here pays for each byte.
    pub is_metered: bool,
    /// Packets of both directions so far, ours among them.
    pub packets: u64,
}

/// What `tunnel` says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Which.
    pub id: PathId,
    /// How long ago something authentic came.
    pub heard_ago_us: Option<u64>,
    /// How long ago nothing waited any more to be sent.
    pub left_ago_us: Option<u64>,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Over which path.
    pub path: PathId,
    /// Where to, inside the tunnel.
    pub to: Ipv6Addr,
    /// What.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: Path,
    address: Ipv6Addr,
    is_metered: bool,
    timer_us: Option<u64>,
    /// Packets that were counted by `tunnel`, and of them ours, and when.
    counted: (u64, u64, u64),
    /// Until when its traffic counts.
    hot_until_us: u64,
    is_hot: bool,
    loaded: Loaded,
}

/// All paths of this box.
#[derive(Clone, Debug)]
pub struct Prober {
    run: u32,
    dice: u64,
    entries: BTreeMap<PathId, Entry>,
    sites: HashMap<Ipv6Addr, SiteId>,
    timers: BTreeSet<(u64, PathId)>,
    /// The paths that `router` has named.
    named: Option<BTreeSet<PathId>>,
    lag_us: u64,
    sending: Bucket,
    metered: BTreeMap<UplinkSlot, Bucket>,
    /// What each site may still send of load, in bytes.
    load: BTreeMap<SiteId, Bucket>,
    testing: Testing,
    outbox: VecDeque<Transmit>,
    rejects: Rejects,
    is_news: bool,
}

impl Prober {
    /// Without paths. Both numbers are random.
    #[must_use]
    pub fn new(run: u32, dice: u64, now_us: u64) -> Self {
        Self {
            run: run.max(1),
            dice,
            entries: BTreeMap::new(),
            sites: HashMap::new(),
            timers: BTreeSet::new(),
            named: None,
            lag_us: 0,
            sending: Bucket::new(limit::SENT_AT_ONCE, limit::SENT_PER_S, now_us),
            metered: BTreeMap::new(),
            load: BTreeMap::new(),
            testing: Testing::new(now_us),
            outbox: VecDeque::new(),
            rejects: Rejects::default(),
            is_news: false,
        }
    }

    /// These are the paths now, at most [`limit::PATHS`]. One that stays keeps what is known of it.
    pub fn handle_paths(&mut self, known: &[Known], now_us: u64) {
        let at = self.moment(now_us);
        let known: BTreeMap<PathId, &Known> = known.iter().take(limit::PATHS).map(|known| (known.id, known)).collect();
        let count = self.entries.len();
        self.entries.retain(|id, _| known.contains_key(id));
        self.is_news |= self.entries.len() != count;
        self.sites = known.values().map(|known| (known.address, known.id.site)).collect();
        let sites: BTreeSet<SiteId> = known.keys().map(|id| id.site).collect();
        self.load.retain(|site, _| sites.contains(site));
        for site in sites {
            self.load.entry(site).or_insert_with(|| Bucket::new(limit::LOAD_AT_ONCE, limit::LOAD_PER_S, now_us));
        }
        self.metered.retain(|slot, _| known.values().any(|known| known.is_metered && known.id.local == *slot));
        for (id, known) in known {
            let entry = self.entries.entry(id).or_insert_with(|| {
                self.is_news = true;
                Entry::new(known, at)
            });
            entry.follow(known, at);
            if known.is_metered {
                let (reserve, per_s) = metered_budget();
                self.metered.entry(id.local).or_insert_with(|| Bucket::new(reserve, per_s, now_us));
            }
        }
        self.timers = self.timers.iter().copied().filter(|(_, id)| self.entries.contains_key(id)).collect();
        self.give_rates(at);
        self.follow_test(at);
    }

    /// These paths carry what there is to carry, or would be next; no others. Where nothing is carried, that is no reason to ask more often.
    pub fn handle_roles(&mut self, hot: BTreeSet<PathId>, now_us: u64) {
        self.named = Some(hot);
        self.give_rates(self.moment(now_us));
    }

    /// Whether a word of `tunnel` is wanted now: a path that lives does not answer.
    #[must_use]
    pub fn is_suspicious(&self, now_us: u64) -> bool {
        let at = self.moment(now_us);
        self.entries.values().any(|entry| entry.path.is_suspicious(at))
    }

    /// What `tunnel` said when it was asked at that moment: how long before it something authentic had come over a path, and how long before
    /// it all that was sent there had left this box.
    pub fn handle_word(&mut self, words: &[Word], asked_us: u64, now_us: u64) {
        let (asked, at) = (self.moment(asked_us), self.moment(now_us));
        for word in words {
            if let Some(entry) = self.entries.get_mut(&word.id) {
                entry.path.handle_word(word.heard_ago_us, word.left_ago_us, asked);
                if entry.path.is_suspicious(at) {
                    self.attend(word.id, at);
                }
            }
        }
    }

    /// Each path has its interval.
    fn give_rates(&mut self, at: Moment) {
        let is_busy = |(_, entry): &(&PathId, &Entry)| entry.hot_until_us > at.us;
        let busy: BTreeSet<SiteId> = self.entries.iter().filter(is_busy).map(|(id, _)| id.site).collect();
        for (id, entry) in &mut self.entries {
            entry.is_hot = match &self.named {
                Some(named) => named.contains(id) && busy.contains(&id.site),
                None => entry.hot_until_us > at.us,
            };
        }
        let hot = self.entries.values().filter(|entry| entry.is_hot).count() as u64;
        let standby = self.entries.len() as u64 - hot;
        let hot_us = (hot * 1_000_000 / limit::HOT_PER_S).clamp(limit::HOT_US, limit::STANDBY_US);
        let standby_us = (standby * 1_000_000 / limit::STANDBY_PER_S).clamp(limit::STANDBY_US, limit::COLD_US);
        for id in self.entries.keys().copied().collect::<Vec<_>>() {
            let metered_us = self.metered_interval_us(id);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.path.set_interval(if entry.is_hot { hot_us } else { standby_us }.max(metered_us), at);
                self.set_timer(id, at);
            }
        }
    }

    /// What the budget of a metered uplink pays for all the time; 0 if this is none.
    fn metered_interval_us(&self, id: PathId) -> u64 {
        if !self.metered.contains_key(&id.local) {
            return 0;
        }
        let paths = self.entries.keys().filter(|other| other.local == id.local).count() as u64;
        let (_, per_s) = metered_budget();
        // Probe and answer, ours and theirs.
        paths * 4 * limit::METERED_PACKET_BYTES * 1_000_000 / per_s.max(1)
    }

    /// A datagram that came out of the tunnel device of these slots, from this address, at this moment of the past.
    pub fn handle_datagram(
        &mut self,
        slots: (UplinkSlot, UplinkSlot),
        source: Ipv6Addr,
        bytes: &[u8],
        received_us: u64,
        now_us: u64,
    ) {
        if let Err(reason) = self.hear(slots, source, bytes, received_us, now_us) {
            self.rejects.count(reason);
        }
    }

    fn hear(
        &mut self,
        (local, remote): (UplinkSlot, UplinkSlot),
        source: Ipv6Addr,
        bytes: &[u8],
        received_us: u64,
        now_us: u64,
    ) -> Result<(), Reject> {
        let at = self.moment(now_us);
        let site = *self.sites.get(&source).ok_or(Reject::UnknownSource)?;
        let id = PathId { site, local, remote };
        let entry = self.entries.get_mut(&id).ok_or(Reject::UnknownPath)?;
        if let Some(budget) = self.metered.get_mut(&local) {
            budget.spend(limit::METERED_PACKET_BYTES, now_us);
        }
        if Message::is_meant(bytes) {
            return self.hear_load(id, bytes, received_us, at);
        }
        let packet = Packet::parse(bytes)?;
        let before = entry.path.machine.liveness();
        entry.path.handle_session(at);
        let wants_answer = entry.path.handle_packet(&packet, self.run, received_us, at);
        self.is_news |= entry.path.settle(before, at);
        if wants_answer == Ok(true) {
            self.send(id, Some(Answered { sequence: packet.sequence, sent_us: packet.sent_us, received_us }), at);
        }
        self.set_timer(id, at);
        self.follow_test(at);
        wants_answer.map(drop)
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let first = self.timers.first().map(|(at_us, _)| *at_us);
        first.into_iter().chain(self.testing.deadline()).min()
    }

    /// What time demands. All that has come meanwhile must have been handled before: it may be what is waited for.
    pub fn handle_timeout(&mut self, now_us: u64) {
        let late_us = self.deadline().map_or(0, |deadline| now_us.saturating_sub(deadline));
        if late_us > limit::LATE_US {
            self.lag_us += late_us;
        }
        let at = self.moment(now_us);
        while let Some((_, id)) = self.timers.first().copied().filter(|(at_us, _)| *at_us <= now_us) {
            self.timers.pop_first();
            self.attend(id, at);
        }
        self.follow_test(at);
    }

    /// What a path has to do now.
    fn attend(&mut self, id: PathId, at: Moment) {
        let random = self.roll();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = entry.path.machine.liveness();
        let is_due = entry.path.handle_timeout(at, random);
        self.is_news |= entry.path.settle(before, at);
        if is_due {
            self.send(id, None, at);
        }
        self.set_timer(id, at);
    }

    fn send(&mut self, id: PathId, answers: Option<Answered>, at: Moment) {
        let interval_ms = u16::try_from(self.metered_interval_us(id) / 1_000).unwrap_or(u16::MAX);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let budget = self.metered.get_mut(&id.local);
        if budget.is_some_and(|budget| !budget.take(limit::METERED_PACKET_BYTES, at.us)) {
            return self.rejects.count(Reject::MeteredBudgetSpent);
        }
        if !self.sending.take(1, at.us) {
            return self.rejects.count(Reject::BudgetSpent);
        }
        let bytes = entry.path.emit(self.run, answers, interval_ms, at).emit().to_vec();
        self.outbox.push_back(Transmit { path: id, to: entry.address, bytes });
    }

    fn set_timer(&mut self, id: PathId, at: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let next = entry.path.deadline(at);
        if let Some(old_us) = std::mem::replace(&mut entry.timer_us, next) {
            self.timers.remove(&(old_us, id));
        }
        self.timers.extend(next.map(|next_us| (next_us, id)));
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    const fn moment(&self, now_us: u64) -> Moment {
        Moment { us: now_us, lag_us: self.lag_us }
    }

    /// SplitMix64.
    const fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entry {
    fn new(known: &Known, at: Moment) -> Self {
        Self {
            path: Path::new(at),
            address: known.address,
            is_metered: known.is_metered,
            timer_us: None,
            counted: (known.packets, 0, at.us),
            hot_until_us: 0,
            is_hot: false,
            loaded: Loaded::default(),
        }
    }

    fn follow(&mut self, known: &Known, at: Moment) {
        self.address = known.address;
        self.is_metered = known.is_metered;
        if known.is_up {
            self.path.handle_session(at);
        }
        self.look_for_traffic(known.packets, at);
    }

    /// More packets than ours are somebody's.
    fn look_for_traffic(&mut self, packets: u64, at: Moment) {
        let (packets_before, own_before, before_us) = self.counted;
        let passed_us = at.us.saturating_sub(before_us);
        if passed_us < limit::TRAFFIC_LOOK_US {
            return;
        }
        let own = self.path.packets() + self.loaded.packets;
        self.counted = (packets, own, at.us);
        let own = own.saturating_sub(own_before);
        let others = packets.saturating_sub(packets_before).saturating_sub(own);
        if others > passed_us * limit::TRAFFIC_PER_S / 1_000_000 + own / 10 {
            self.hot_until_us = at.us + limit::TRAFFIC_LASTS_US;
        }
    }
}

/// Of one uplink: what may be spent at once, and what grows back in a second. In any 24 hours that is the daily limit.
const fn metered_budget() -> (u64, u64) {
    let half = limit::METERED_BYTES_PER_DAY / 2;
    (half, half / 86_400)
}

#[cfg(test)]
mod tests;
