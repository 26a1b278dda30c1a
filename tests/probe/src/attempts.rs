//! The list of attempts, by what they are after.
#![forbid(unsafe_code)]

use std::io;

use rustix::thread::CapabilitySet;

use crate::{End, Place};

mod files;
mod kernel;
mod network;
mod processes;

/// One attempt.
pub(crate) struct Attempt {
    /// What is tried.
    pub(crate) name: &'static str,
    /// With this capability it is granted on purpose.
    granted_by: CapabilitySet,
    run: fn(&Place) -> io::Result<Outcome>,
}

/// How far an attempt came that met no error.
enum Outcome {
    /// It has what it wanted.
    Done,
    /// There is nobody to ask.
    NobodyThere,
}

/// What a refusal looks like: not permitted, not visible, no such call, no such process, closed door. Anything else means that
/// the attempt got past the sandbox.
const REFUSALS: [i32; 10] = [
    libc::EPERM,
    libc::EACCES,
    libc::ENOENT,
    libc::ENOSYS,
    libc::EROFS,
    libc::ESRCH,
    libc::EBADF,
    libc::ECONNRESET,
    libc::EPIPE,
    libc::EAFNOSUPPORT,
];

/// Everything that is tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Attempt> {
    [files::ATTEMPTS, processes::ATTEMPTS, network::ATTEMPTS, kernel::ATTEMPTS].into_iter().flatten()
}

impl Attempt {
    const fn new(name: &'static str, run: fn(&Place) -> io::Result<Outcome>) -> Self {
        Self { name, granted_by: CapabilitySet::empty(), run }
    }

    const fn unless(mut self, capability: CapabilitySet) -> Self {
        self.granted_by = capability;
        self
    }

    pub(crate) fn make(&self, place: &Place) -> End {
        if place.capabilities.intersects(self.granted_by) {
            return End::LeftOut;
        }
        match (self.run)(place) {
            Ok(Outcome::Done) => End::Allowed(None),
            Ok(Outcome::NobodyThere) => End::LeftOut,
            Err(error) if error.raw_os_error().is_some_and(|number| REFUSALS.contains(&number)) => End::Refused(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::Refused(error),
            Err(error) => End::Allowed(Some(error)),
        }
    }
}

/// What is done if the system call succeeds.
fn call(number: libc::c_long, arguments: &[crate::sys::Word<'_>]) -> io::Result<Outcome> {
    crate::sys::call(number, arguments).map(|_| Outcome::Done)
}
