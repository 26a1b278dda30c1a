//! From root to the service's own user with the capabilities of the manifest, and no way back.
//!
//! *Does*: empty the bounding set of all but the granted, change user and group, keep the granted ones across exec.
//! *Never does*: leave a supplementary group, or root's habit of regaining everything by exec.
//! *Spec*: `capabilities(7)`, sections "Effect of user ID changes" and "Ambient".
#![forbid(unsafe_code)]

use std::io;

use caps::{CapSet, CapsHashSet};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{CapabilitiesSecureBits, set_capabilities_secure_bits, set_no_new_privs};

use crate::manifest::Service;

/// Leaves this process with the service's user and capabilities.
///
/// # Errors
/// The first change that the kernel refused.
pub fn reduce(service: &Service) -> io::Result<()> {
    let granted: CapsHashSet = service.capabilities.iter().map(|capability| capability.0).collect();
    for capability in caps::runtime::thread_all_supported().difference(&granted) {
        caps::drop(None, CapSet::Bounding, *capability).map_err(last_error)?;
    }
    // Keep the permitted set over the change of user, for the ambient set below; exec clears this bit.
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::KEEP_CAPS
            | CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED,
    )?;
    let (uid, gid) = (Uid::from_raw(service.uid), Gid::from_raw(service.uid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    caps::set(None, CapSet::Effective, &CapsHashSet::new()).map_err(last_error)?;
    caps::set(None, CapSet::Permitted, &granted).map_err(last_error)?;
    caps::set(None, CapSet::Inheritable, &granted).map_err(last_error)?;
    caps::set(None, CapSet::Ambient, &granted).map_err(last_error)?;
    set_no_new_privs(true)?;
    Ok(())
}

/// What the kernel said: `CapsError` has only words.
fn last_error(_: caps::errors::CapsError) -> io::Error {
    io::Error::last_os_error()
}
