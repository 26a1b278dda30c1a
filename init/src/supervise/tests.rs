//! The machine by example, and beside a naive model under a million random events.

use proptest::{prelude::*, test_runner::Config};

use super::*;

mod model;

const RESTART: Restart = Restart { first_ms: 100, most_ms: 60_000, reset_after_ms: 300_000 };

fn plan(needs: &[usize]) -> Plan {
    Plan { needs: needs.to_vec(), ready_within_ms: 20_000, stop_within_ms: 5_000, restart: RESTART, critical: true }
}

/// config, then link and clock, then web.
fn router() -> Supervisor {
    Supervisor::new(vec![plan(&[]), plan(&[0]), plan(&[0]), plan(&[0, 1, 2])])
}

/// What the machine wants done after an event, without what is only for the log.
fn after(machine: &mut Supervisor, now_ms: u64, event: Event) -> Vec<Action> {
    machine.handle_event(now_ms, event);
    std::iter::from_fn(|| machine.poll_action()).filter(|action| !matches!(action, Action::Report(..))).collect()
}

fn all_ready() -> Supervisor {
    let mut machine = router();
    after(&mut machine, 0, Event::Tick);
    for index in 0..4 {
        after(&mut machine, 0, Event::Ready(index));
    }
    machine
}

#[test]
fn services_start_when_what_they_need_is_ready() {
    let mut machine = router();
    assert_eq!(after(&mut machine, 0, Event::Tick), [Action::Start(0)]);
    assert_eq!(after(&mut machine, 1, Event::Ready(0)), [Action::Start(1), Action::Start(2)]);
    assert_eq!(after(&mut machine, 2, Event::Ready(2)), []);
    assert_eq!(after(&mut machine, 3, Event::Ready(1)), [Action::Start(3)]);
}

#[test]
fn a_service_that_fails_at_once_does_not_hold_up_its_users() {
    let mut machine = router();
    after(&mut machine, 0, Event::Tick);
    after(&mut machine, 1, Event::Ready(0));
    after(&mut machine, 2, Event::Ready(1));
    assert_eq!(after(&mut machine, 3, Event::Ended(2)), [Action::Start(3)]);
}

#[test]
fn a_death_is_followed_by_a_restart_and_touches_no_other() {
    let mut machine = all_ready();
    assert_eq!(after(&mut machine, 1_000, Event::Ended(0)), []);
    assert_eq!(machine.state(0), Some(ServiceState::BackOff));
    for index in 1..4 {
        assert_eq!(machine.state(index), Some(ServiceState::Ready));
    }
    assert_eq!(machine.deadline(), Some(1_100));
    assert_eq!(after(&mut machine, 1_099, Event::Tick), []);
    assert_eq!(after(&mut machine, 1_100, Event::Tick), [Action::Start(0)]);
    assert_eq!(machine.restarts(0), 1);
}

#[test]
fn the_pause_doubles_to_a_minute_and_begins_anew_after_five_minutes_of_service() {
    let mut machine = router();
    after(&mut machine, 0, Event::Tick);
    let mut now_ms = 0;
    let mut pauses_ms = Vec::new();
    for _ in 0..12 {
        after(&mut machine, now_ms, Event::Ended(0));
        // Only this service has a deadline of its own before the others' readiness deadlines are due again.
        let Phase::BackOff { until_ms } = machine.units[0].phase else { panic!("no pause") };
        pauses_ms.push(until_ms - now_ms);
        now_ms = until_ms;
        assert!(after(&mut machine, now_ms, Event::Tick).contains(&Action::Start(0)));
    }
    assert_eq!(pauses_ms, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    after(&mut machine, now_ms, Event::Ready(0));
    now_ms += RESTART.reset_after_ms;
    machine.handle_event(now_ms, Event::Ended(0));
    assert_eq!(machine.units[0].phase, Phase::BackOff { until_ms: now_ms + 100 });
}

#[test]
fn a_service_that_is_not_ready_in_time_is_killed_until_it_ends() {
    let mut machine = router();
    after(&mut machine, 0, Event::Tick);
    assert_eq!(after(&mut machine, 19_999, Event::Tick), []);
    assert_eq!(after(&mut machine, 20_000, Event::Tick), [Action::Kill(0)]);
    assert_eq!(after(&mut machine, 22_000, Event::Tick), [Action::Kill(0)]);
    after(&mut machine, 22_001, Event::Ended(0));
    assert_eq!(machine.state(0), Some(ServiceState::BackOff));
}

#[test]
fn services_stop_in_reverse_order() {
    let mut machine = all_ready();
    assert_eq!(after(&mut machine, 0, Event::Stop), [Action::Terminate(3)]);
    assert_eq!(after(&mut machine, 1, Event::Ended(3)), [Action::Terminate(1), Action::Terminate(2)]);
    assert_eq!(after(&mut machine, 2, Event::Ended(1)), []);
    assert_eq!(after(&mut machine, 3, Event::Ended(2)), [Action::Terminate(0)]);
    assert!(!machine.is_finished());
    assert_eq!(after(&mut machine, 4, Event::Ended(0)), []);
    assert!(machine.is_finished());
}

#[test]
fn a_service_that_does_not_stop_is_killed_and_then_given_up() {
    let mut machine = all_ready();
    after(&mut machine, 0, Event::Stop);
    assert_eq!(after(&mut machine, 5_000, Event::Tick), [Action::Kill(3)]);
    assert_eq!(after(&mut machine, 7_000, Event::Tick), [Action::Terminate(1), Action::Terminate(2)]);
    assert_eq!(machine.state(3), Some(ServiceState::Stopped));
}

#[test]
fn the_machine_is_healthy_once_all_were_ready_for_ten_seconds() {
    let mut machine = all_ready();
    assert_eq!(machine.deadline(), Some(HEALTHY_AFTER_MS));
    machine.handle_event(HEALTHY_AFTER_MS - 1, Event::Tick);
    assert!(!machine.is_healthy());
    machine.handle_event(HEALTHY_AFTER_MS, Event::Tick);
    assert!(machine.is_healthy());
    assert_eq!(machine.deadline(), None);
    machine.handle_event(HEALTHY_AFTER_MS + 1, Event::Ended(1));
    assert!(!machine.is_healthy());
}

#[test]
fn a_machine_without_services_stops_at_once() {
    let mut machine = Supervisor::new(Vec::new());
    assert_eq!(after(&mut machine, 0, Event::Stop), []);
    assert!(machine.is_finished());
}

/// Sequences times events in each: a million random events in every run of the tests.
const SEQUENCES: u32 = 1_000;
const EVENTS: usize = 1_000;

/// The numbers behind a sequence: proptest chooses the seed and shortens the sequence, which is much faster than choosing each step.
struct Dice(u64);

impl Dice {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// Time stands still, or goes on until the machine wants to be asked again, or for up to nine minutes.
    fn next_ms(&mut self, now_ms: u64, deadline_ms: Option<u64>) -> u64 {
        match self.roll(3) {
            0 => now_ms,
            1 => deadline_ms.unwrap_or(now_ms).max(now_ms),
            _ => now_ms + (1 << self.roll(20)) - 1,
        }
    }

    fn event(&mut self, model: &model::Model) -> Event {
        let index = self.roll(model.count() as u64) as usize;
        match self.roll(7) {
            0..3 => Event::Ready(index),
            3..5 => Event::Ended(index),
            // What was told to end does so.
            5 if model.was_told_to_end(index) => Event::Ended(index),
            _ => Event::Tick,
        }
    }
}

/// Needs point only to services before: no circles, as the manifest guarantees.
fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let one = (any::<u8>(), any::<bool>(), 1_u64..30_000, 1_u64..6_000);
    prop::collection::vec(one, 1..8).prop_map(|rows| {
        let plan = |(index, (needs, critical, ready_within_ms, stop_within_ms)): (usize, (u8, bool, u64, u64))| Plan {
            needs: (0..index).filter(|need| needs >> need & 1 == 1).collect(),
            ready_within_ms,
            stop_within_ms,
            restart: RESTART,
            critical,
        };
        rows.into_iter().enumerate().map(plan).collect()
    })
}

proptest! {
    #![proptest_config(Config { cases: SEQUENCES, max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn the_machine_does_what_the_model_does(plans in plans(), seed: u64, events in EVENTS..EVENTS + 100, stop_at in 0..EVENTS * 2) {
        let mut machine = Supervisor::new(plans.clone());
        let mut model = model::Model::new(plans);
        let mut dice = Dice(seed);
        let mut now_ms = 0;
        for number in 0..events {
            now_ms = dice.next_ms(now_ms, machine.deadline());
            let event = if number == stop_at { Event::Stop } else { dice.event(&model) };
            machine.handle_event(now_ms, event);
            let actions: Vec<Action> = std::iter::from_fn(|| machine.poll_action()).collect();
            model.check(now_ms, event, &actions, &machine).map_err(|why| {
                TestCaseError::fail(format!("event {number}: {why}"))
            })?;
        }
    }

    #[test]
    fn a_stop_ends_within_the_sum_of_all_deadlines(plans in plans(), steps in prop::collection::vec(0_usize..8, 0..20)) {
        let limit_ms: u64 = plans.iter().map(|plan| plan.stop_within_ms + KILL_GRACE_MS).sum();
        let mut machine = Supervisor::new(plans);
        machine.handle_event(0, Event::Tick);
        steps.into_iter().for_each(|index| machine.handle_event(0, Event::Ready(index)));
        machine.handle_event(0, Event::Stop);
        let mut now_ms;
        while !machine.is_finished() {
            // Nothing ever ends by itself: only deadlines move the stop on.
            now_ms = machine.deadline().unwrap();
            prop_assert!(now_ms <= limit_ms);
            machine.handle_event(now_ms, Event::Tick);
        }
    }
}
