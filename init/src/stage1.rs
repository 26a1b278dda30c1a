//! Stage 1. To be written.

/// Whether `/` is the initramfs.
#[must_use]
pub fn is_initramfs() -> bool {
    false
}

/// Finds, verifies and mounts the root, and hands over. Does not return.
pub fn run() -> ! {
    std::process::abort()
}
