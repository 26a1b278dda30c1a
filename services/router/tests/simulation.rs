//! The whole decision over virtual time: what paths do to it, and what it does to paths.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod world;

use patronus_ipc::{
    link,
    prober::Liveness,
    router::{Cause, Drainable, Mode, Verdict, What},
};
use patronus_types::{Class, Failback, OnViolation, Policy, Strategy};
use world::{DAY_MS, Line, MINUTE_MS, World, slot};

const CALM: Line = Line { rtt_ms: 20.0, rtt_noise_ms: 2.0, jitter_ms: 1.0, loss: 0.0, ..Line::UP };

#[test]
fn noise_moves_nothing_in_thirty_days_with_five_percent_lost_on_both_paths() {
    let lossy = Line { loss: 0.05, rtt_noise_ms: 10.0, jitter_ms: 5.0, ..CALM };
    let mut world = World::new(1, &[lossy, lossy]);
    world.run(MINUTE_MS);
    let before = world.moves();
    world.every_ms = 5_000;
    world.run(30 * DAY_MS);
    assert_eq!(world.moves() - before, 0, "{:?}", world.told());
}

#[test]
fn a_brown_out_is_left_by_calls_within_seconds() {
    let mut world = World::new(2, &[CALM, CALM]);
    world.run(MINUTE_MS);
    let began = world.first(Class::Voip);
    world.lines[usize::from(began.number())].loss = 0.03;
    world.run(15_000);
    assert_ne!(world.first(Class::Voip), began);
    let is_ours =
        |what: &What| matches!(what, What::FailoverTriggered { class: Class::Voip, cause: Cause::SlaViolated, .. });
    assert!(world.told().iter().any(is_ours));
}

#[test]
fn a_dead_path_is_left_at_once_and_the_last_one_never() {
    let mut world = World::new(3, &[CALM, CALM, CALM]);
    world.run(MINUTE_MS);
    for dead in [0, 1, 2] {
        world.lines[dead].liveness = Liveness::Down;
        world.report();
        for class in Class::ALL {
            assert!(dead == 2 || usize::from(world.first(class).number()) > dead, "{class}");
            assert_eq!(world.ways(class), 3, "all stay in the group: the programs know which lives");
        }
    }
    world.lines[1].liveness = Liveness::Holding;
    world.report();
    assert_eq!(world.first(Class::Other), slot(1), "a path that is only watched is better than none");
}

#[test]
fn what_cannot_wait_is_insured_by_a_path_that_costs_no_more() {
    let insured = |lines: &[Line]| {
        let mut world = World::new(4, lines);
        world.run(MINUTE_MS);
        Class::ALL.into_iter().filter(|class| world.group(*class).is_insured).collect::<Vec<_>>()
    };
    assert_eq!(insured(&[CALM, CALM]), [Class::Voip, Class::VideoConference, Class::Database]);
    let metered = Line { is_metered: true, ..CALM };
    assert_eq!(insured(&[CALM, metered]), [], "each byte is paid for");
    // The programs take one of the first two.
    assert_eq!(insured(&[CALM, metered, CALM]), [Class::Voip, Class::VideoConference, Class::Database]);
    assert_eq!(
        insured(&[CALM, CALM, Line { remote: 1, ..metered }]),
        [],
        "what shares nothing with the first costs more"
    );
    assert_eq!(insured(&[CALM]), [], "there is no other");
}

#[test]
fn traffic_goes_where_nothing_is_shared_with_what_has_just_died() {
    for apart in [Liveness::Up, Liveness::Holding] {
        let mut world = World::new(13, &[CALM, CALM, Line { remote: 1, ..CALM }]);
        world.run(MINUTE_MS);
        world.lines[2].liveness = apart;
        world.run(MINUTE_MS);
        let order = |world: &World| world.group(Class::Other).ways.iter().map(|way| way.local).collect::<Vec<_>>();
        assert_eq!(order(&world), [slot(0), slot(2), slot(1)], "the programs take the second before anybody decides");
        // Nobody knows yet that the far end's uplink is gone, and with it the second path.
        world.lines[0].liveness = Liveness::Down;
        world.report();
        assert_eq!(world.first(Class::Other), slot(2));
        world.lines[1].liveness = Liveness::Down;
        world.report();
        assert_eq!(world.first(Class::Other), slot(2));
    }
}

#[test]
fn a_lost_cable_is_left_without_a_word_of_the_prober() {
    let mut world = World::new(4, &[CALM, CALM]);
    world.run(MINUTE_MS);
    let began = world.first(Class::Web);
    world.link(&[began != slot(0), began != slot(1)]);
    assert_ne!(world.first(Class::Web), began);
    let is_ours = |what: &What| matches!(what, What::FailoverTriggered { cause: Cause::LinkDown, .. });
    assert_eq!(world.told().iter().filter(|what| is_ours(what)).count(), Class::ALL.len());
}

#[test]
fn latency_that_comes_with_the_traffic_does_not_make_it_swing() {
    // Whichever carries calls is too slow for them.
    let mut world = World::new(5, &[CALM, CALM]);
    world.loaded_rtt_ms = 300.0;
    world.run(60 * MINUTE_MS);
    let first_hour = world.moves();
    world.run(60 * MINUTE_MS);
    let second_hour = world.moves() - first_hour;
    println!("{first_hour} moves in the first hour, {second_hour} in the second");
    // A path that was left is not taken back for ten minutes.
    let classes = Class::ALL.len();
    assert!(first_hour <= classes * 8 && second_hour <= classes * 6, "{first_hour}, {second_hour}");
}

#[test]
fn a_short_blip_of_quality_moves_nothing() {
    let mut world = World::new(6, &[CALM, CALM]);
    world.run(MINUTE_MS);
    let before = world.moves();
    for line in [0, 1] {
        world.lines[line].loss = 0.3;
        world.run(1_000);
        world.lines[line].loss = 0.0;
        world.run(MINUTE_MS);
    }
    assert_eq!(world.moves(), before, "{:?}", world.told());
}

#[test]
fn calls_stay_where_they_went_and_files_come_back() {
    let mut world = World::new(7, &[CALM, Line { rtt_ms: 150.0, ..CALM }]);
    world.run(MINUTE_MS);
    assert_eq!(world.first(Class::Voip), slot(0));
    world.lines[0].liveness = Liveness::Down;
    world.run(10_000);
    world.lines[0].liveness = Liveness::Up;
    world.run(5 * MINUTE_MS);
    assert_eq!(world.first(Class::Voip), slot(1), "failback: stay");
    assert_eq!(world.first(Class::Database), slot(0), "failback: force");
}

#[test]
fn a_metered_uplink_carries_only_what_has_no_other_way() {
    let metered = Line { is_metered: true, rtt_ms: 5.0, ..CALM };
    let mut world = World::new(8, &[metered, Line { rtt_ms: 60.0, ..CALM }]);
    world.run(MINUTE_MS);
    assert!(Class::ALL.iter().all(|class| world.first(*class) == slot(1)));
    world.lines[1].liveness = Liveness::Down;
    world.report();
    assert!(Class::ALL.iter().all(|class| world.first(*class) == slot(0)));
    world.lines[1].liveness = Liveness::Up;
    world.run(MINUTE_MS);
    assert!(Class::ALL.iter().all(|class| world.first(*class) == slot(1)), "calls, too: staying would cost");
}

#[test]
fn the_policy_is_obeyed() {
    let mut world = World::new(9, &[CALM, Line { rtt_ms: 100.0, ..CALM }, Line { rtt_ms: 50.0, ..CALM }]);
    world.run(MINUTE_MS);
    world.configure(|policy| {
        let voip = policy.classes.entry(Class::Voip).or_default();
        voip.uplinks = vec!["up-1".parse().unwrap()];
        let backup = policy.classes.entry(Class::Backup).or_default();
        (backup.strategy, backup.uplinks) =
            (Some(Strategy::Pin), vec!["up-2".parse().unwrap(), "up-0".parse().unwrap()]);
        let web = policy.classes.entry(Class::Web).or_default();
        web.strategy = Some(Strategy::FlowHash);
        let other = policy.classes.entry(Class::Other).or_default();
        (other.on_violation, other.failback) = (Some(OnViolation::Stay), Some(Failback::Stay));
    });
    world.run(MINUTE_MS);
    assert_eq!((world.first(Class::Voip), world.ways(Class::Voip)), (slot(1), 1));
    assert!(world.group(Class::Voip).is_strict);
    assert_eq!(world.first(Class::Backup), slot(2));
    assert_eq!(world.group(Class::Web).spread, 3);
    assert_eq!(world.group(Class::Other).spread, 1);
    world.lines[0].loss = 0.2;
    world.run(2 * MINUTE_MS);
    assert_eq!(world.first(Class::Other), slot(0), "on violation: stay");
    assert_eq!(world.group(Class::Web).spread, 2, "what is not good enough has no share");
    let why = world.explain(Class::Voip);
    let not_allowed = why.candidates.iter().filter(|one| one.verdict == Verdict::NotAllowed).count();
    assert_eq!((why.candidates[0].verdict, not_allowed), (Verdict::Chosen, 2));
}

#[test]
fn what_is_sent_twice_goes_by_two_uplinks_while_two_may_carry_it() {
    let mut world = World::new(14, &[CALM, Line { rtt_ms: 100.0, ..CALM }, Line { rtt_ms: 50.0, ..CALM }]);
    world.configure(|policy| {
        let voip = policy.classes.entry(Class::Voip).or_default();
        (voip.strategy, voip.failback) = (Some(Strategy::Duplicate), Some(Failback::Drain));
    });
    world.run(MINUTE_MS);
    let twice = |world: &World| {
        let group = world.group(Class::Voip);
        assert_eq!((group.mode, group.is_sticky), (Mode::Duplicate, false));
        group.ways.iter().take(group.spread.into()).map(|way| way.local).collect::<Vec<_>>()
    };
    assert_eq!(twice(&world), [slot(0), slot(2)]);
    let said: Vec<Verdict> = world.explain(Class::Voip).candidates.iter().map(|one| one.verdict).collect();
    assert_eq!(said, [Verdict::Chosen, Verdict::Shares, Verdict::NotBetter]);
    world.lines[0].liveness = Liveness::Down;
    world.report();
    assert_eq!(twice(&world), [slot(2), slot(1)]);
    world.drain(Drainable::Uplink(slot(1)), 10);
    assert_eq!(twice(&world), [slot(2)], "what is drained carries no copy");
}

#[test]
fn what_is_drained_carries_nothing_new_unless_it_is_the_last() {
    let mut world = World::new(10, &[CALM, CALM]);
    world.run(MINUTE_MS);
    let began = world.first(Class::Email);
    world.drain(Drainable::Uplink(began), 10);
    assert_ne!(world.first(Class::Email), began);
    assert!(world.group(Class::Email).ways.iter().all(|way| way.epoch == 0));
    world.run(11_000);
    let epochs: Vec<u8> = world.group(Class::Email).ways.iter().map(|way| way.epoch).collect();
    assert_eq!(epochs, [0, 1], "the deadline has passed: flows that stuck to it leave");
    let other = world.first(Class::Email);
    world.lines[usize::from(other.number())].liveness = Liveness::Down;
    world.report();
    assert_eq!(world.first(Class::Email), began, "the last one");
}

#[test]
fn what_is_tried_out_is_what_would_come_and_changes_nothing() {
    let mut world = World::new(13, &[CALM, Line { rtt_ms: 100.0, ..CALM }]);
    world.run(MINUTE_MS);
    let before = world.moves();
    let pin = |policy: &mut Policy| {
        let voip = policy.classes.entry(Class::Voip).or_default();
        voip.uplinks = vec!["up-1".parse().unwrap()];
    };
    assert_eq!(world.dry_run(|_| {}), world.ways_of_all(), "the same document, the same paths");
    let then = world.dry_run(pin);
    world.run(MINUTE_MS);
    assert_eq!((world.first(Class::Voip), world.moves()), (slot(0), before), "nothing was changed");
    world.configure(pin);
    world.run(MINUTE_MS);
    assert_eq!(world.ways_of_all(), then);
}

#[test]
fn a_prober_that_starts_anew_moves_nothing() {
    let mut world = World::new(11, &[CALM, CALM]);
    world.run(MINUTE_MS);
    let before = world.moves();
    world.silence();
    world.run(200);
    for (line, liveness) in [(1, Liveness::Up), (0, Liveness::Up)] {
        for other in &mut world.lines {
            other.liveness = Liveness::Probing;
        }
        world.lines[line].liveness = liveness;
        world.run(700);
    }
    world.lines[1].liveness = Liveness::Up;
    world.run(MINUTE_MS);
    assert_eq!(world.moves(), before, "{:?}", world.told());
}

#[test]
fn without_any_word_of_link_all_uplinks_may_carry() {
    let mut world = World::new(12, &[CALM]);
    world.run(1_000);
    world.link_state(&link::State::default());
    assert_eq!(world.ways(Class::Voip), 1);
}
