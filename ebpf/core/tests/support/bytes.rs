//! Packets in memory, to be read. Also part of the fuzz target `datapath_packet`.

use patronus_ebpf_core::Frame;

/// An IP packet.
pub struct Bytes<B>(pub B);

impl<B: AsRef<[u8]>> Frame for Bytes<B> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.0.as_ref().get(at as usize).copied()
    }

    fn half(&self, at: u32) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    fn word(&self, at: u32) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn head(&self) -> Option<[u32; 6]> {
        let words = self.0.as_ref().get(..24)?.as_chunks().0;
        Some(std::array::from_fn(|at| u32::from_be_bytes(words[at])))
    }

    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.as_ref().get(at as usize..)?.first_chunk().copied()
    }
}
