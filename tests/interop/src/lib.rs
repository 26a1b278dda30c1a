//! What our tunnel must manage with other implementations of WireGuard, and against a stranger, as a list.
//!
//! *Does*: name each scenario and run it, with network namespaces of the machine that it finds itself in.
//! *Never does*: run on a machine of people: some scenarios take many minutes, which only a machine whose clock jumps over idle
//! time makes short; see `tests/guest.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod flood;
mod scenario;

use std::panic::UnwindSafe;

use patronus_lab::Implementation;

/// The far ends.
const IMPLEMENTATIONS: [(&str, Implementation<'static>); 2] =
    [("kernel", Implementation::Kernel), ("go", Implementation::Program(&["wireguard-go", "-f"]))];
/// Who opens the first session.
const BEGINNERS: [(&str, bool); 2] = [("we_begin", false), ("they_begin", true)];

/// Where the machine has our program.
pub(crate) const TUNNEL: &str = "/bin/tunnel";

/// What happens, and how; it panics if something does not hold.
pub type Scenario = (String, Box<dyn FnOnce() + UnwindSafe>);

/// Every scenario with its name: what happens, and if it is not between our own, with whom, and who begins.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = Vec::new();
    for (what, run) in scenario::ALL {
        for (with, implementation) in IMPLEMENTATIONS {
            for (who, they_begin) in BEGINNERS {
                all.push((format!("{what}_with_{with}_{who}"), Box::new(move || run(implementation, they_begin))));
            }
        }
    }
    let flood = flood::an_established_tunnel_loses_at_most_one_packet_in_a_hundred;
    all.push(("an_established_tunnel_loses_at_most_one_packet_in_a_hundred".to_owned(), Box::new(flood)));
    all
}
