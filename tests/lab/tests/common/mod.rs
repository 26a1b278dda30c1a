//! What tests of whole sites share.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::path::PathBuf;

use patronus_ipc::mesh::{Reply, Request};
use patronus_lab::{Whole, carry};
use patronus_types::RootSecret;

/// The services' programs: `./scripts/test` says where it has built them.
pub fn programs() -> PathBuf {
    let named = std::env::var_os("PATRONUS_PROGRAMS").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned())
}

/// From a computer behind one site to one behind another.
pub fn tcp(from: &Whole, to: &Whole) {
    carry::tcp(from.host(), to.host(), &to.host_address(), 1 << 18);
}

/// Makes it the first site of a network with this root.
pub fn founded_by(site: &Whole, root: &RootSecret) {
    assert_eq!(site.ask(&Request::FoundNetwork { root: root.clone() }), Reply::Accepted);
}
