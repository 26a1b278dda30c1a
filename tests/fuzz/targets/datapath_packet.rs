//! What anybody can send through the box, as IPv4.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_ebpf_core::{Frame, Shape, parse};

struct Bytes<'a>(&'a [u8]);

impl Frame for Bytes<'_> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.0.get(at as usize).copied()
    }

    fn half(&self, at: u32) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    fn word(&self, at: u32) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn head(&self) -> Option<[u32; 6]> {
        let words = self.0.get(..24)?.as_chunks().0;
        Some(std::array::from_fn(|at| u32::from_be_bytes(words[at])))
    }

    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.get(at as usize..)?.first_chunk().copied()
    }
}

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(&Bytes(bytes));
    // A ping's identifier is the shortest of what is read behind the header.
    assert!(parsed.shape != Shape::Whole || bytes.len() >= 26);
});
