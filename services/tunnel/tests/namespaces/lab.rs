//! Sites with the program that this test was built with.

use std::path::Path;

pub use patronus_lab::{
    Site,
    carry::MEGABYTE,
    site::{introduce, slot},
};

/// The service.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_patronus-tunnel"))
}

pub fn site(number: u8, uplinks: &[&str]) -> Site {
    Site::new(program(), number, uplinks)
}

pub fn two_on_a_cable() -> (Site, Site) {
    patronus_lab::site::two_on_a_cable(program())
}

pub fn two_with_a_tunnel() -> (Site, Site) {
    patronus_lab::site::two_with_a_tunnel(program())
}

/// TCP from one to an address of the other.
pub fn tcp(from: &Site, to: &Site, address: &str, bytes: usize) {
    patronus_lab::carry::tcp(&from.namespace, &to.namespace, address, bytes);
}

/// A datagram from one to an address of the other, and back.
pub fn udp(from: &Site, to: &Site, address: &str, bytes: usize) {
    patronus_lab::carry::udp(&from.namespace, &to.namespace, address, bytes);
}
