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

fn measure(what: &str, plan: Plan) {
    let began = std::time::Instant::now();
    let mut fleet = Fleet::new(1, plan, Weather::FAIR);
    let took = fleet.run_until_holds(120_000, Fleet::all_know_all);
    println!(
        "{what}: all know all after {took:?} ms, {} steps, busiest {}, sent {:?}, cpu {:?}",
        fleet.step,
        fleet.busiest,
        fleet.meter.read(),
        began.elapsed()
    );
    println!("{:?}", patronus_sim::refusals(fleet.sites.iter()));
    fleet.run_until(fleet.now_ms + 60_000);
    fleet.meter.clear();
    fleet.run_until(fleet.now_ms + 120_000);
    let (sum, most) = fleet.meter.read();
    println!(
        "{what}: idle {} bytes/s per site, {} the most; cpu {:?}",
        sum / 120 / u64::from(plan.sites),
        most / 120,
        began.elapsed()
    );
    fleet.meter.clear();
    revoke(&mut fleet, plan.sites - 1);
    let took = fleet.run_until_holds(120_000, Fleet::is_of_one_mind);
    fleet.run_until(fleet.now_ms + 30_000);
    println!(
        "{what}: of one mind after {took:?} ms, sent {:?}, busiest {}; cpu {:?}",
        fleet.meter.read(),
        fleet.busiest,
        began.elapsed()
    );
    println!("{:?}", patronus_sim::refusals(fleet.sites.iter()));
}

#[test]
fn m_seeds() {
    measure("100 by seeds", Plan { sites: 100, per_lan: 2, seeds: 4, signers: 1 });
    measure("500 by seeds", Plan { sites: 500, per_lan: 2, seeds: 4, signers: 1 });
}

#[test]
fn m_lan() {
    measure("100 on a lan", Plan { sites: 100, per_lan: 100, seeds: 0, signers: 1 });
    measure("500 on a lan", Plan { sites: 500, per_lan: 500, seeds: 0, signers: 1 });
}
