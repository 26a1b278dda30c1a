//! Kernels that refuse an offload: the tunnel is slower, and that is all.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::lab::{MEGABYTE, Site, introduce, tcp, two_on_a_cable, two_with_a_tunnel, udp};

const EINVAL: u32 = 22;
const SOL_UDP: u64 = 17;
const UDP_SEGMENT: u64 = 103;
const UDP_GRO: u64 = 104;
const TUNSETOFFLOAD: u64 = 0x4004_54d0;
/// Both directions of USO.
const USO: u64 = 0x60;

fn is(argument: u8, value: u64) -> SeccompCondition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap()
}

fn has(argument: u8, bits: u64) -> SeccompCondition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits), bits).unwrap()
}

/// Starts the service in a kernel that answers EINVAL to one system call with such arguments.
fn start_refused(site: &mut Site, call: i64, arguments: Vec<SeccompCondition>) {
    let rules = BTreeMap::from([(call, vec![SeccompRule::new(arguments).unwrap()])]);
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EINVAL), architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    // Processes inherit the filter of the thread that starts them, and this thread starts nothing else.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            seccompiler::apply_filter(&program).unwrap();
            site.service.start();
        });
    });
}

/// The first site's kernel refuses; all goes both ways, and the log says what was refused.
fn carries_without(call: i64, arguments: Vec<SeccompCondition>, said: &str) {
    let (mut a, mut b) = two_on_a_cable();
    start_refused(&mut a, call, arguments);
    b.service.start();
    introduce(&a, &b, "192.0.2.1:51830", "192.0.2.2:51830");
    assert!(a.service.log().contains(said), "{}", a.service.log());
    for (from, to) in [(&a, &b), (&b, &a)] {
        udp(from, to, &to.address(), 1300);
        tcp(from, to, &to.address(), 5 * MEGABYTE);
    }
}

#[test]
fn without_segmentation_of_udp_on_the_device() {
    carries_without(libc::SYS_ioctl, vec![is(1, TUNSETOFFLOAD), has(2, USO)], "offload refused");
}

#[test]
fn without_any_offload_on_the_device() {
    carries_without(libc::SYS_ioctl, vec![is(1, TUNSETOFFLOAD)], "offload refused");
}

#[test]
fn without_segmentation_on_the_socket() {
    carries_without(libc::SYS_getsockopt, vec![is(1, SOL_UDP), is(2, UDP_SEGMENT)], "UDP offload refused");
}

#[test]
fn without_joined_datagrams_on_the_socket() {
    carries_without(libc::SYS_setsockopt, vec![is(1, SOL_UDP), is(2, UDP_GRO)], "UDP offload refused");
}

#[test]
fn over_a_link_that_is_narrower_than_it_was() {
    let (a, b) = two_with_a_tunnel();
    // Segments of 1472 bytes do not fit any more: the kernel refuses the batch, and fragments single datagrams.
    for site in [&a, &b] {
        site.namespace.ip(&["link", "set", "eth0", "mtu", "1300"]);
    }
    tcp(&a, &b, &b.address(), 5 * MEGABYTE);
    udp(&b, &a, &a.address(), 1400);
}
