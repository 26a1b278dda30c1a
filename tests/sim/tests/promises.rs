//! What is promised of a fleet: it agrees soon, says little when nothing happens, heals, and has no queue without end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use patronus_sim::{Fleet, Plan, Weather};

/// The promises: until all agree after a change, and what a site says when nothing happens.
const AGREE_MS: u64 = 10_000;
/// Of a cut on a LAN nobody is told when it heals: until the next announcement and its answer.
const HEAL_MS: u64 = 40_000;
const IDLE_BYTES_PER_S: u64 = 1_000;
/// A path that is neither good nor broken.
const SHOWERS: Weather = Weather { lost: 20, doubled: 5, lan_ms: 1, wan_ms: 60, jitter_ms: 30 };

/// Ends a membership.
fn revoke_one(fleet: &mut Fleet, site: u32) {
    let (id, now) = (fleet.sites[site as usize].id, fleet.sites[0].now(fleet.now_ms));
    fleet.sites[0].revoke(id, now).unwrap();
    fleet.check.handle_revoked(id);
    fleet.poke(0);
}

fn agree(fleet: &mut Fleet, longest_ms: u64, what: &str) {
    let Some(took_ms) = fleet.run_until_holds(longest_ms, Fleet::is_of_one_mind) else {
        panic!("not of one mind after {longest_ms} ms: {what}")
    };
    println!("{what}: of one mind after {took_ms} ms");
}

/// All of it, with a fleet of this size.
fn keeps_its_promises(plan: Plan) {
    let mut fleet = Fleet::new(1, plan, SHOWERS);
    let took_ms = fleet.run_until_holds(60_000, Fleet::all_know_all).expect("all find all");
    println!("{} sites: all know all after {took_ms} ms", plan.sites);
    revoke_one(&mut fleet, plan.sites - 1);
    agree(&mut fleet, AGREE_MS, "a revocation");

    fleet.run_until(fleet.now_ms + 60_000);
    fleet.meter.clear();
    let idle_s = 90;
    fleet.run_until(fleet.now_ms + idle_s * 1_000);
    let (all, most) = fleet.meter.read();
    let each = all / idle_s / u64::from(plan.sites);
    println!("idle: {each} bytes/s a site, {} the one that says most", most / idle_s);
    assert!(each <= IDLE_BYTES_PER_S);
    // What waits when nothing happens: the next deadline of each site, and each end's watch of each of its connections.
    let waiting = fleet.under_way();
    assert!(waiting <= plan.sites as usize * 16, "{waiting} things wait");

    // A third is cut off while somebody is revoked on the other side.
    for site in plan.sites / 3..plan.sites * 2 / 3 {
        fleet.cut.put(site, 1);
    }
    fleet.run_until(fleet.now_ms + 1_000);
    revoke_one(&mut fleet, plan.sites - 2);
    fleet.run_until(fleet.now_ms + 20_000);
    assert!(!fleet.is_of_one_mind(), "nothing was cut");
    fleet.heal();
    agree(&mut fleet, HEAL_MS, "a cut that healed");
    println!(
        "{} steps, {} things under way at most, refused: {:?}",
        fleet.step,
        fleet.busiest,
        patronus_sim::refusals(fleet.sites.iter())
    );
}

#[test]
fn six_sites_on_a_lan_keep_their_promises() {
    keeps_its_promises(Plan { sites: 6, per_lan: 6, seeds: 0, signers: 1 });
}

#[test]
fn sixty_sites_on_one_lan_keep_their_promises() {
    keeps_its_promises(Plan { sites: 60, per_lan: 60, seeds: 0, signers: 1 });
}

#[test]
fn five_hundred_sites_behind_four_seeds_keep_their_promises() {
    keeps_its_promises(Plan { sites: 500, per_lan: 2, seeds: 4, signers: 1 });
}

/// The same life twice, to the last step.
#[test]
fn a_seed_is_one_life() {
    let [one, other] = [patronus_sim::tell(11), patronus_sim::tell(11)];
    assert_eq!((one.step, one.now_ms, one.busiest), (other.step, other.now_ms, other.busiest));
    assert_ne!(patronus_sim::tell(12).step, one.step);
}
