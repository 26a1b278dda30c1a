mod table;
mod testing;
mod world;

use patronus_ipc::prober::Liveness;

use self::world::{GOOD, Line, SECOND, World, known};
use super::*;

#[test]
fn paths_are_up_at_once_and_measured() {
    let mut world = World::new(2, 1);
    world.set(1, Line { delay_us: 30_000, ..GOOD });
    world.run(2 * SECOND);
    assert_eq!(world.liveness(0), [Liveness::Up; 2]);
    assert_eq!(world.liveness(1), [Liveness::Up; 2]);
    assert_eq!((world.report(0, 0).measured.rtt_us, world.report(0, 1).measured.rtt_us), (Some(1_000), Some(60_000)));
    assert_eq!((world.report(0, 0).measured.loss_in_ppm, world.report(0, 0).measured.loss_out_ppm), (Some(0), Some(0)));
}

#[test]
fn silence_of_either_direction_is_down_at_both_ends_within_the_promise() {
    for silent in [[true, true], [true, false], [false, true]] {
        let mut world = World::new(1, 7);
        world.hot(0);
        world.run(10 * SECOND);
        for (end, silent) in silent.into_iter().enumerate() {
            world.lines.insert((0, end), Line { silent, ..GOOD });
        }
        let took = world.until(0, Liveness::Down, SECOND);
        assert!(took.iter().all(|took| took.is_some_and(|took| took <= 60_000)), "{silent:?}: {took:?}");
        // It goes on being asked, and counts again after the hold.
        world.run(3 * SECOND);
        world.set(0, GOOD);
        let back = world.until(0, Liveness::Up, 20 * SECOND);
        assert!(back.iter().all(|took| took.is_some_and(|took| took >= limit::HOLD_US)), "{silent:?}: {back:?}");
    }
}

#[test]
fn a_path_that_carries_nothing_is_found_dead_within_a_second() {
    let mut world = World::new(1, 8);
    world.run(30 * SECOND);
    world.set(0, Line { silent: true, ..GOOD });
    let took = world.until(0, Liveness::Down, 2 * SECOND);
    assert!(took.iter().all(|took| took.is_some_and(|took| took <= SECOND)), "{took:?}");
}

#[test]
fn what_is_named_is_asked_often_only_while_it_carries_something() {
    let sent = |is_busy: bool| {
        let mut world = World::new(1, 9);
        if is_busy {
            world.hot(0);
        } else {
            world.name(0);
        }
        world.run(10 * SECOND);
        world.sent[0] + world.sent[1]
    };
    let each = |every_us: u64| 4 * 10 * SECOND / every_us;
    let (idle, busy) = (sent(false), sent(true));
    assert!(idle.abs_diff(each(limit::STANDBY_US)) < each(limit::STANDBY_US) / 2, "{idle}");
    assert!(busy.abs_diff(each(limit::HOT_US)) < each(limit::HOT_US) / 2, "{busy}");
}

#[test]
fn loss_is_measured_for_each_direction_and_is_not_death() {
    let mut world = World::new(1, 3);
    world.hot(0);
    world.run(SECOND);
    world.lines.insert((0, 0), Line { lost_ppm: 50_000, ..GOOD });
    world.lines.insert((0, 1), Line { lost_ppm: 200_000, ..GOOD });
    for _ in 0..60 {
        world.run(SECOND);
        assert_ne!(world.liveness(0)[0], Liveness::Down);
    }
    let (mut out, mut back) = (0, 0);
    for _ in 0..10 {
        world.run(10 * SECOND);
        world.ends[0].poll_points(0, world.now_us);
        out += world.report(0, 0).measured.loss_out_ppm.unwrap() / 10;
        back += world.report(0, 0).measured.loss_in_ppm.unwrap() / 10;
    }
    assert!((40_000..60_000).contains(&out) && (180_000..220_000).contains(&back), "{out} {back}");
}

#[test]
fn a_prober_that_did_not_run_has_learned_nothing() {
    let mut world = World::new(1, 4);
    world.hot(0);
    world.run(10 * SECOND);
    // This end is away for longer than any failure takes; the other one goes on asking in vain.
    world.away[0] = world.now_us + 300_000;
    while world.step(world.away[0] + SECOND) {
        assert_ne!(world.liveness(0)[0], Liveness::Down);
    }
}

#[test]
fn what_answers_took_during_a_failure_does_not_hide_the_next_one() {
    let mut world = World::new(1, 9);
    world.hot(0);
    world.run(10 * SECOND);
    // As where packets wait for an address to be resolved: nothing comes for a while, and then all of it.
    world.set(0, Line { delay_us: 200_000, ..GOOD });
    assert!(world.until(0, Liveness::Down, SECOND)[0].is_some());
    world.set(0, GOOD);
    world.run(2 * SECOND);
    world.set(0, Line { silent: true, ..GOOD });
    let took = world.until(0, Liveness::Down, SECOND);
    assert!(took.iter().all(|took| took.is_some_and(|took| took <= 60_000)), "{took:?}");
}

/// How long a path lives whose far prober falls silent, while `tunnel` says this.
fn dies_after(word: Word) -> u64 {
    let mut world = World::new(1, 5);
    world.hot(0);
    world.run(10 * SECOND);
    world.word = word;
    world.away[1] = world.now_us + 2 * SECOND;
    let began_us = world.now_us;
    while world.report(0, 0).liveness != Liveness::Down {
        assert!(world.step(began_us + 2 * SECOND - 1), "{word:?}");
    }
    world.now_us - began_us
}

#[test]
fn a_path_is_given_time_while_data_comes_or_probes_have_not_left() {
    let idle = Word { id: known(2, 0).id, heard_ago_us: Some(SECOND), left_ago_us: Some(0) };
    assert!(dies_after(idle) < 60_000);
    assert!(dies_after(Word { heard_ago_us: Some(0), ..idle }) >= limit::GRACE_US);
    assert!(dies_after(Word { left_ago_us: Some(SECOND), ..idle }) >= limit::GRACE_US);
}

#[test]
fn a_short_cut_is_one_failure_and_one_return() {
    let mut world = World::new(1, 6);
    world.hot(0);
    world.run(10 * SECOND);
    world.set(0, Line { silent: true, ..GOOD });
    world.run(2 * SECOND);
    world.set(0, GOOD);
    let mut seen = vec![world.report(0, 0).liveness];
    let until_us = world.now_us + 60 * SECOND;
    while world.step(until_us) {
        let liveness = world.report(0, 0).liveness;
        if world.ends[0].poll_news() && seen.last() != Some(&liveness) {
            seen.push(liveness);
        }
    }
    assert_eq!(seen, [Liveness::Down, Liveness::Holding, Liveness::Up]);
}
