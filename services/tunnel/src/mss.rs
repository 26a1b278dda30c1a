//! What the two ends of a TCP connection say of the longest segment they take.
//!
//! *Does*: make it no longer than what the path carries, so that no segment has to be refused.
//! *Never does*: mend a packet that was damaged; make room for an option that is not there.
//! *Spec*: RFC 9293 section 3.2 (options), RFC 4459 section 3.2 (why).

use crate::packet::{Packet, TCP, put, u16_at};

const SYN: u8 = 0x02;
const FLAGS: usize = 13;
const CHECKSUM: usize = 16;
const HEADER: usize = 20;
const END: u8 = 0;
const NOTHING: u8 = 1;
const MSS: u8 = 2;

/// Clamps the option of a packet that opens a connection. `longest` is the longest packet that may be sent back.
pub(crate) fn clamp(bytes: &mut [u8], longest: usize) -> Option<()> {
    let packet = Packet::parse(bytes)?;
    let (protocol, transport) = packet.transport()?;
    let segment = packet.bytes().get(transport..).filter(|_| protocol == TCP)?;
    (segment.get(FLAGS)? & SYN != 0).then_some(())?;
    let at = option_at(segment)?;
    let most = u16::try_from(longest.checked_sub(transport + HEADER)?).unwrap_or(u16::MAX);
    (u16_at(segment, at)? > most).then_some(())?;
    let pseudo = packet.pseudo_header(TCP, segment.len());
    pseudo.with(segment).is_intact().then_some(())?;
    let end = packet.bytes().len();
    let segment = bytes.get_mut(transport..end)?;
    put(segment, at, most.to_be_bytes())?;
    put(segment, CHECKSUM, [0; 2])?;
    let sum = pseudo.with(segment).finish();
    put(segment, CHECKSUM, sum)
}

/// Where the number of the option stands.
fn option_at(segment: &[u8]) -> Option<usize> {
    let end = usize::from(segment.get(12)? >> 4) * 4;
    let mut at = HEADER;
    while at < end {
        match *segment.get(at)? {
            END => return None,
            NOTHING => at += 1,
            MSS if segment.get(at + 1) == Some(&4) && at + 4 <= end => return Some(at + 2),
            _ => at += usize::from(*segment.get(at + 1)?).max(2),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checksum::Sum;

    /// A SYN over IPv4 with these options, which are whole words.
    fn syn(options: &[u8]) -> Vec<u8> {
        let mut packet =
            vec![0x45, 0, 0, 40 + options.len() as u8, 0, 0, 0x40, 0, 64, TCP, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
        let mut segment = vec![0; HEADER];
        (segment[12], segment[FLAGS]) = (((HEADER + options.len()) as u8 / 4) << 4, SYN);
        segment.extend_from_slice(options);
        packet.extend_from_slice(&segment);
        let sum = Packet::parse(&packet).unwrap().pseudo_header(TCP, segment.len()).with(&segment).finish();
        packet[20 + CHECKSUM..20 + CHECKSUM + 2].copy_from_slice(&sum);
        packet
    }

    fn sum_of(packet: &[u8]) -> Sum {
        Packet::parse(packet).unwrap().pseudo_header(TCP, packet.len() - 20).with(&packet[20..])
    }

    #[test]
    fn a_segment_that_is_too_long_becomes_as_long_as_the_path_carries() {
        // Also behind another option and at an odd place.
        for (options, at) in
            [([2, 4, 5, 180, 0, 0, 0, 0], 42), ([1, 3, 3, 7, 2, 4, 5, 180], 46), ([1, 2, 4, 5, 180, 0, 0, 0], 43)]
        {
            let mut packet = syn(&options);
            assert_eq!(clamp(&mut packet, 1376), Some(()));
            assert_eq!(u16_at(&packet, at), Some(1336));
            assert!(sum_of(&packet).is_intact());
        }
    }

    #[test]
    fn what_is_short_enough_damaged_or_no_beginning_stays_as_it_is() {
        let short = syn(&[2, 4, 5, 0]);
        let mut damaged = syn(&[2, 4, 5, 180]);
        damaged[20] ^= 1;
        let mut later = syn(&[2, 4, 5, 180]);
        later[20 + FLAGS] = 0x10;
        for packet in [short, damaged, later, syn(&[]), syn(&[0, 2, 4, 255]), syn(&[2, 9, 255, 255])] {
            let mut after = packet.clone();
            assert_eq!(clamp(&mut after, 1376), None);
            assert_eq!(after, packet);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process_and_what_is_altered_is_sound(
            mut options in proptest::collection::vec(any::<u8>(), 0..40), longest in 0..2000_usize,
        ) {
            options.resize(options.len().next_multiple_of(4), 0);
            let mut packet = syn(&options);
            if clamp(&mut packet, longest).is_some() {
                prop_assert!(sum_of(&packet).is_intact());
            }
        }
    }
}
