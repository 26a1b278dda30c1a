//! The loop of PID 1. To be written.

use crate::{machine::Machine, shutdown::End};

/// Runs the services until the machine is to stop; all of them have ended when this returns.
#[must_use]
pub fn run(machine: Machine) -> End {
    let _ = machine;
    End::Reboot
}
