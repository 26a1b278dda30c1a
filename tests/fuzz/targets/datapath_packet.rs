//! What anybody can send through the box, as IPv4 and as IPv6.
#![no_main]

#[path = "../../../ebpf/core/tests/support/bytes.rs"]
mod bytes;

use std::hint::black_box;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use patronus_ebpf_core::{Shape, parse, six::parse6};

fuzz_target!(|bytes: &[u8]| {
    // Without the black boxes the compiler leaves out whatever has no result.
    let parsed = black_box(parse(&Bytes(bytes)));
    // A ping's identifier is the shortest of what is read behind the header.
    assert!(parsed.shape != Shape::Whole || bytes.len() >= 26);
    black_box(parse6(&Bytes(bytes)));
});
