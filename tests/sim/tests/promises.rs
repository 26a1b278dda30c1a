//! Fleets keep their promises, with seeds and without.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use patronus_sim::{
    Plan,
    promises::{keep as keeps_its_promises, keep_without_seeds},
};

#[test]
fn six_sites_on_a_lan_keep_their_promises() {
    keeps_its_promises(Plan { sites: 6, per_lan: 6, seeds: 0, signers: 1, nat: false });
}

#[test]
fn sixty_sites_on_one_lan_keep_their_promises() {
    keeps_its_promises(Plan { sites: 60, per_lan: 60, seeds: 0, signers: 1, nat: false });
}

#[test]
fn five_hundred_sites_behind_four_seeds_keep_their_promises() {
    keeps_its_promises(Plan { sites: 500, per_lan: 2, seeds: 4, signers: 1, nat: false });
}

#[test]
fn sixty_sites_live_on_without_seeds() {
    keep_without_seeds(60);
}

#[test]
fn five_hundred_sites_live_on_without_seeds() {
    keep_without_seeds(500);
}

/// The same life twice, to the last step.
#[test]
fn a_seed_is_one_life() {
    let [one, other] = [patronus_sim::tell(11), patronus_sim::tell(11)];
    assert_eq!((one.step, one.now_ms, one.busiest), (other.step, other.now_ms, other.busiest));
    assert_ne!(patronus_sim::tell(12).step, one.step);
}
