//! One path: what was asked and not answered, what is heard, and what follows from it.
//!
//! *Does*: say when the next probe goes out and when an answer is overdue; ask again quickly as soon as one is.
//! *Never does*: take time in which this process did not run for silence of the far end: moments of *attention* stand still meanwhile.
//! *Spec*: `docs/prober.md`, sections "Liveness" and "Rates".

use std::collections::VecDeque;

use patronus_ipc::prober::Liveness;

use crate::{
    Reject,
    bucket::Bucket,
    echo::Echo,
    hearing::Hearing,
    limit,
    liveness::Machine,
    loss::{Loss, certain},
    packet::{Answered, Packet},
    tally::Tally,
};

/// A moment: by the clock, and of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) us: u64,
    /// Time in which this process did not run when it wanted to.
    pub(crate) lag_us: u64,
}

impl Moment {
    const fn attention_us(self) -> u64 {
        self.us.saturating_sub(self.lag_us)
    }
}

/// A probe that has no answer yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    sequence: u64,
    attention_us: u64,
}

/// The probes of a test, and what they have shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sounding {
    pub(crate) sent: u32,
    left: u32,
    pause_us: u64,
    pub(crate) tally: Tally,
}

/// A path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) machine: Machine,
    echo: Echo,
    hearing: Option<Hearing>,
    loss_out: Loss,
    loss_back: Loss,
    /// The far end's last word of what it has heard of this run: highest sequence, and how many.
    reported: Option<(u64, u64)>,
    sequence: u64,
    /// The highest of our sequences that the far end has heard, as far as this end knows.
    answered: u64,
    unanswered: VecDeque<Asked>,
    /// When the next probe goes out; `None` before there is a session.
    next_us: Option<u64>,
    /// Probes of the present suspicion that are still to go out, and since which answer it is.
    burst: u32,
    suspected: Option<u64>,
    /// What answers took before the path was down. What they took meanwhile says nothing of how it is when it is back.
    echo_before: Option<Echo>,
    /// What this path's role asks for, and what the far end allows.
    interval_us: u64,
    far_interval_us: u64,
    answers: Bucket,
    /// Attention when the far prober was heard last; and by the last word of `tunnel`: when any data of the far end was, until when all that
    /// was sent had left this box, and when that was asked.
    heard_us: u64,
    data_us: u64,
    left_us: u64,
    word_us: u64,
    pub(crate) now: Tally,
    pub(crate) before: Tally,
    /// While a person has it tested.
    test: Option<Sounding>,
    up_since_us: Option<u64>,
}

impl Path {
    pub(crate) fn new(at: Moment) -> Self {
        Self {
            machine: Machine::new(at.us),
            echo: Echo::default(),
            hearing: None,
            loss_out: Loss::default(),
            loss_back: Loss::default(),
            reported: None,
            sequence: 0,
            answered: 0,
            unanswered: VecDeque::new(),
            next_us: None,
            burst: 0,
            suspected: None,
            echo_before: None,
            interval_us: limit::STANDBY_US,
            far_interval_us: 0,
            answers: Bucket::new(limit::ANSWERS_AT_ONCE, limit::ANSWERS_PER_S, at.us),
            heard_us: 0,
            data_us: 0,
            left_us: 0,
            word_us: 0,
            now: Tally::default(),
            before: Tally::default(),
            test: None,
            up_since_us: None,
        }
    }

    /// There is a session. A path that was without one is asked at once.
    pub(crate) fn handle_session(&mut self, at: Moment) {
        self.machine.handle_session(at.us);
        if self.next_us.is_none() {
            self.next_us = Some(at.us);
        }
    }

    /// What its role asks for from now on.
    pub(crate) fn set_interval(&mut self, interval_us: u64, at: Moment) {
        if interval_us < self.interval_us {
            self.next_us = self.next_us.map(|next_us| next_us.min(at.us + interval_us));
        }
        self.interval_us = interval_us;
    }

    /// A test: so many probes go out, with so long between them, until [`Self::end_test`].
    pub(crate) fn begin_test(&mut self, probes: u32, pause_us: u64, at: Moment) {
        self.test = Some(Sounding { left: probes, pause_us, ..Sounding::default() });
        self.next_us = Some(at.us);
    }

    /// Whether all probes of the test have gone out, and nothing is unanswered.
    pub(crate) fn is_sounded(&self) -> bool {
        self.test.as_ref().is_some_and(|test| test.left == 0) && self.unanswered.is_empty()
    }

    /// What the test has shown.
    pub(crate) fn end_test(&mut self) -> Sounding {
        self.test.take().unwrap_or_default()
    }

    /// Whether the far end has asked to be asked seldom: its uplink pays for each byte.
    pub(crate) const fn is_far_metered(&self) -> bool {
        self.far_interval_us > 0
    }

    /// How long to wait for an answer.
    pub(crate) fn patience_us(&self) -> u64 {
        self.echo.patience_us()
    }

    /// Where measurements go.
    fn tallies(&mut self) -> impl Iterator<Item = &mut Tally> {
        std::iter::once(&mut self.now).chain(self.test.as_mut().map(|test| &mut test.tally))
    }

    /// What `tunnel` said of the moment `asked`: how long before it data had come, and how long before it all that was sent had left.
    pub(crate) fn handle_word(&mut self, heard_ago_us: Option<u64>, left_ago_us: Option<u64>, asked: Moment) {
        let before = |ago_us: u64| asked.attention_us().saturating_sub(ago_us);
        self.data_us = self.data_us.max(heard_ago_us.map_or(0, before));
        self.left_us = self.left_us.max(before(left_ago_us.unwrap_or_default()));
        self.word_us = self.word_us.max(asked.attention_us());
    }

    /// Whether a word of `tunnel` is wanted: something is overdue on a path that lives.
    pub(crate) fn is_suspicious(&self, at: Moment) -> bool {
        let liveness = self.machine.liveness();
        matches!(liveness, Liveness::Up | Liveness::Suspect | Liveness::Holding) && self.overdue(at) > 0
    }

    /// Packets that were sent and heard here.
    pub(crate) fn packets(&self) -> u64 {
        self.sequence + self.hearing.as_ref().map_or(0, |hearing| hearing.heard().count)
    }

    /// Takes a packet. Whether it wants an answer.
    pub(crate) fn handle_packet(
        &mut self,
        packet: &Packet,
        run: u32,
        received_us: u64,
        at: Moment,
    ) -> Result<bool, Reject> {
        if let Some(heard) = packet.heard.filter(|heard| heard.run == run) {
            if heard.highest > self.sequence {
                return Err(Reject::Impossible);
            }
            self.handle_report(heard.highest, heard.count, at);
        }
        self.hear(packet, received_us);
        self.heard_us = at.attention_us();
        self.far_interval_us = u64::from(packet.interval_ms) * 1_000;
        match packet.answers {
            None if self.may_answer(at) => Ok(true),
            None => Err(Reject::TooMany),
            Some(answered) => {
                let is_ours = packet.heard.is_some_and(|heard| heard.run == run);
                self.handle_answer(packet, answered, received_us).filter(|()| is_ours).ok_or(Reject::NotAsked)?;
                Ok(false)
            }
        }
    }

    /// Whether one more answer may go out.
    pub(crate) fn may_answer(&mut self, at: Moment) -> bool {
        self.answers.take(1, at.us)
    }

    /// What the far end has heard is answered, whichever packet says so.
    fn handle_report(&mut self, highest: u64, count: u64, at: Moment) {
        if highest > self.answered {
            self.answered = highest;
            while self.unanswered.front().is_some_and(|asked| asked.sequence <= highest) {
                self.unanswered.pop_front();
            }
            self.burst = 0;
            self.machine.handle_answer(at.us);
        }
        if let Some((highest_before, count_before)) = self.reported.filter(|(before, _)| highest > *before) {
            let sent = highest - highest_before;
            let lost = sent.saturating_sub(count.saturating_sub(count_before));
            self.tallies().for_each(|tally| tally.handle_out(sent, lost));
            if is_chance(lost) {
                self.loss_out.handle(sent, lost);
            }
        }
        if self.reported.is_none_or(|(before, _)| highest > before) {
            self.reported = Some((highest, count));
        }
    }

    fn hear(&mut self, packet: &Packet, received_us: u64) {
        let Some(shown) = self.hearing.as_mut().and_then(|hearing| hearing.handle(packet, received_us)) else {
            self.hearing = Some(Hearing::begin(packet, received_us));
            return;
        };
        self.tallies().for_each(|tally| tally.handle_back(shown.sent, shown.lost));
        if is_chance(shown.lost) {
            self.loss_back.handle(shown.sent, shown.lost);
        }
        if shown.reordered {
            self.now.handle_reordered();
        }
        if let Some(jitter_us) = self.hearing.as_ref().map(Hearing::jitter_us) {
            self.tallies().for_each(|tally| tally.handle_jitter(jitter_us));
        }
    }

    fn handle_answer(&mut self, packet: &Packet, answered: Answered, received_us: u64) -> Option<()> {
        let took_us = received_us.checked_sub(answered.sent_us)?;
        let there_us = packet.sent_us.checked_sub(answered.received_us)?;
        if self.learns_from(answered.sent_us) {
            self.echo.handle_answer(took_us, received_us);
        }
        let rtt_us = u32::try_from(took_us.checked_sub(there_us)?).ok()?;
        self.tallies().for_each(|tally| tally.handle_rtt(rtt_us));
        Some(())
    }

    /// Whether the answer to what was sent then shows how long answers take. With the first to what was sent since the path is back, those of its
    /// failure are forgotten; if none comes, it is not back but slow.
    fn learns_from(&mut self, sent_us: u64) -> bool {
        if self.machine.liveness() != Liveness::Holding {
            return true;
        }
        let is_of_now = sent_us >= self.machine.since_us();
        if let Some(before) = self.echo_before.take_if(|_| is_of_now) {
            self.echo = before;
        }
        is_of_now || self.echo_before.is_some()
    }

    /// What time demands. Whether a probe is to go out.
    pub(crate) fn handle_timeout(&mut self, at: Moment, random: u64) -> bool {
        self.machine.handle_timeout(at.us);
        self.judge(at);
        let is_due = self.next_us.is_some_and(|next_us| at.us >= next_us);
        if is_due {
            self.next_us = Some(at.us + self.pause_us(random));
        }
        is_due && self.unanswered.len() < limit::UNANSWERED
    }

    fn judge(&mut self, at: Moment) {
        let (overdue, certain) = (self.overdue(at), certain(self.loss_out, self.loss_back));
        self.hurry(certain, at);
        let Some(first) = self.unanswered.front().filter(|_| overdue > 0).copied() else { return };
        let counted = if self.is_excused(first, certain, at) { overdue.min(certain - 1) } else { overdue };
        self.machine.handle_unanswered(counted, certain, at.us);
        match self.machine.liveness() {
            // Nothing is to be found out in a hurry.
            Liveness::Unknown | Liveness::Probing | Liveness::Down => {
                if self.machine.liveness() == Liveness::Down {
                    self.echo_before.get_or_insert(self.echo);
                }
                self.unanswered.drain(..usize::try_from(overdue).unwrap_or_default().min(self.unanswered.len()));
                self.burst = 0;
            }
            Liveness::Up | Liveness::Suspect | Liveness::Holding => {}
        }
    }

    /// An answer that is later than usual: as many more probes as will make it certain go out at once.
    fn hurry(&mut self, certain: u32, at: Moment) {
        if self.hurry_us().is_some_and(|hurry_us| at.attention_us() >= hurry_us) {
            self.suspected = Some(self.answered);
            self.burst = certain.saturating_sub(u32::try_from(self.unanswered.len()).unwrap_or(u32::MAX));
            if self.burst > 0 {
                self.next_us = self.next_us.map(|_| at.us);
            }
        }
    }

    /// When that will be, if it was not yet since the last answer.
    fn hurry_us(&self) -> Option<u64> {
        let lives = matches!(self.machine.liveness(), Liveness::Up | Liveness::Suspect | Liveness::Holding);
        let asked = self.unanswered.front().filter(|_| lives && self.suspected != Some(self.answered))?;
        Some(asked.attention_us + self.echo.usual_us().min(self.echo.patience_us()))
    }

    /// For a while silence is no failure if the probes have not left this box, behind much data or for want of a processor; or if data comes
    /// while the far prober is silent: it may stand where ours do.
    fn is_excused(&self, first: Asked, certain: u32, at: Moment) -> bool {
        let has_left = |asked: &Asked| asked.attention_us <= self.left_us;
        let last = usize::try_from(certain).unwrap_or(usize::MAX).saturating_sub(1);
        let have_left = self.unanswered.get(last).is_none_or(has_left);
        let only_data = self.heard_us < first.attention_us && self.data_us + limit::HOT_US > self.word_us;
        (!have_left || only_data) && at.attention_us() < first.attention_us + self.echo.patience_us() + limit::GRACE_US
    }

    fn overdue(&self, at: Moment) -> u32 {
        let patience_us = self.echo.patience_us();
        let is_overdue = |asked: &&Asked| at.attention_us() >= asked.attention_us + patience_us;
        u32::try_from(self.unanswered.iter().take_while(is_overdue).count()).unwrap_or(u32::MAX)
    }

    fn pause_us(&mut self, random: u64) -> u64 {
        let interval_us = self.interval_us.max(self.far_interval_us);
        if self.burst > 0 {
            self.burst -= 1;
            return (interval_us / limit::BURST_PART).clamp(limit::BURST_LEAST_US, limit::BURST_MOST_US);
        }
        if let Some(test) = self.test.as_ref().filter(|test| test.left > 0) {
            return test.pause_us;
        }
        // Nobody waits for a path that is down.
        let interval_us =
            if self.machine.liveness() == Liveness::Down { interval_us.max(limit::STANDBY_US) } else { interval_us };
        interval_us - random % (interval_us * limit::JITTER_PERCENT / 100 + 1)
    }

    /// The next packet, which is sent now: a probe, or an answer. `interval_ms` is what the far end is asked to keep to.
    pub(crate) fn emit(&mut self, run: u32, answers: Option<Answered>, interval_ms: u16, at: Moment) -> Packet {
        self.sequence += 1;
        if answers.is_none() {
            self.unanswered.push_back(Asked { sequence: self.sequence, attention_us: at.attention_us() });
            if let Some(test) = self.test.as_mut().filter(|test| test.left > 0) {
                test.left -= 1;
                test.sent += 1;
            }
        }
        let heard = self.hearing.as_ref().map(Hearing::heard);
        Packet { run, sequence: self.sequence, sent_us: at.us, interval_ms, heard, answers }
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub(crate) fn deadline(&self, at: Moment) -> Option<u64> {
        let overdue = usize::try_from(self.overdue(at)).unwrap_or(usize::MAX);
        let patience_us = self.echo.patience_us() + at.lag_us;
        let judged = self.unanswered.get(overdue).map(|asked| asked.attention_us + patience_us);
        let hurry = self.hurry_us().map(|hurry_us| hurry_us + at.lag_us);
        [self.next_us, judged, hurry, self.machine.deadline()].into_iter().flatten().min()
    }

    /// Whether the liveness is another than before.
    pub(crate) fn settle(&mut self, before: Liveness, at: Moment) -> bool {
        let is_new = before != self.machine.liveness();
        if is_new {
            self.count_up(at);
        }
        is_new
    }

    /// Counts the time that has passed since it was called last, if the path was alive.
    pub(crate) fn count_up(&mut self, at: Moment) {
        let is_up = matches!(self.machine.liveness(), Liveness::Up | Liveness::Suspect);
        let since_us = std::mem::replace(&mut self.up_since_us, is_up.then_some(at.us));
        self.now.handle_up(since_us.map_or(0, |since_us| at.us.saturating_sub(since_us)));
    }

    /// Ends a stretch.
    pub(crate) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

/// More in a row than make a path suspect is an outage: it says nothing of how much a living path loses.
fn is_chance(lost: u64) -> bool {
    lost <= u64::from(limit::SUSPECT_AFTER)
}
