//! The layout in one number.
//!
//! *Does*: at compile time, compare each size with what it must be and hash sizes and offsets.
//! *Never does*: change with anything but the layout: a service that is built anew finds its maps again.

use core::mem::offset_of;

use crate::{
    Endpoint, Flow, FlowKey, Inside, Lan, Outside, Owner, Reason, Uplink,
    answer::Answer,
    forward::Forward,
    guard::{Guard, Source},
    part::{Part, PartKey},
    policy::Logged,
    six::{Flow6, FlowKey6, Lan6},
    state, steer,
    twin::TwinKey,
};

/// Raise it when the meaning of a field changes and no offset does.
const MEANING: usize = 1;

/// Hash of all layouts.
pub const LAYOUT: u64 = hash(&[
    MEANING,
    size_of::<Endpoint>(),
    offset_of!(Endpoint, port),
    size_of::<FlowKey>(),
    offset_of!(FlowKey, remote),
    offset_of!(FlowKey, protocol),
    size_of::<Flow>(),
    offset_of!(Flow, bytes_out),
    offset_of!(Flow, packets_in),
    offset_of!(Flow, bytes_in),
    offset_of!(Flow, began_s),
    offset_of!(Flow, ends_s),
    offset_of!(Flow, outside),
    offset_of!(Flow, slot),
    offset_of!(Flow, state),
    offset_of!(Flow, generation),
    offset_of!(Flow, rule),
    offset_of!(Flow, opening),
    size_of::<Outside>(),
    size_of::<Owner>(),
    offset_of!(Owner, ends_s),
    size_of::<Inside>(),
    offset_of!(Inside, outside),
    size_of::<Uplink>(),
    offset_of!(Uplink, index),
    offset_of!(Uplink, mtu),
    size_of::<Lan>(),
    offset_of!(Lan, address),
    size_of::<Logged>(),
    size_of::<Answer>(),
    offset_of!(Answer, until),
    offset_of!(Answer, slot),
    offset_of!(Answer, bytes),
    size_of::<Forward>(),
    offset_of!(Forward, first),
    offset_of!(Forward, sources),
    state::LASTING as usize,
    size_of::<FlowKey6>(),
    offset_of!(FlowKey6, remote),
    offset_of!(FlowKey6, protocol),
    size_of::<Flow6>(),
    offset_of!(Flow6, began_s),
    offset_of!(Flow6, slot),
    offset_of!(Flow6, state),
    offset_of!(Flow6, generation),
    offset_of!(Flow6, rule),
    offset_of!(Flow6, opening),
    size_of::<Lan6>(),
    size_of::<PartKey>(),
    size_of::<Part>(),
    Reason::ALL.len(),
    steer::SIZES[0],
    steer::SIZES[1],
    steer::SIZES[2],
    steer::SIZES[3],
    steer::SIZES[4],
    size_of::<TwinKey>(),
    size_of::<Guard>(),
    offset_of!(Guard, spacing_ns),
    size_of::<Source>(),
    offset_of!(Source, opening),
]);

const _: () = {
    assert!(size_of::<Endpoint>() == 8);
    assert!(size_of::<FlowKey>() == 20);
    assert!(size_of::<Flow>() == 64);
    assert!(size_of::<Outside>() == 12);
    assert!(size_of::<Owner>() == 16);
    assert!(size_of::<Inside>() == 16);
    assert!(size_of::<Uplink>() == 16);
    assert!(size_of::<Lan>() == 16);
    assert!(size_of::<Logged>() == 24);
    assert!(size_of::<Answer>() == 64);
    assert!(size_of::<Forward>() == 88);
    assert!(size_of::<FlowKey6>() == 56);
    assert!(size_of::<Flow6>() == 56);
    assert!(size_of::<Lan6>() == 32);
    assert!(size_of::<PartKey>() == 12);
    assert!(size_of::<Part>() == 24);
    assert!(size_of::<TwinKey>() == 20);
    assert!(size_of::<Guard>() == 24);
    assert!(size_of::<Source>() == 16);
};

/// FNV-1a, 64 bits.
const fn hash(numbers: &[usize]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut left = numbers;
    while let [first, rest @ ..] = left {
        hash = (hash ^ *first as u64).wrapping_mul(0x0000_0100_0000_01b3);
        left = rest;
    }
    hash
}
