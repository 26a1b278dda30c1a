//! What is promised of a fleet: it agrees soon, says little when nothing happens, heals, and has no queue without end.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use patronus_sim::{Fleet, Plan, Weather};

/// The promise, in milliseconds.
const AGREE_MS: u64 = 10_000;

fn revoke(fleet: &mut Fleet, site: u32) {
    let (id, now) = (fleet.sites[site as usize].id, fleet.sites[0].now(fleet.now_ms));
    fleet.sites[0].revoke(id, now).unwrap();
    fleet.check.handle_revoked(id);
    fleet.poke(0);
}

fn agree(fleet: &mut Fleet, what: &str) -> u64 {
    let took_ms = fleet.run_until_holds(AGREE_MS, Fleet::is_of_one_mind);
    took_ms.unwrap_or_else(|| panic!("not of one mind: {what}"))
}

#[test]
fn three_sites_on_a_lan_hear_of_a_revocation() {
    let mut fleet = Fleet::new(1, Plan { sites: 3, per_lan: 3, seeds: 0, signers: 1 }, Weather::FAIR);
    fleet.run_until(1_000);
    assert!(fleet.all_know_all());
    revoke(&mut fleet, 2);
    println!("of one mind after {} ms", agree(&mut fleet, "a revocation"));
    assert_eq!(fleet.honest().count(), 2);
}
