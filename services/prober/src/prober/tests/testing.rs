//! Tests of a path, over lines of a known rate.

use patronus_ipc::prober::{Liveness, NoCapacity, Rejected, Tested};

use super::{
    super::*,
    world::{GOOD, Line, SECOND, World, address, known, slot},
};
use crate::load::{Arrived, Kind, Message};

/// Until the test is over that has begun at the first end.
fn finish(world: &mut World) -> Result<Tested, Rejected> {
    let began_us = world.now_us;
    while world.step(began_us + limit::TEST_US + 1) {
        assert!(!world.liveness(0).contains(&Liveness::Down), "it is only busy");
        if let Some(tested) = world.ends[0].poll_tested() {
            return tested;
        }
    }
    panic!("it takes longer than a test may");
}

fn test(world: &mut World) -> Result<Tested, Rejected> {
    let now_us = world.now_us;
    world.ends[0].begin_test(known(2, 0).id, now_us)?;
    finish(world)
}

/// Both ends have measured the path for a while.
fn measured(line: Line) -> World {
    let mut world = World::new(1, 11);
    world.hot(0);
    world.set(0, line);
    world.run(10 * SECOND);
    world
}

#[test]
fn what_the_line_carries_is_told_within_some_percent_and_nobody_takes_it_for_dead() {
    for rate_kbit in [1_000, 2_000, 10_000, 50_000, 200_000, 1_000_000] {
        for delay_us in [500, 20_000, 100_000] {
            let mut world = measured(Line { delay_us, rate_kbit, ..GOOD });
            assert_eq!(world.liveness(0), [Liveness::Up; 2]);
            let tested = test(&mut world).unwrap();
            let told = tested.capacity_kbit.unwrap();
            assert!(told.abs_diff(rate_kbit) <= rate_kbit / 20, "{rate_kbit} kbit/s, {delay_us} us: {tested:?}");
            assert_eq!((tested.no_capacity, tested.load_received_bytes), (None, tested.load_sent_bytes));
            assert!(tested.load_sent_bytes < 2_000_000 && tested.took_ms <= 3_000, "{tested:?}");
            world.run(SECOND);
            for end in 0..2 {
                assert_eq!(world.liveness(0)[end], Liveness::Up);
                assert_eq!(world.ends[end].rejects().by_name().len(), 0, "{:?}", world.ends[end].rejects());
            }
        }
    }
}

#[test]
fn the_rate_is_that_of_the_way_there() {
    let mut world = measured(GOOD);
    world.lines.insert((0, 0), Line { rate_kbit: 5_000, ..GOOD });
    world.lines.insert((0, 1), Line { rate_kbit: 80_000, ..GOOD });
    assert!(test(&mut world).unwrap().capacity_kbit.unwrap().abs_diff(5_000) < 250);
}

#[test]
fn round_trip_jitter_and_loss_of_each_direction_are_those_of_the_line() {
    let mut world = measured(GOOD);
    world.lines.insert((0, 0), Line { delay_us: 30_000, jitter_us: 4_000, lost_ppm: 200_000, ..GOOD });
    world.lines.insert((0, 1), Line { delay_us: 10_000, ..GOOD });
    world.run(60 * SECOND);
    let tested = test(&mut world).unwrap();
    assert_eq!(tested.probes, limit::TEST_PROBES);
    let (least, median, p95) = (tested.rtt_min_us.unwrap(), tested.rtt_median_us.unwrap(), tested.rtt_p95_us.unwrap());
    assert!((40_000..41_000).contains(&least) && (41_000..43_000).contains(&median), "{tested:?}");
    assert!((43_000..=44_000).contains(&p95), "{tested:?}");
    assert!((100_000..300_000).contains(&tested.loss_out_ppm.unwrap()), "{tested:?}");
    assert_eq!(tested.loss_in_ppm, Some(0));
    assert!(tested.jitter_us.unwrap() < 100, "{tested:?}");
    assert!(tested.load_received_bytes < tested.load_sent_bytes, "{tested:?}");
}

#[test]
fn there_is_one_test_at_a_time_and_as_many_as_the_limit_says() {
    let mut world = measured(GOOD);
    let id = known(2, 0).id;
    for n in 0..limit::TESTS_AT_ONCE {
        let now_us = world.now_us;
        assert_eq!(world.ends[0].begin_test(id, now_us), Ok(()), "{n}");
        assert_eq!(world.ends[0].begin_test(id, now_us), Err(Rejected::TestRunning));
        finish(&mut world).unwrap();
    }
    // Each took about a second.
    assert_eq!(test(&mut world), Err(Rejected::TooManyTests));
    world.run(limit::TEST_EVERY_S * SECOND);
    assert!(test(&mut world).is_ok());
}

#[test]
fn what_does_not_answer_is_not_tested() {
    let mut world = measured(GOOD);
    assert_eq!(world.ends[0].begin_test(known(3, 0).id, world.now_us), Err(Rejected::PathUnknown));
    let now_us = world.now_us;
    assert_eq!(world.ends[0].begin_test(known(2, 0).id, now_us), Ok(()));
    world.set(0, Line { silent: true, ..GOOD });
    world.run(SECOND);
    assert_eq!(world.ends[0].poll_tested(), Some(Err(Rejected::PathDown)), "it died meanwhile");
    assert_eq!(test(&mut world), Err(Rejected::PathDown));
    world.set(0, GOOD);
    world.until(0, Liveness::Up, 20 * SECOND);
    let now_us = world.now_us;
    assert_eq!(world.ends[0].begin_test(known(2, 0).id, now_us), Ok(()));
    world.tell(|_| false);
    assert_eq!(world.ends[0].poll_tested(), Some(Err(Rejected::PathUnknown)), "it went meanwhile");
}

#[test]
fn an_uplink_that_pays_for_each_byte_is_sent_no_load_from_either_end() {
    for payer in 0..2 {
        let mut world = World::new(1, 3);
        let other = if payer == 0 { 2 } else { 1 };
        world.ends[payer].handle_paths(&[Known { is_metered: true, ..known(other, 0) }], 0);
        world.run(600 * SECOND);
        let tested = test(&mut world).unwrap();
        assert_eq!((tested.capacity_kbit, tested.no_capacity), (None, Some(NoCapacity::Metered)), "{payer}");
        assert_eq!((tested.load_sent_bytes, tested.probes), (0, limit::METERED_TEST_PROBES));
        assert!(tested.rtt_median_us.is_some(), "{tested:?}");
    }
}

/// Messages about load that come from the other site, at once; how many answers they get.
fn hear(prober: &mut Prober, messages: impl Iterator<Item = Message>, now_us: u64) -> Vec<Transmit> {
    while prober.poll_transmit().is_some() {}
    for message in messages {
        prober.handle_datagram((slot(0), slot(0)), address(2), &message.emit(), now_us, now_us);
    }
    std::iter::from_fn(|| prober.poll_transmit()).collect()
}

#[test]
fn load_beyond_its_budget_is_not_taken_and_no_question_gets_more_than_it_asked_with() {
    let mut prober = measured(GOOD).ends[0].clone();
    let now_us = 20 * SECOND;
    let message = |train: u32, kind: Kind| Message { run: 9, train, kind };
    let most = limit::LOAD_AT_ONCE / 1_232;
    let load = (0..=most).map(|n| message(n as u32 / 100, Kind::Load));
    assert_eq!(hear(&mut prober, load, now_us), []);
    assert_eq!(prober.rejects().by_name(), BTreeMap::from([("too-much-load".to_owned(), 1)]));
    let last = most as u32 / 100;
    let answers = hear(&mut prober, [message(last, Kind::Ask), message(0, Kind::Ask)].into_iter(), now_us);
    let told: Vec<Kind> = answers.iter().map(|answer| Message::parse(&answer.bytes).unwrap().kind).collect();
    let packets = (most % 100) as u16;
    let arrived = Arrived { packets, bytes: u32::from(packets) * 1_232, span_us: 0 };
    assert_eq!(told, [Kind::Report(arrived), Kind::Report(Arrived::default())]);
    assert!(answers.iter().all(|answer| answer.to == address(2) && answer.bytes.len() == 24));
    let questions = (0..=limit::ANSWERS_AT_ONCE).map(|_| message(last, Kind::Ask));
    assert_eq!(hear(&mut prober, questions, now_us + SECOND).len() as u64, limit::ANSWERS_AT_ONCE);
    assert_eq!(prober.rejects().by_name().get("too-many"), Some(&1));
    let report = message(1, Kind::Report(Arrived::default()));
    assert_eq!(hear(&mut prober, std::iter::once(report), now_us), []);
    assert_eq!(prober.rejects().by_name().get("not-asked"), Some(&1));
}

#[test]
fn load_on_an_uplink_that_pays_for_each_byte_is_counted_and_not_answered() {
    let mut prober = measured(GOOD).ends[0].clone();
    prober.handle_paths(&[Known { is_metered: true, ..known(2, 0) }], 20 * SECOND);
    let of = |kind: Kind| Message { run: 9, train: 1, kind };
    assert_eq!(hear(&mut prober, [of(Kind::Load), of(Kind::Ask)].into_iter(), 20 * SECOND), []);
    assert_eq!(prober.rejects().by_name(), BTreeMap::from([("load-on-metered".to_owned(), 2)]));
}
