//! From what other services say to what the core must know.

use std::collections::BTreeSet;

use patronus_ipc::{config, prober::PathId, tunnel};
use patronus_prober::{Known, Word};
use patronus_types::UplinkSlot;
use patronus_wire::inner_address_beside;

/// The paths of `tunnel`, with what the document says of their uplinks.
pub(crate) fn known(state: &tunnel::State, metered: &BTreeSet<UplinkSlot>) -> Vec<Known> {
    let Some(own) = state.address else { return Vec::new() };
    let known = |path: &tunnel::PathState| Known {
        id: PathId { site: path.peer, local: path.local, remote: path.remote },
        address: inner_address_beside(own, path.peer),
        is_up: path.status == tunnel::PathStatus::Up,
        is_metered: metered.contains(&path.local),
        packets: path.sent.packets + path.received.packets,
    };
    state.paths.iter().map(known).collect()
}

/// What `tunnel` says of each path at this very moment.
pub(crate) fn words(state: &tunnel::State) -> Vec<Word> {
    let us = |ms: Option<u64>| ms.map(|ms| ms.saturating_mul(1_000));
    let word = |path: &tunnel::PathState| Word {
        id: PathId { site: path.peer, local: path.local, remote: path.remote },
        heard_ago_us: us(path.heard_ago_ms),
        left_ago_us: us(path.emptied_ago_ms),
    };
    state.paths.iter().map(word).collect()
}

/// Slots that pay for each byte.
pub(crate) fn metered(config: &config::State) -> BTreeSet<UplinkSlot> {
    let uplinks = config.claimed.iter().flat_map(|claimed| &claimed.document.uplinks);
    (0..).zip(uplinks).filter(|(_, uplink)| uplink.metered).filter_map(|(number, _)| UplinkSlot::new(number)).collect()
}
