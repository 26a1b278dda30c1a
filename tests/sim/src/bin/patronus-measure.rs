//! `patronus-measure`: what the membership core costs, as `./scripts/bench mesh` asks for it: one line for each figure.
//!
//! *Does*: measure on one processor with the code of the image; values are made new for each run.
#![forbid(unsafe_code)]

use std::{hint::black_box, net::SocketAddr, time::Instant};

use anyhow::{Context, Result, ensure};
use ed25519_dalek::SigningKey;
use patronus_mesh::{Mesh, Now, Wallclock};
use patronus_sim::charter;
use patronus_wire::{Announcement, Body, Capabilities, IdentityKey, Message, Unverified, network_id};

const PEERS: u32 = 500;
/// Announcements of each peer in one run.
const EACH: u64 = 8;
/// Of the clock that the core is given, between two of them: its limits of rate are above that.
const GAP_MS: u64 = 2;
/// Cores at a time when memory is measured: one alone would drown in what the process takes anyway.
const CORES: usize = 8;

fn main() -> Result<()> {
    let keys: Vec<SigningKey> = (0..=PEERS).map(charter::key).collect();
    let said = said(&keys)?;
    println!("signatures_verified /s {}", verify(&keys, &said)?);
    println!("announcements_handled /s {}", handle(&keys, &said)?);
    println!("memory_per_peer B {}", memory(&keys, &said)?);
    Ok(())
}

/// What all peers say, one after another, again and again.
fn said(keys: &[SigningKey]) -> Result<Vec<(u32, Unverified<Announcement>)>> {
    let mut said = Vec::new();
    for sequence in 1..=EACH {
        for (number, key) in (0..).zip(keys).skip(1) {
            let announcement = Announcement {
                network: network_id(&charter::root()),
                site: charter::id(number),
                boot_epoch: 1,
                sequence,
                capabilities: Capabilities::default(),
                roster_digest: [0; 32],
                uplinks: charter::uplinks(number, 0),
            };
            said.push((number, announcement.sign(key)?.into_unverified()));
        }
    }
    Ok(said)
}

fn verify(keys: &[SigningKey], said: &[(u32, Unverified<Announcement>)]) -> Result<f64> {
    let public: Vec<IdentityKey> = keys.iter().map(IdentityKey::from).collect();
    let began = Instant::now();
    for (number, object) in said {
        black_box(object.clone().verify(public.get(*number as usize).context("a key")?)?);
    }
    Ok(said.len() as f64 / began.elapsed().as_secs_f64())
}

/// Datagrams, sealed, from each peer's own address: rate, seal, format, roster, signature, book.
fn handle(keys: &[SigningKey], said: &[(u32, Unverified<Announcement>)]) -> Result<f64> {
    let datagrams = said.iter().map(|(number, object)| {
        let sealed = charter::network_key().seal(&Message::Announce(object.clone()), [7; 24])?;
        Ok((charter::lan_address(*number), sealed))
    });
    let datagrams = datagrams.collect::<Result<Vec<(SocketAddr, Vec<u8>)>>>()?;
    let mut mesh = member(keys)?;
    let began = Instant::now();
    for (now_ms, (source, datagram)) in (0..).step_by(GAP_MS as usize).zip(&datagrams) {
        mesh.handle_datagram(*source, datagram, at(now_ms));
        while mesh.poll_transmit([9; 24]).is_some() {}
        while mesh.poll_event().is_some() {}
    }
    let took_s = began.elapsed().as_secs_f64();
    ensure!(mesh.refusals().total() == 0, "refused: {:?}", mesh.refusals().by_name());
    ensure!(mesh.book().iter().count() == PEERS as usize, "not all are known");
    Ok(datagrams.len() as f64 / took_s)
}

/// Of a member that knows all peers and has heard each.
fn memory(keys: &[SigningKey], said: &[(u32, Unverified<Announcement>)]) -> Result<f64> {
    let before = resident_bytes()?;
    let mut cores = Vec::new();
    for _ in 0..CORES {
        let mut mesh = member(keys)?;
        for (now_ms, (number, object)) in (0..).step_by(GAP_MS as usize).zip(said.iter().take(PEERS as usize)) {
            // As it comes from the wire: nothing of it is shared with another core.
            let object = Unverified::parse(object.as_bytes())?;
            mesh.handle_message(charter::lan_address(*number), Message::Announce(object), at(now_ms));
            while mesh.poll_event().is_some() {}
        }
        cores.push(mesh);
    }
    let grown = resident_bytes()?.saturating_sub(before);
    black_box(&cores);
    Ok(grown as f64 / CORES as f64 / f64::from(PEERS))
}

fn member(keys: &[SigningKey]) -> Result<Mesh> {
    let identity = keys.first().context("a key")?.clone();
    Ok(Mesh::new(identity, charter::roster(1, PEERS + 1, 0), charter::network_key(), 1, at(0)))
}

const fn at(ms: u64) -> Now {
    Now { ms, clock: Wallclock::Known(charter::BEGIN_S) }
}

/// Pages that the process really has.
fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
}
