//! What our tunnel and another implementation of WireGuard must manage together, as a list.
//!
//! *Does*: name each scenario and run it, with network namespaces of the machine that it finds itself in.
//! *Never does*: run on a machine of people: some scenarios take many minutes, which only a machine whose clock jumps over idle
//! time makes short; see `tests/guest.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod scenario;

use patronus_lab::Implementation;

/// The far ends.
const IMPLEMENTATIONS: [(&str, Implementation<'static>); 2] =
    [("kernel", Implementation::Kernel), ("go", Implementation::Program(&["wireguard-go", "-f"]))];
/// Who opens the first session.
const BEGINNERS: [(&str, bool); 2] = [("we_begin", false), ("they_begin", true)];

type Run = fn(Implementation<'static>, bool);

/// One scenario, ready to run. It panics if something does not hold.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    run: Run,
    implementation: Implementation<'static>,
    they_begin: bool,
}

impl Scenario {
    /// Runs it.
    pub fn run(self) {
        (self.run)(self.implementation, self.they_begin);
    }
}

/// Every scenario with its name: what happens, with whom, and who begins.
#[must_use]
pub fn all() -> Vec<(String, Scenario)> {
    let mut all = Vec::new();
    for (what, run) in scenario::ALL {
        for (with, implementation) in IMPLEMENTATIONS {
            for (who, they_begin) in BEGINNERS {
                all.push((format!("{what}_with_{with}_{who}"), Scenario { run, implementation, they_begin }));
            }
        }
    }
    all
}
