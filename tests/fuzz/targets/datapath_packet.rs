//! What anybody can send through the box, as IPv4.
#![no_main]

#[path = "../../../ebpf/core/tests/support/bytes.rs"]
mod bytes;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use patronus_ebpf_core::{Shape, parse};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(&Bytes(bytes));
    // A ping's identifier is the shortest of what is read behind the header.
    assert!(parsed.shape != Shape::Whole || bytes.len() >= 26);
});
