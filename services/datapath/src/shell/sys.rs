//! The one place that needs `unsafe`: keys and values of maps are bytes to the library, and it does not read many at once.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, BorrowedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::{Pod, maps::MapData};
use patronus_ebpf_abi::{
    Flow, FlowKey, Lan, Outside, Owner, Uplink,
    answer::Answer,
    forward::Forward,
    guard::Guard,
    policy::Logged,
    six::{Flow6, FlowKey6, Lan6},
    steer::{Group, Stuck},
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

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
// SAFETY: as above.
unsafe impl Pod for Raw<Forward> {}
// SAFETY: as above.
unsafe impl Pod for Raw<FlowKey6> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Lan6> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Guard> {}

// SAFETY: as above.
unsafe impl Pod for Raw<Group> {}
// SAFETY: as above.
unsafe impl Pod for Raw<Stuck> {}

/// The words of the paths, in memory that the programs read.
#[derive(Debug)]
pub(crate) struct Words(&'static [AtomicU64]);

impl Words {
    /// Maps the array for as long as the process lives.
    pub(crate) fn map(array: &MapData, count: u32) -> io::Result<Self> {
        let count = count as usize;
        let (bytes, rights) = (count * size_of::<u64>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping at a place of the kernel's choice, never unmapped; the kernel refuses one that is longer than the array. Zeros and
        // whatever else stands there are numbers; everybody who uses them does so in one instruction.
        unsafe {
            let place = mmap(std::ptr::null_mut(), bytes, rights, MapFlags::SHARED, array.fd().as_fd(), 0)?;
            Ok(Self(std::slice::from_raw_parts(place.cast::<AtomicU64>(), count)))
        }
    }

    /// One store.
    pub(crate) fn store(&self, number: u32, word: u64) {
        if let Some(place) = self.0.get(number as usize) {
            place.store(word, Ordering::Release);
        }
    }
}

/// The finished answers of all processors, in memory that the programs write.
#[derive(Debug)]
pub(crate) struct Answers {
    memory: &'static [[AtomicU64; ANSWER_WORDS]],
    of_one: usize,
}

const ANSWER_WORDS: usize = size_of::<Answer>() / size_of::<u64>();

impl Answers {
    /// Maps the array for as long as this lives.
    pub(crate) fn map(array: &MapData, of_one: u32) -> io::Result<Self> {
        let count = array.info().map_err(io::Error::other)?.max_entries() as usize;
        // SAFETY: as for `Words`, only that nobody writes here; nothing outside has a reference into it, and `drop` ends it.
        let memory = unsafe {
            let bytes = count * size_of::<Answer>();
            let place = mmap(std::ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, array.fd().as_fd(), 0)?;
            std::slice::from_raw_parts(place.cast(), count)
        };
        Ok(Self { memory, of_one: of_one as usize })
    }

    /// What each processor has in this place.
    pub(crate) fn all_at(&self, place: u32) -> impl Iterator<Item = Answer> {
        let place = place as usize & (self.of_one - 1);
        self.memory.iter().skip(place).step_by(self.of_one).map(|words| {
            let words = words.each_ref().map(|word| word.load(Ordering::Relaxed));
            // SAFETY: integers in cells, for which all bit patterns are valid, and as many bytes.
            unsafe { std::mem::transmute::<[u64; ANSWER_WORDS], Answer>(words) }
        })
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // SAFETY: what `map` has mapped, whole; nobody has a reference any more.
        let _ = unsafe { munmap(self.memory.as_ptr().cast_mut().cast(), size_of_val(self.memory)) };
    }
}

/// A [`Flow`] as it comes out of its map.
pub(crate) type FlowBytes = [u8; size_of::<Flow>()];
/// A [`Flow6`].
pub(crate) type Flow6Bytes = [u8; size_of::<Flow6>()];
/// An [`Owner`].
pub(crate) type OwnerBytes = [u8; size_of::<Owner>()];

pub(crate) fn flow(bytes: FlowBytes) -> Flow {
    // SAFETY: integers in cells, for which all bit patterns are valid, and as many bytes.
    unsafe { std::mem::transmute(bytes) }
}

pub(crate) fn flow6(bytes: Flow6Bytes) -> Flow6 {
    // SAFETY: as above.
    unsafe { std::mem::transmute(bytes) }
}

pub(crate) fn owner(bytes: OwnerBytes) -> Owner {
    // SAFETY: as above.
    unsafe { std::mem::transmute(bytes) }
}

/// What a rule has noted, as it comes out of the ring.
pub(crate) fn logged(bytes: &[u8]) -> Option<Logged> {
    let bytes: [u8; size_of::<Logged>()] = bytes.try_into().ok()?;
    // SAFETY: integers, for which all bit patterns are valid, and as many bytes.
    Some(unsafe { std::mem::transmute::<[u8; size_of::<Logged>()], Logged>(bytes) })
}

/// `BPF_MAP_LOOKUP_BATCH` of `linux/bpf.h`.
const LOOKUP_BATCH: libc::c_int = 24;

/// `union bpf_attr`, as that command takes it.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    entry_flags: u64,
    flags: u64,
}

/// Reads the next entries of a hash table, as many as `keys` and `values` have room for and at most as many as there are in whole buckets, and moves
/// `place` on. Whether those were the last. Reading does not count as use: what is read is not kept for it.
///
/// # Errors
/// `ENOSPC` if a bucket has more than there is room for; whatever else the kernel says.
pub(crate) fn read_batch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    place: &mut Option<u32>,
    keys: &mut Vec<K>,
    values: &mut Vec<V>,
) -> io::Result<bool> {
    keys.clear();
    values.clear();
    let (from, mut next) = (place.unwrap_or_default(), 0_u32);
    let mut batch = Batch {
        in_batch: if place.is_some() { (&raw const from) as u64 } else { 0 },
        out_batch: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: u32::try_from(keys.capacity().min(values.capacity())).unwrap_or(u32::MAX),
        map: map.as_raw_fd().cast_unsigned(),
        entry_flags: 0,
        flags: 0,
    };
    // SAFETY: the kernel reads and writes the struct, four bytes of each place, and at most `count` keys and values of the map's own sizes,
    // which are those of `K` and `V`: the library has compared them when it took the map as one of these. All of it lives until the call returns.
    let said = unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut batch, size_of::<Batch>()) };
    let failed = (said != 0).then(io::Error::last_os_error);
    let is_last = failed.as_ref().is_some_and(|error| error.raw_os_error() == Some(libc::ENOENT));
    if let Some(error) = failed.filter(|_| !is_last) {
        return Err(error);
    }
    *place = Some(next);
    // SAFETY: the kernel has written so many, for which all bit patterns are valid, and not more than there was room for.
    unsafe {
        keys.set_len(batch.count as usize);
        values.set_len(batch.count as usize);
    }
    Ok(is_last)
}
