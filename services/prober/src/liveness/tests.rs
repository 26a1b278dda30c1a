use proptest::prelude::*;

use super::*;

const CERTAIN: u32 = 8;

fn up() -> Machine {
    let mut machine = Machine::new(0);
    machine.handle_session(1);
    (0..limit::ANSWERS_TO_BE_UP).for_each(|_| machine.handle_answer(2));
    assert_eq!(machine.liveness(), Liveness::Up);
    machine
}

/// Fails at `now_us`, is heard again at once, and tells for how long it is watched then.
fn fail_and_hold(machine: &mut Machine, now_us: u64) -> u64 {
    machine.handle_unanswered(CERTAIN, CERTAIN, now_us);
    assert_eq!(machine.liveness(), Liveness::Down);
    machine.handle_answer(now_us);
    assert_eq!(machine.liveness(), Liveness::Holding);
    let over_us = machine.deadline().unwrap();
    machine.handle_timeout(over_us - 1);
    assert_eq!(machine.liveness(), Liveness::Holding);
    machine.handle_timeout(over_us);
    assert_eq!(machine.liveness(), Liveness::Up);
    over_us - now_us
}

#[test]
fn a_path_begins_unknown_and_is_up_after_its_answers() {
    let mut machine = Machine::new(0);
    assert_eq!(machine.liveness(), Liveness::Unknown);
    machine.handle_session(1);
    assert_eq!(machine.liveness(), Liveness::Probing);
    machine.handle_answer(2);
    machine.handle_unanswered(1, CERTAIN, 3);
    machine.handle_answer(4);
    assert_eq!(machine.liveness(), Liveness::Probing, "not in a row");
    machine.handle_answer(5);
    assert_eq!((machine.liveness(), machine.since_us()), (Liveness::Up, 5));
}

#[test]
fn a_new_path_without_answers_is_never_down_but_never_up_either() {
    let mut machine = Machine::new(0);
    machine.handle_session(1);
    machine.handle_unanswered(1_000, CERTAIN, 2);
    assert_eq!(machine.liveness(), Liveness::Probing);
}

#[test]
fn silence_makes_suspect_then_down_and_an_answer_takes_suspicion_back() {
    let mut machine = up();
    machine.handle_unanswered(limit::SUSPECT_AFTER - 1, CERTAIN, 3);
    assert_eq!(machine.liveness(), Liveness::Up);
    machine.handle_unanswered(limit::SUSPECT_AFTER, CERTAIN, 4);
    assert_eq!(machine.liveness(), Liveness::Suspect);
    machine.handle_answer(5);
    assert_eq!(machine.liveness(), Liveness::Up);
    machine.handle_unanswered(CERTAIN - 1, CERTAIN, 6);
    assert_eq!(machine.liveness(), Liveness::Suspect);
    machine.handle_unanswered(CERTAIN, CERTAIN, 7);
    assert_eq!((machine.liveness(), machine.since_us()), (Liveness::Down, 7));
}

#[test]
fn a_path_that_fails_while_it_is_watched_is_down_again() {
    let mut machine = up();
    machine.handle_unanswered(CERTAIN, CERTAIN, 3);
    machine.handle_answer(4);
    machine.handle_unanswered(CERTAIN, CERTAIN, 5);
    assert_eq!(machine.liveness(), Liveness::Down);
}

#[test]
fn the_hold_doubles_with_each_failure_up_to_its_limit_and_is_forgiven_with_time() {
    let (mut machine, mut now_us) = (up(), 10);
    let mut holds = Vec::new();
    for _ in 0..10 {
        let held_us = fail_and_hold(&mut machine, now_us);
        holds.push(held_us / 1_000_000);
        now_us += held_us + 1;
    }
    assert_eq!(holds, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    // Ten failures, and nine times forgiven: the next is as the second.
    for _ in 0..9 {
        now_us += limit::FORGIVEN_US;
        machine.handle_timeout(now_us);
    }
    assert_eq!(fail_and_hold(&mut machine, now_us), 2 * limit::HOLD_US);
}

proptest! {
    /// Whatever happens in whatever order, only the arrows of the diagram are taken.
    #[test]
    fn only_the_arrows_of_the_diagram_are_taken(events in proptest::collection::vec((0_u8..4, 0_u32..12, 0_u64..2_000_000), 0..200)) {
        use Liveness::{Down, Holding, Probing, Suspect, Unknown, Up};
        let (mut machine, mut now_us) = (Machine::new(0), 0);
        for (event, unanswered, later_us) in events {
            now_us += later_us;
            let before = machine.liveness();
            match event {
                0 => machine.handle_session(now_us),
                1 => machine.handle_answer(now_us),
                2 => machine.handle_unanswered(unanswered, CERTAIN, now_us),
                _ => machine.handle_timeout(now_us),
            }
            let arrow = (before, machine.liveness());
            let arrows = [
                (Unknown, Probing), (Probing, Up), (Up, Suspect), (Suspect, Up), (Up, Down), (Suspect, Down),
                (Down, Holding), (Holding, Down), (Holding, Up),
            ];
            prop_assert!(arrow.0 == arrow.1 || arrows.contains(&arrow), "{arrow:?}");
        }
    }
}
