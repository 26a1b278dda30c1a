//! Landlock: the rights of the manifest once more, by a second mechanism that needs no mount table.
//!
//! *Does*: refuse every file outside the visible paths, every execution but of the program itself, every TCP port that is not
//! listed, signals to and abstract sockets of anything outside the sandbox.
//! *Never does*: run a service on a kernel that cannot do all of this.
//! *Spec*: Linux `Documentation/userspace-api/landlock.rst`, ABI 6 (Linux 6.12).
#![forbid(unsafe_code)]

use std::{io, os::fd::AsFd, path::Path};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::paths::{Right, is_device, visible};
use crate::manifest::{Ports, Service};

const VERSION: ABI = ABI::V6;

/// Confines this process and its future program.
///
/// # Errors
/// If the kernel has no Landlock of this version, or refuses a rule.
pub fn enforce(service: &Service, program: impl AsFd) -> io::Result<()> {
    let status = restrict(service, program).map_err(|_| io::Error::last_os_error())?;
    if status == RulesetStatus::FullyEnforced { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn restrict(service: &Service, program: impl AsFd) -> Result<RulesetStatus, landlock::RulesetError> {
    // What is not handled is not limited.
    let ports: BitFlags<AccessNet> = match service.tcp_connect {
        Ports::Listed(_) => AccessNet::from_all(VERSION),
        Ports::All(_) => AccessNet::BindTcp.into(),
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(ports)?
        .scope(Scope::from_all(VERSION))?
        .create()?
        .add_rule(PathBeneath::new(program, AccessFs::Execute | AccessFs::ReadFile))?;
    for (path, right) in visible(service) {
        // What vanished since then needs no rule.
        let Ok(directory) = PathFd::new(&path) else { continue };
        let rights = if path.is_dir() { of(right) } else { of_file(&path, right) };
        ruleset = ruleset.add_rule(PathBeneath::new(directory, rights))?;
    }
    for port in &service.tcp_bind {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    if let Ports::Listed(listed) = &service.tcp_connect {
        for port in listed {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Requests to a device (`ioctl`) belong to writing it; which ones, the system call filter says.
fn of_file(path: &Path, right: Right) -> BitFlags<AccessFs> {
    let requests = if is_device(path) && right == Right::Write { AccessFs::IoctlDev.into() } else { BitFlags::empty() };
    (of(right) & AccessFs::from_file(VERSION)) | requests
}

fn of(right: Right) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match right {
        Right::Read => read,
        Right::Write => {
            read | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
        }
    }
}
