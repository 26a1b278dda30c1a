//! What `datapath` needs on a box that is no image: its object, and a place where the kernel keeps what is pinned.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Both, in the directory of the service's state; gone with their owner, and with them the programs.
#[derive(Debug)]
pub(crate) struct Pins(PathBuf);

impl Pins {
    /// `object` is what was built, `state` the service's directory.
    ///
    /// # Panics
    /// If there is no object.
    #[must_use]
    pub(crate) fn new(object: &Path, state: &Path) -> Self {
        std::fs::copy(object, state.join("datapath.o"))
            .expect("the object: cargo xtask image, or cargo xtask ebpf, builds it");
        let place = state.join("bpf");
        std::fs::create_dir(&place).unwrap();
        mount("bpf", &place, "bpf", MountFlags::empty(), Some(c"mode=0700")).unwrap();
        Self(place)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
