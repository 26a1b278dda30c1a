//! What is promised of a fleet: it agrees soon, says little when nothing happens, heals, and has no queue without end.

use patronus_mesh::Liveness;

use crate::{Fleet, Plan, Weather};

/// The promises: until all agree after a change, and what a site says when nothing happens.
const AGREE_MS: u64 = 10_000;
/// Of a cut on a LAN nobody is told when it heals: until the next announcement and its answer.
const HEAL_MS: u64 = 40_000;
/// Silence of a tunnel, less than two keepalives after the last word.
const DEAD_MS: u64 = 180_000;
const IDLE_BYTES_PER_S: u64 = 1_000;
/// A path that is neither good nor broken.
const SHOWERS: Weather = Weather { lost: 20, doubled: 5, lan_ms: 1, wan_ms: 60, jitter_ms: 30 };

/// Ends a membership.
fn revoke_one(fleet: &mut Fleet, signer: u32, site: u32) {
    let (id, now) = (fleet.sites[site as usize].id, fleet.sites[signer as usize].now(fleet.now_ms));
    fleet.sites[signer as usize].revoke(id, now).unwrap();
    fleet.check.handle_revoked(id);
    fleet.poke(signer);
}

fn agree(fleet: &mut Fleet, longest_ms: u64, what: &str) {
    let Some(took_ms) = fleet.run_until_holds(longest_ms, Fleet::is_of_one_mind) else {
        panic!("not of one mind after {longest_ms} ms: {what}")
    };
    println!("{what}: of one mind after {took_ms} ms");
}

/// What sites say when nothing happens.
fn idle(fleet: &mut Fleet) {
    fleet.run_until(fleet.now_ms + 60_000);
    fleet.meter.clear();
    let idle_s = 90;
    fleet.run_until(fleet.now_ms + idle_s * 1_000);
    let (all, most) = fleet.meter.read();
    let each = all / idle_s / fleet.sites.len() as u64;
    println!("idle: {each} bytes/s a site, {} the one that says most", most / idle_s);
    assert!(each <= IDLE_BYTES_PER_S);
}

/// The only seed, which is a signer, too, is gone for ever; translators of all kinds stand before the others. What the second signer signs and
/// where sites move reaches all through tunnels.
///
/// # Panics
/// If it does not.
pub fn keep_without_seeds(sites: u32) {
    let mut fleet = Fleet::new(1, Plan { sites, per_lan: 1, seeds: 1, signers: 2, nat: true }, SHOWERS);
    fleet.run_until_holds(60_000, Fleet::all_know_all).expect("all find all");
    let dead = fleet.sites[0].id;
    fleet.crash(0);
    let died_ms = fleet.now_ms;
    revoke_one(&mut fleet, 1, sites - 1);
    agree(&mut fleet, AGREE_MS, "a revocation without seeds");
    fleet.move_uplink(sites / 2);
    let took_ms = fleet.run_until_holds(AGREE_MS, Fleet::all_know_all).expect("all hear where it is");
    println!("a site that has moved: known to all after {took_ms} ms");
    let is_noticed = |fleet: &Fleet| {
        let heard = fleet.honest().filter_map(|site| site.mesh()?.book().get(&dead));
        heard.map(|heard| heard.liveness).all(|liveness| liveness == Liveness::Inactive)
    };
    fleet.run_until_holds(DEAD_MS, is_noticed).expect("all see that it is silent");
    println!("a site that is dead: known to all after {} ms", fleet.now_ms - died_ms);
    idle(&mut fleet);
}

/// All of it, with a fleet of this size.
///
/// # Panics
/// If one is not kept.
pub fn keep(plan: Plan) {
    let mut fleet = Fleet::new(1, plan, SHOWERS);
    let took_ms = fleet.run_until_holds(60_000, Fleet::all_know_all).expect("all find all");
    println!("{} sites: all know all after {took_ms} ms", plan.sites);
    revoke_one(&mut fleet, 0, plan.sites - 1);
    agree(&mut fleet, AGREE_MS, "a revocation");

    idle(&mut fleet);
    // What waits when nothing happens: the next deadline of each site, and each end's watch of each of its connections.
    let waiting = fleet.under_way();
    assert!(waiting <= plan.sites as usize * 16, "{waiting} things wait");

    // A third is cut off while somebody is revoked on the other side.
    for site in plan.sites / 3..plan.sites * 2 / 3 {
        fleet.put(site, 1);
    }
    fleet.run_until(fleet.now_ms + 1_000);
    revoke_one(&mut fleet, 0, plan.sites - 2);
    fleet.run_until(fleet.now_ms + 20_000);
    assert!(!fleet.is_of_one_mind(), "nothing was cut");
    fleet.heal();
    agree(&mut fleet, HEAL_MS, "a cut that healed");
    println!(
        "{} steps, {} things under way at most, refused: {:?}",
        fleet.step,
        fleet.busiest,
        crate::refusals(fleet.sites.iter())
    );
}
