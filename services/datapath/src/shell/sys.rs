//! The one place that needs `unsafe`: keys and values of maps are bytes to the library.
#![allow(unsafe_code)]

use aya::Pod;
use patronus_ebpf_abi::{Flow, FlowKey, Lan, Outside, Owner, Uplink};

/// A key or value that is copied into a map and out of it.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Raw<T: Copy>(pub(crate) T);

// SAFETY: all of these are `repr(C)`, made of integers, and without padding, which `ebpf/abi` asserts by their sizes.
unsafe impl Pod for Raw<FlowKey> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Outside> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Uplink> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Lan> {}

/// A [`Flow`] as it comes out of its map.
pub(crate) type FlowBytes = [u8; size_of::<Flow>()];
/// An [`Owner`].
pub(crate) type OwnerBytes = [u8; size_of::<Owner>()];

pub(crate) fn flow(bytes: FlowBytes) -> Flow {
    // SAFETY: integers in cells, for which all bit patterns are valid, and as many bytes.
    unsafe { std::mem::transmute(bytes) }
}

pub(crate) fn owner(bytes: OwnerBytes) -> Owner {
    // SAFETY: as above.
    unsafe { std::mem::transmute(bytes) }
}
