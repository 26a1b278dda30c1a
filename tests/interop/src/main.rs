//! PID 1 of the machine in which the scenarios run.
//!
//! *Does*: mount what programs expect, run each scenario, say on the console how it went, switch off.
//! *Never does*: anything unless it is PID 1.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, os::unix::fs::PermissionsExt as _, panic, time::Instant};

use rustix::{
    mount::{MountFlags, mount},
    system::{RebootCommand, reboot},
};

fn main() {
    assert_eq!(std::process::id(), 1, "this is the first program of a machine of its own");
    prepare();
    for (name, scenario) in patronus_interop::all() {
        let began = Instant::now();
        let word = if panic::catch_unwind(scenario).is_ok() { "passed" } else { "failed" };
        println!("{word} {name} after {} s", began.elapsed().as_secs());
    }
    reboot(RebootCommand::PowerOff).expect("the right to switch off");
}

/// What a distribution's first programs do, as far as `ip`, `wg` and a service look at it.
fn prepare() {
    for (kind, place) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("tmpfs", "/tmp")]
    {
        mount(kind, place, kind, MountFlags::empty(), None).expect(place);
    }
    for directory in ["/run/netns", "/run/wireguard"] {
        fs::create_dir_all(directory).expect(directory);
    }
    std::os::unix::fs::symlink("/proc/self/fd/0", "/dev/stdin").unwrap();
    std::os::unix::fs::symlink("/run", "/var/run").unwrap();
    // The service that opens it is nobody's root.
    fs::set_permissions("/dev/net/tun", fs::Permissions::from_mode(0o666)).unwrap();
}
