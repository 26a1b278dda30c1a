//! The probe: put in place of a service, it tries from inside that service's sandbox what the service must not do.
//!
//! *Does*: say that it is ready, make each attempt once, print a sum and a line for each, stay alive.
//! *Never does*: try what the manifest grants on purpose, which it knows from its own capabilities; harm the machine when an
//! attempt succeeds, beyond showing that it can.
//! *Spec*: `docs/adr/0002-manifest.md`, section "Proof".

use std::{io, path::PathBuf, process::ExitCode, thread, time::Duration};

use rustix::thread::CapabilitySet;

mod attempts;
mod sys;

/// Where the probe finds itself.
pub(crate) struct Place {
    service: String,
    state_dir: Option<PathBuf>,
    sockets: PathBuf,
    capabilities: CapabilitySet,
}

/// How an attempt ended.
enum End {
    /// As it should.
    Refused(io::Error),
    /// The sandbox has a hole. The error is what came after the hole, if anything.
    Allowed(Option<io::Error>),
    /// Granted on purpose, or there is nobody to ask.
    LeftOut,
}

fn main() -> ExitCode {
    let Some(place) = Place::from_env() else {
        eprintln!("probe: started by init only, in place of a service");
        return ExitCode::FAILURE;
    };
    sys::end_on_termination();
    if !sys::say_ready() {
        println!("probe {}: cannot say that it is ready", place.service);
    }
    report(&place);
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Makes every attempt. The sum and the holes come first, because the console shows only the beginning of what a service says.
fn report(place: &Place) {
    let (mut refused, mut allowed) = (Vec::new(), Vec::new());
    for attempt in attempts::all() {
        let name = attempt.name;
        match attempt.make(place) {
            End::LeftOut => {}
            End::Refused(error) => refused.push(format!("{name}: refused ({})", errno_name(&error))),
            End::Allowed(error) => {
                let then = error.map(|error| format!(" ({})", errno_name(&error))).unwrap_or_default();
                allowed.push(format!("{name}: ALLOWED{then}"));
            }
        }
    }
    println!("probe {}: {} refused, {} allowed", place.service, refused.len(), allowed.len());
    for line in allowed.iter().chain(&refused) {
        println!("probe {}: {line}", place.service);
    }
}

impl Place {
    fn from_env() -> Option<Self> {
        Some(Self {
            service: std::env::var("PATRONUS_SERVICE").ok()?,
            state_dir: std::env::var_os("PATRONUS_STATE_DIR").map(PathBuf::from),
            sockets: std::env::var_os("PATRONUS_IPC_DIR")?.into(),
            capabilities: rustix::thread::capabilities(None).ok()?.effective,
        })
    }
}

fn errno_name(error: &io::Error) -> String {
    let name = |number| format!("{:?}", nix::errno::Errno::from_raw(number));
    error.raw_os_error().map_or_else(|| error.to_string(), name)
}
