use proptest::prelude::*;

use super::*;

/// 2026-01-01.
const BUILD_S: i64 = 1_767_225_600;
const SECOND: i64 = 1_000_000;

fn says(offset_us: i64) -> Result<Choice, Disagreement> {
    Ok(Choice { index: 0, offset_us, stratum: 2 })
}

/// A clock under a discipline.
struct World {
    discipline: Discipline,
    now_us: i64,
    uptime_ms: u64,
}

impl World {
    fn new() -> Self {
        let bounds = Bounds::new(BUILD_S, None);
        Self { discipline: Discipline::new(bounds), now_us: (BUILD_S + 3600) * SECOND, uptime_ms: 10_000 }
    }

    fn round(&mut self, offset_us: i64) -> Result<Correction, Refused> {
        let outcome = self.discipline.handle_round(says(offset_us), self.now_us, self.uptime_ms);
        if let Ok(Correction::Step(step) | Correction::Slew(step)) = outcome {
            self.now_us += step;
        }
        outcome
    }

    fn wait(&mut self, seconds: u64) {
        self.uptime_ms += seconds * 1_000;
        self.now_us += seconds as i64 * SECOND;
    }
}

#[test]
fn the_first_correction_steps_and_later_small_ones_are_slewed() {
    let mut world = World::new();
    assert_eq!(world.round(100 * SECOND), Ok(Correction::Step(100 * SECOND)));
    world.wait(64);
    assert_eq!(world.round(limit::SLEW_MAX_US - 1), Ok(Correction::Slew(limit::SLEW_MAX_US - 1)));
    world.wait(64);
    assert_eq!(world.round(limit::IGNORE_US - 1), Ok(Correction::None));
}

#[test]
fn a_later_jump_must_be_confirmed_and_is_rare() {
    let mut world = World::new();
    assert_eq!(world.round(0), Ok(Correction::None));
    assert_eq!(world.round(limit::SLEW_MAX_US), Err(Refused::StepUnconfirmed), "one round is not enough");
    world.wait(64);
    assert_eq!(world.round(limit::SLEW_MAX_US), Ok(Correction::Step(limit::SLEW_MAX_US)));
    world.wait(limit::STEP_INTERVAL_MS / 1000 - 1);
    assert_eq!(world.round(60 * SECOND), Err(Refused::StepTooSoon));
    world.wait(1);
    assert_eq!(world.round(60 * SECOND), Err(Refused::StepUnconfirmed));
    assert_eq!(world.round(-60 * SECOND), Err(Refused::StepUnconfirmed), "another story");
}

/// Twelve servers' worth of nonsense: each jump leaves the bounds or is not confirmed.
#[test]
fn twelve_jumps_move_nothing() {
    let day = 86_400 * SECOND;
    let jumps = [
        -day,
        day * 366 * 21,
        i64::MAX,
        i64::MIN,
        -2 * day,
        9 * day,
        -7_200 * SECOND,
        800 * day,
        3 * day,
        -3_601 * SECOND,
        40 * day,
        7_305 * day,
    ];
    let mut world = World::new();
    assert_eq!(world.round(0), Ok(Correction::None));
    for jump in jumps {
        let before = world.now_us;
        assert!(world.round(jump).is_err(), "{jump}");
        assert_eq!(world.now_us, before);
    }
}

#[test]
fn the_bounds_hold_at_their_edges() {
    let bounds = Bounds::new(BUILD_S, Some(BUILD_S + 100));
    assert_eq!(bounds.floor_s, BUILD_S + 100);
    assert!(bounds.hold(bounds.floor_s * SECOND) && !bounds.hold(bounds.floor_s * SECOND - 1));
    assert!(bounds.hold(bounds.ceiling_s * SECOND) && !bounds.hold((bounds.ceiling_s + 1) * SECOND));
    assert_eq!(Bounds::new(BUILD_S, Some(0)).floor_s, BUILD_S, "an older mark does not count");
    assert_eq!(Bounds::new(BUILD_S, Some(i64::MAX)).floor_s, BUILD_S, "nor does a broken one");
    assert_eq!(bounds.first_step(0), Some(bounds.floor_s * SECOND));
    assert_eq!(bounds.first_step(bounds.floor_s * SECOND), None);
}

#[test]
fn pauses_grow_within_their_limits() {
    let mut world = World::new();
    let nobody = Err(Disagreement::NoAnswer);
    for (round, pause_ms) in [(0, 2_000), (1, 4_000), (7, 256_000), (8, 300_000), (40, 300_000)] {
        world.discipline.bad_rounds = round;
        assert!(world.discipline.handle_round(nobody, world.now_us, 0).is_err());
        assert_eq!(world.discipline.pause_ms(0), pause_ms);
        assert!(world.discipline.pause_ms(u64::MAX) > pause_ms * 3 / 4 - 1);
    }
    for pause_ms in [64_000, 128_000, 256_000, 512_000, 1_024_000, 2_048_000, 2_048_000] {
        assert!(world.round(0).is_ok());
        assert_eq!(world.discipline.pause_ms(0), pause_ms);
    }
}

#[test]
fn trust_ends_when_nobody_is_heard_any_more() {
    let mut world = World::new();
    assert!(!world.discipline.is_synchronised(world.uptime_ms));
    assert!(world.round(0).is_ok());
    assert!(world.discipline.is_synchronised(world.uptime_ms + limit::TRUST_MS - 1));
    assert!(!world.discipline.is_synchronised(world.uptime_ms + limit::TRUST_MS));
}

proptest! {
    /// Whatever the answers: the clock never leaves its bounds.
    #[test]
    fn no_answers_move_the_clock_outside_its_bounds(
        rounds in prop::collection::vec((prop_oneof![any::<i64>(), -4_000_000_000_000_i64..4_000_000_000_000_000], 0_u64..4_000), 0..200),
    ) {
        let mut world = World::new();
        let bounds = world.discipline.bounds;
        for (offset_us, seconds) in rounds {
            let _ = world.round(offset_us);
            prop_assert!(bounds.hold(world.now_us));
            world.uptime_ms += seconds * 1000;
        }
    }
}
