//! Behaviour as a committed table: how long a failure takes to be seen, and how often one is seen that is none.

use std::fmt::Write;

use patronus_ipc::prober::Liveness;

use super::world::{GOOD, Line, SECOND, World};

const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/detection.txt"));
/// With this in the environment the table is written anew.
const WRITE: &str = "PATRONUS_WRITE_GOLDEN";
/// How long the path of the last test loses, in virtual minutes.
const MINUTES: &str = "PATRONUS_VIRTUAL_MINUTES";

const TRIALS: u64 = 25;

/// A path that was measured for a while.
fn warm(lost_ppm: u64, rtt_us: u64, is_hot: bool) -> World {
    let mut world = World::new(1, lost_ppm * 31 + rtt_us);
    world.set(0, Line { delay_us: rtt_us / 2, lost_ppm, jitter_us: rtt_us / 20, ..GOOD });
    if is_hot {
        world.hot(0);
    }
    world.run(60 * SECOND);
    world
}

/// Until both ends have seen silence, in milliseconds, in order.
fn detections(warm: &World, line: Line) -> Vec<u64> {
    let trial = |number: u64| {
        let mut world = warm.clone();
        world.dice ^= number * 0x9e37_79b9;
        world.run(number * 37_123 % SECOND);
        world.set(0, Line { silent: true, ..line });
        world.until(0, Liveness::Down, 20 * SECOND).map(|took| took.unwrap_or(u64::MAX) / 1_000)
    };
    let mut all: Vec<u64> = (0..TRIALS).flat_map(trial).collect();
    all.sort_unstable();
    all
}

/// How often an end takes the path for dead in so many minutes.
fn false_alarms(world: &mut World, minutes: u64) -> u64 {
    let (until_us, mut alarms) = (world.now_us + minutes * 60 * SECOND, 0);
    while world.step(until_us) {
        for end in 0..2 {
            if world.ends[end].poll_news() && world.report(end, 0).liveness == Liveness::Down {
                alarms += 1;
            }
        }
    }
    alarms
}

#[test]
fn detection_and_false_alarms_are_as_in_the_table() {
    let mut table = "role     loss each way  round trip  seen p50   max     false alarms in 5 min\n".to_owned();
    for is_hot in [true, false] {
        for lost_percent in [0, 1, 5, 10, 30] {
            for rtt_ms in [1, 20, 100, 300] {
                let mut world = warm(lost_percent * 10_000, rtt_ms * 1_000, is_hot);
                let seen = detections(&world, world.lines[&(0, 0)]);
                let (p50, max) = (seen[seen.len() / 2], seen[seen.len() - 1]);
                let alarms = false_alarms(&mut world, 5);
                let role = if is_hot { "hot" } else { "standby" };
                let _ = writeln!(
                    table,
                    "{role:<8} {lost_percent:>10} %  {rtt_ms:>7} ms  {p50:>5} ms  {max:>5} ms  {alarms:>6}"
                );
            }
        }
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/detection.txt"), &table).unwrap();
    } else {
        assert_eq!(table, TABLE, "if that is meant: {WRITE}=1 writes it anew");
    }
}

#[test]
fn random_loss_of_one_packet_in_twenty_is_never_taken_for_death() {
    let minutes = std::env::var(MINUTES).ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(60);
    assert_eq!(false_alarms(&mut warm(50_000, 20_000, true), minutes), 0);
}
