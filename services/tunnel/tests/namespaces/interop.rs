//! WireGuard's own implementation in Go at the far end, in both roles. That of the kernel, and what takes longer: `tests/interop`.

use patronus_lab::{
    Foreign, Implementation,
    carry::{tcp, udp},
};

use crate::lab::{MEGABYTE, site};

fn carries_both_ways(they_begin: bool) {
    let mut ours = site(1, &["eth0"]);
    let far = Foreign::facing(&mut ours, Implementation::Program(&["wireguard-go", "-f"]), they_begin);
    let (here, there) = (&ours.namespace, &far.namespace);
    for (from, to, addresses) in [(here, there, ["10.2.0.1", "fd00:2::1"]), (there, here, ["10.1.0.1", "fd00:1::1"])] {
        for address in addresses {
            udp(from, to, address, 64);
            udp(from, to, address, 1300);
            tcp(from, to, address, 10 * MEGABYTE);
        }
    }
}

#[test]
fn we_begin_and_wireguard_go_answers() {
    carries_both_ways(false);
}

#[test]
fn wireguard_go_begins_and_we_answer() {
    carries_both_ways(true);
}
