//! The data partition.

/// Size and free space of the data file system, in bytes, now.
#[must_use]
pub fn usage() -> (u64, u64) {
    (0, 0)
}
