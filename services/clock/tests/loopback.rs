//! The real service against small real SNTP and DNS servers, on the loopback of a network namespace of its own.
//!
//! The clock of a machine cannot be had twice, so the service runs without `CAP_SYS_TIME` here: it finds out and decides everything,
//! and says that it could not set the clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lab;

use lab::Lab;

const HOUR_US: i64 = 3_600_000_000;

#[test]
fn a_server_known_by_name_is_found_and_believed() {
    let mut lab = Lab::new(&["time.test"]);
    lab.serve_time("127.0.0.2", 0);
    lab.serve_names("127.0.0.2".parse().unwrap());
    lab.service.start();
    let state = lab.wait_for("an answer", |state| state.server.is_some());
    assert_eq!((state.server.as_deref(), state.stratum), (Some("time.test"), Some(2)));
    assert!(state.offset_us.unwrap().abs() < 500_000, "{state:?}");
    assert!(state.floor_unix_s >= 1_767_225_600);
    assert!(lab.service.terminate());
}

#[test]
fn one_liar_among_three_is_not_believed() {
    let mut lab = Lab::new(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    lab.serve_time("127.0.0.2", 24 * HOUR_US);
    lab.serve_time("127.0.0.3", 0);
    lab.serve_time("127.0.0.4", 0);
    lab.service.start();
    let state = lab.wait_for("an answer", |state| state.server.is_some());
    assert!(state.offset_us.unwrap().abs() < 500_000, "{state:?}");
}

#[test]
fn two_servers_that_disagree_move_nothing() {
    let mut lab = Lab::new(&["127.0.0.2", "127.0.0.3"]);
    lab.serve_time("127.0.0.2", 24 * HOUR_US);
    lab.serve_time("127.0.0.3", 0);
    lab.service.start();
    lab.wait_for_log("no-majority");
    assert_eq!(lab.wait_for("a state", |_| true).server, None);
}

#[test]
fn a_time_before_the_build_is_refused() {
    let mut lab = Lab::new(&["127.0.0.2"]);
    lab.serve_time("127.0.0.2", -20 * 365 * 24 * HOUR_US);
    lab.service.start();
    lab.wait_for_log("outside-bounds");
    assert!(!lab.wait_for("a state", |_| true).synchronised);
}

#[test]
fn an_hour_is_corrected_by_a_step_and_a_clock_that_cannot_be_set_is_not_called_synchronised() {
    let mut lab = Lab::new(&["127.0.0.2"]);
    lab.serve_time("127.0.0.2", HOUR_US);
    lab.service.start();
    let state = lab.wait_for("an answer", |state| state.server.is_some());
    assert!((state.offset_us.unwrap() - HOUR_US).abs() < 500_000, "{state:?}");
    assert!(!state.synchronised);
    lab.wait_for_log("clock cannot be set");
}

#[test]
fn a_service_that_cannot_answer_any_more_ends_so_that_it_is_started_anew() {
    let mut lab = Lab::new(&["127.0.0.2"]);
    assert!(lab.service.start_unreachable());
}

#[test]
fn a_majority_of_liars_that_dhcp_names_does_not_outvote_the_document() {
    let mut lab = Lab::with_dhcp(&["127.0.0.2"], &["127.0.0.3", "127.0.0.4", "127.0.0.5"]);
    lab.serve_time("127.0.0.2", 0);
    for liar in ["127.0.0.3", "127.0.0.4", "127.0.0.5"] {
        lab.serve_time(liar, 24 * HOUR_US);
    }
    lab.service.start();
    let state = lab.wait_for("an answer", |state| state.server.is_some());
    assert_eq!(state.server.as_deref(), Some("127.0.0.2"));
    assert!(state.offset_us.unwrap().abs() < 500_000, "{state:?}");
}

#[test]
fn servers_that_dhcp_names_are_asked_when_none_of_the_document_has_the_time() {
    let mut lab = Lab::with_dhcp(&["127.0.0.2"], &["127.0.0.2", "127.0.0.3"]);
    lab.serve_rate("127.0.0.2");
    lab.serve_time("127.0.0.3", 0);
    lab.service.start();
    let state = lab.wait_for("an answer", |state| state.server.is_some());
    assert_eq!(state.server.as_deref(), Some("127.0.0.3"));
}
