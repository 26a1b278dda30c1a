//! A random life of a small fleet: first everything goes wrong, then nothing, and then all must be well.
//!
//! *Does*: from one seed make the fleet, ten minutes of mischief, and three of peace.
//! *Never does*: break what the design does not promise to survive: a signer's clock is wrong by hours at most, and a signer's disk is not lost.

use crate::{
    disk::Disk,
    fleet::{Fleet, Plan},
    moment,
    site::{Crash, Site},
    wires::Weather,
};

/// How long everything goes wrong.
const MISCHIEF_MS: u64 = 600_000;
/// In this time all must be well again. Records are compared after two announcements at the latest; a seed is called again within a minute.
const PEACE_MS: u64 = 180_000;
/// Sites beyond these are not added.
const SITES: usize = 40;
/// Hours by which a clock jumps: a signer's, and any other's.
const SIGNER_JUMP_H: u64 = 12;
const JUMP_H: u64 = 24 * 45;

/// Tells the story of a seed.
///
/// If a step is watched for, the story ends there.
///
/// # Panics
/// If something did not hold.
pub fn tell(seed: u64) -> Fleet {
    let mut fleet = begin(seed);
    let mut acts = Acts::default();
    while fleet.now_ms < MISCHIEF_MS {
        let pause_ms = fleet.dice.between(10, 4_000);
        fleet.run_until(fleet.now_ms + pause_ms);
        if moment::is_over() {
            return fleet;
        }
        acts.one(&mut fleet);
    }
    make_peace(&mut fleet);
    let took_ms = fleet.run_until_holds(PEACE_MS, |fleet| fleet.is_of_one_mind() && fleet.all_know_all());
    if moment::is_over() {
        return fleet;
    }
    assert!(took_ms.is_some(), "all was whole for {PEACE_MS} ms, and they do not agree:\n{}", differences(&fleet));
    check_end(&fleet);
    fleet
}

fn begin(seed: u64) -> Fleet {
    let mut dice = crate::Dice::new(seed);
    let sites = dice.between(3, 24) as u32;
    let per_lan = dice.between(1, u64::from(sites)) as u32;
    let lans = sites.div_ceil(per_lan);
    // Who shares no LAN needs a seed.
    let seeds = if lans > 1 { dice.between(1, 3).min(u64::from(sites)) as u32 } else { 0 };
    let plan = Plan { sites, per_lan, seeds, signers: dice.between(1, 2) as u32, nat: dice.per_mille(500) };
    let weather = random_weather(&mut dice);
    Fleet::new(dice.any(), plan, weather)
}

fn random_weather(dice: &mut crate::Dice) -> Weather {
    Weather {
        lost: dice.one_of(&[0, 10, 50, 300]),
        doubled: dice.one_of(&[0, 100]),
        lan_ms: 1,
        wan_ms: dice.one_of(&[5, 30, 300]),
        jitter_ms: dice.one_of(&[1, 20, 400]),
    }
}

/// What has been done and must be undone.
#[derive(Debug, Default)]
struct Acts {
    off: Vec<u32>,
    names: u32,
}

impl Acts {
    fn one(&mut self, fleet: &mut Fleet) {
        let site = fleet.dice.below(fleet.sites.len() as u64) as u32;
        match fleet.dice.below(16) {
            0 | 1 => split(fleet),
            2 | 3 => fleet.heal(),
            4 => self.cut_power(fleet, site),
            5 => self.cut_power_in_a_step(fleet, site),
            6 | 7 => self.turn_on(fleet),
            8 => fleet.move_uplink(site),
            9 => self.rename(fleet, site),
            10 if site.is_multiple_of(3) => revoke(fleet, site),
            11 => jump_clock(fleet, site),
            12 => fleet.weather = random_weather(&mut fleet.dice),
            13 => attack(fleet),
            14 => add_site(fleet),
            15 => lose_disk(fleet, site),
            _ => {}
        }
    }

    fn cut_power(&mut self, fleet: &mut Fleet, site: u32) {
        if fleet.sites[site as usize].running.is_some() {
            fleet.crash(site);
            self.off.push(site);
        }
    }

    fn cut_power_in_a_step(&mut self, fleet: &mut Fleet, site: u32) {
        if fleet.sites[site as usize].running.is_some() {
            let crash = fleet.dice.one_of(&[Crash::BeforeWriting, Crash::BetweenWrites]);
            fleet.crash_within_next_step(site, crash);
            self.off.push(site);
        }
    }

    fn turn_on(&mut self, fleet: &mut Fleet) {
        if let Some(site) = self.off.pop() {
            turn_on(fleet, site);
        }
    }

    fn rename(&mut self, fleet: &mut Fleet, site: u32) {
        let id = fleet.sites[site as usize].id;
        self.names += 1;
        let name = format!("renamed-{}", self.names).parse().expect("a name");
        let Some(signer) = running_signer(fleet) else { return };
        let now = fleet.sites[signer as usize].now(fleet.now_ms);
        // A signer may not know the site yet, or know that it is revoked.
        let _ = fleet.sites[signer as usize].rename(id, name, now);
        fleet.poke(signer);
    }
}

fn split(fleet: &mut Fleet) {
    let sides = fleet.dice.between(2, 3);
    for site in 0..fleet.sites.len() as u32 {
        let side = fleet.dice.below(sides) as u32;
        fleet.put(site, side);
    }
}

fn turn_on(fleet: &mut Fleet, site: u32) {
    if fleet.sites[site as usize].running.is_none() {
        fleet.boot(site);
    }
}

fn running_signer(fleet: &mut Fleet) -> Option<u32> {
    let able: Vec<u32> = fleet.members().filter(|site| site.signer().is_some()).map(|site| site.number).collect();
    (!able.is_empty()).then(|| fleet.dice.one_of(&able))
}

/// Whom the network can do without: no signer, no seed that new sites are told of.
fn revoke(fleet: &mut Fleet, site: u32) {
    let here = &fleet.sites[site as usize];
    let (id, is_needed) = (here.id, here.signer().is_some() || site < 3);
    let Some(signer) = running_signer(fleet).filter(|_| !is_needed) else { return };
    let now = fleet.sites[signer as usize].now(fleet.now_ms);
    if fleet.sites[signer as usize].revoke(id, now).is_ok() {
        fleet.check.handle_revoked(id);
        fleet.poke(signer);
    }
}

fn jump_clock(fleet: &mut Fleet, site: u32) {
    let is_signer = fleet.sites[site as usize].signer().is_some();
    let hours = if is_signer { SIGNER_JUMP_H } else { JUMP_H };
    let skew_s = fleet.dice.below(hours * 3_600) as i64;
    fleet.sites[site as usize].skew_s = if fleet.dice.per_mille(500) { skew_s } else { -skew_s };
    fleet.poke(site);
}

fn attack(fleet: &mut Fleet) {
    let count = fleet.dice.one_of(&[1, 20, 300]);
    match fleet.dice.below(3) {
        0 => fleet.replay(count),
        1 => fleet.forge(count),
        _ => fleet.flood(count),
    }
}

fn add_site(fleet: &mut Fleet) {
    if fleet.sites.len() >= SITES {
        return;
    }
    let number = fleet.sites.len() as u32;
    let lan = fleet.sites[fleet.dice.below(u64::from(number)) as usize].lan;
    let site = fleet.add(lan, Disk::default());
    fleet.boot(site);
    invite(fleet, site);
}

/// A person makes a token on a signer's box and carries it to this one.
fn invite(fleet: &mut Fleet, site: u32) {
    let Some(signer) = running_signer(fleet) else { return };
    let now = fleet.sites[signer as usize].now(fleet.now_ms);
    let token = fleet.sites[signer as usize].make_token(site, fleet.seeds.clone(), now, &mut fleet.dice);
    let Ok(token) = token else { return };
    let here: &mut Site = &mut fleet.sites[site as usize];
    let joiner = here.joiner(token, here.now(fleet.now_ms), &mut fleet.dice);
    here.join(joiner);
    fleet.poke(site);
}

/// The store was damaged: the box is in no network, keeps its identity, and joins again.
fn lose_disk(fleet: &mut Fleet, site: u32) {
    let here = &mut fleet.sites[site as usize];
    if here.signer().is_some() || here.running.is_none() {
        return;
    }
    fleet.crash(site);
    fleet.sites[site as usize].disk = Disk::default();
    fleet.boot(site);
    invite(fleet, site);
}

/// Everything is on and whole, clocks are right; whoever could not join gets another token.
fn make_peace(fleet: &mut Fleet) {
    fleet.weather = Weather::FAIR;
    fleet.heal();
    for site in 0..fleet.sites.len() as u32 {
        fleet.sites[site as usize].skew_s = 0;
        turn_on(fleet, site);
        fleet.poke(site);
        turn_on(fleet, site);
    }
    for site in 0..fleet.sites.len() as u32 {
        let here = &fleet.sites[site as usize];
        if here.mesh().is_none() && !fleet.check.is_revoked(&here.id) {
            invite(fleet, site);
        }
    }
}

/// Besides being equal, the rosters must be the right ones.
fn check_end(fleet: &Fleet) {
    for site in fleet.honest() {
        let mesh = site.mesh().expect("a member");
        for other in fleet.sites.iter().filter(|other| fleet.check.is_revoked(&other.id)) {
            assert!(mesh.roster().is_revoked(&other.id), "site {} does not know who is revoked", site.number);
        }
        for other in fleet.honest() {
            let standing = mesh.members().get(&other.id).map(|member| member.standing);
            assert_eq!(standing, Some(patronus_mesh::Standing::Valid), "site {} of site {}", site.number, other.number);
        }
    }
}

fn differences(fleet: &Fleet) -> String {
    let digest = |site: &Site| site.mesh().map(|mesh| mesh.roster_digest()[0]);
    let lines = fleet.sites.iter().map(|site| {
        let book = site.mesh().map_or(0, |mesh| mesh.book().iter().count());
        let revoked = fleet.check.is_revoked(&site.id);
        format!(
            "  site {} lan {} epoch {:?} roster {:?} book {book} revoked {revoked}",
            site.number,
            site.lan,
            site.boot_epoch(),
            digest(site)
        )
    });
    let lines: Vec<String> = lines.collect();
    format!("{}\n  refused: {:?}", lines.join("\n"), crate::refusals(fleet.sites.iter()))
}
