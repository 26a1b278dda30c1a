//! The Internet checksum.
//!
//! *Does*: sum bytes in the machine's own byte order, which the ones' complement sum allows, and fold.
//! *Spec*: RFC 1071.

/// A sum that is not folded yet. Parts may be added in any order, as long as each begins at an even offset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; an odd last byte counts as if a zero followed.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        // At most 2^14 words of a packet: no overflow.
        Self(self.0 + sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds a number of 16 bits as it stands in a header.
    #[must_use]
    pub fn with_u16(self, number: u16) -> Self {
        Self(self.0 + u64::from(u16::from_ne_bytes(number.to_be_bytes())))
    }

    /// Both together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The folded sum, as it goes into a header that the kernel will finish.
    #[must_use]
    pub fn partial(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_ne_bytes()
    }

    /// The checksum.
    #[must_use]
    pub fn finish(self) -> [u8; 2] {
        self.partial().map(|byte| !byte)
    }

    /// Whether a sum that includes the checksum says that nothing was altered.
    #[must_use]
    pub fn is_intact(self) -> bool {
        self.partial() == [0xff; 2]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 section 4.1, word by word.
    fn naive(bytes: &[u8]) -> [u8; 2] {
        let sum: u32 =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_rfc(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(Sum::default().with(&bytes).finish(), naive(&bytes));
        }

        #[test]
        fn a_packet_with_its_checksum_is_intact_and_with_a_flipped_bit_it_is_not(
            mut bytes in proptest::collection::vec(any::<u8>(), 4..1500), bit in any::<prop::sample::Index>()
        ) {
            bytes[..2].fill(0);
            let sum = Sum::default().with(&bytes).finish();
            bytes[..2].copy_from_slice(&sum);
            prop_assert!(Sum::default().with(&bytes).is_intact());
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!Sum::default().with(&bytes).is_intact());
        }
    }
}
