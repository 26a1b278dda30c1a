//! A test of one path, for a person who waits; and the load of other sites' tests.
//!
//! *Does*: probes first, then load; one test at a time, a few in a minute; say what came of others' load.
//! *Never does*: load an uplink that pays for each byte, or a path by which nothing comes back; answer with more than was asked with.
//! *Spec*: `docs/prober.md`, section "Test".

use patronus_ipc::prober::{Liveness, NoCapacity, PathId, Rejected, Tested};

use super::{Entry, Prober, Transmit};
use crate::{
    Reject,
    bucket::Bucket,
    capacity::{Capacity, Wish},
    limit,
    load::{Kind, Message, Train},
    path::{Moment, Sounding},
};

/// Tests of this box, and what is taken of others.
#[derive(Clone, Debug)]
pub(super) struct Testing {
    allowed: Bucket,
    /// Number of the last train that was sent in this run.
    train: u32,
    test: Option<Test>,
    tested: Option<Result<Tested, Rejected>>,
}

/// The test that goes on.
#[derive(Clone, Debug)]
struct Test {
    path: PathId,
    began_us: u64,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Probes, until they are answered, or then.
    Probes { until_us: u64 },
    /// After them load.
    Load(Box<(Sounding, Capacity)>),
}

impl Testing {
    pub(super) fn new(now_us: u64) -> Self {
        let allowed = Bucket::new(limit::TESTS_AT_ONCE * limit::TEST_EVERY_S, 1, now_us);
        Self { allowed, train: 0, test: None, tested: None }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.test.as_ref().map(|test| match &test.phase {
            Phase::Probes { until_us } => *until_us,
            Phase::Load(load) => load.1.deadline(),
        })
    }
}

/// What one path hears of others' tests, and packets of any test that are traffic of nobody.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loaded {
    train: Option<Train>,
    pub(super) packets: u64,
}

impl Prober {
    /// Begins a test; [`Self::poll_tested`] says when it is over.
    ///
    /// # Errors
    /// Why there is none.
    pub fn begin_test(&mut self, id: PathId, now_us: u64) -> Result<(), Rejected> {
        let at = self.moment(now_us);
        let entry = self.entries.get_mut(&id).ok_or(Rejected::PathUnknown)?;
        if !entry.answers() {
            return Err(Rejected::PathDown);
        }
        if self.testing.test.is_some() {
            return Err(Rejected::TestRunning);
        }
        if !self.testing.allowed.take(limit::TEST_EVERY_S, now_us) {
            return Err(Rejected::TooManyTests);
        }
        let (probes, pause_us) = if entry.is_spared() {
            (limit::METERED_TEST_PROBES, limit::METERED_TEST_PROBE_US)
        } else {
            (limit::TEST_PROBES, limit::TEST_PROBE_US)
        };
        entry.path.begin_test(probes, pause_us, at);
        let until_us = now_us + u64::from(probes) * pause_us + entry.path.patience_us().min(limit::TEST_US / 4);
        self.testing.test = Some(Test { path: id, began_us: now_us, phase: Phase::Probes { until_us } });
        self.set_timer(id, at);
        Ok(())
    }

    /// What the test has shown that has just ended.
    pub fn poll_tested(&mut self) -> Option<Result<Tested, Rejected>> {
        self.testing.tested.take()
    }

    /// The test goes on, if its probes are answered, or its time has come.
    pub(super) fn follow_test(&mut self, at: Moment) {
        let Some(Test { path: id, began_us, phase }) = &mut self.testing.test else { return };
        let (id, began_us) = (*id, *began_us);
        let Some(entry) = self.entries.get_mut(&id) else { return self.end_test(Err(Rejected::PathUnknown)) };
        if !entry.answers() {
            entry.path.end_test();
            return self.end_test(Err(Rejected::PathDown));
        }
        let wish = match phase {
            Phase::Probes { until_us } if at.us < *until_us && !entry.path.is_sounded() => return,
            Phase::Probes { .. } => {
                let sounding = entry.path.end_test();
                if entry.is_spared() {
                    let tested = tested(&sounding, at.us - began_us);
                    return self.end_test(Ok(Tested { no_capacity: Some(NoCapacity::Metered), ..tested }));
                }
                let (next, patience_us) = (self.testing.train.wrapping_add(1), entry.path.patience_us());
                let (capacity, wish) = Capacity::begin(next, patience_us, began_us + limit::TEST_US, at.us);
                *phase = Phase::Load(Box::new((sounding, capacity)));
                Some(wish)
            }
            Phase::Load(load) => load.1.handle_timeout(at.us),
        };
        if let Some(wish) = wish {
            self.grant(wish, at);
        }
    }

    /// Does what the measurement wishes.
    fn grant(&mut self, wish: Wish, at: Moment) {
        let Some(Test { path, began_us, phase: Phase::Load(load) }) = &self.testing.test else { return };
        let (sounding, capacity) = &**load;
        let (id, train, run) = (*path, capacity.train, self.run);
        let packets = match wish {
            Wish::Train(packets) => packets,
            Wish::Ask => 0,
            Wish::Over => {
                let capacity_kbit = capacity.kbit();
                let tested = Tested {
                    capacity_kbit,
                    no_capacity: capacity_kbit.is_none().then_some(NoCapacity::Unconfirmed),
                    load_sent_bytes: capacity.sent_bytes,
                    load_received_bytes: capacity.received_bytes,
                    ..tested(sounding, at.us - began_us)
                };
                return self.end_test(Ok(tested));
            }
        };
        self.testing.train = train;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let load = std::iter::repeat_n(Kind::Load, packets.into());
        for kind in load.chain([Kind::Ask]) {
            entry.loaded.packets += 1;
            let bytes = Message { run, train, kind }.emit();
            self.outbox.push_back(Transmit { path: id, to: entry.address, bytes });
        }
    }

    fn end_test(&mut self, tested: Result<Tested, Rejected>) {
        self.testing.test = None;
        self.testing.tested = Some(tested);
    }

    /// A message about load came: of another site's test, or of our own.
    pub(super) fn hear_load(&mut self, id: PathId, bytes: &[u8], received_us: u64, at: Moment) -> Result<(), Reject> {
        let message = Message::parse(bytes)?;
        let entry = self.entries.get_mut(&id).ok_or(Reject::UnknownPath)?;
        entry.loaded.packets += 1;
        match message.kind {
            Kind::Load | Kind::Ask if entry.is_metered => Err(Reject::LoadOnMetered),
            Kind::Load => {
                let budget = self.load.get_mut(&id.site).ok_or(Reject::UnknownPath)?;
                if !budget.take(bytes.len() as u64, at.us) {
                    return Err(Reject::TooMuchLoad);
                }
                entry.loaded.hear(&message, bytes.len(), received_us)
            }
            Kind::Ask => self.report(id, &message, at),
            Kind::Report(arrived) => {
                let Some(Test { path, phase: Phase::Load(load), .. }) = &mut self.testing.test else {
                    return Err(Reject::NotAsked);
                };
                if *path != id || message.run != self.run {
                    return Err(Reject::NotAsked);
                }
                let wish = load.1.handle_report(message.train, arrived, at.us)?;
                self.grant(wish, at);
                Ok(())
            }
        }
    }

    /// Says what came of a train: as many bytes as the question had.
    fn report(&mut self, id: PathId, asked: &Message, at: Moment) -> Result<(), Reject> {
        let entry = self.entries.get_mut(&id).ok_or(Reject::UnknownPath)?;
        if !entry.path.may_answer(at) {
            return Err(Reject::TooMany);
        }
        if !self.sending.take(1, at.us) {
            return Err(Reject::BudgetSpent);
        }
        let arrived = entry.loaded.train.map(|train| train.arrived(asked)).unwrap_or_default();
        entry.loaded.packets += 1;
        let bytes = Message { kind: Kind::Report(arrived), ..*asked }.emit();
        self.outbox.push_back(Transmit { path: id, to: entry.address, bytes });
        Ok(())
    }
}

impl Loaded {
    fn hear(&mut self, message: &Message, bytes: usize, received_us: u64) -> Result<(), Reject> {
        let is_known = self.train.as_mut().map(|train| train.handle(message, bytes, received_us)).transpose()?;
        if is_known != Some(true) {
            self.train = Some(Train::begin(message, bytes, received_us));
        }
        Ok(())
    }
}

impl Entry {
    /// Whether the site answers by this path.
    fn answers(&self) -> bool {
        matches!(self.path.machine.liveness(), Liveness::Up | Liveness::Suspect | Liveness::Holding)
    }

    /// Whether an uplink here or there pays for each byte.
    const fn is_spared(&self) -> bool {
        self.is_metered || self.path.is_far_metered()
    }
}

fn tested(sounding: &Sounding, took_us: u64) -> Tested {
    let point = sounding.tally.point(0, 1);
    Tested {
        took_ms: u32::try_from(took_us / 1_000).unwrap_or(u32::MAX),
        probes: sounding.sent,
        rtt_min_us: point.rtt_min_us,
        rtt_median_us: sounding.tally.rtt_us(50),
        rtt_p95_us: point.rtt_p95_us,
        jitter_us: point.jitter_us,
        loss_out_ppm: point.loss_out_ppm,
        loss_in_ppm: point.loss_in_ppm,
        ..Tested::default()
    }
}
