//! An IPv4 packet that is too long for its path, in parts.
//!
//! *Does*: what a router on the way would, with a packet that may be cut: the kernel puts fragments together before they come here.
//! *Spec*: RFC 791 section 3.2. All options are copied into all parts.

use crate::packet::{Packet, put, set_length, u16_at};

/// Parts begin at multiples of this.
const UNIT: usize = 8;
const MORE: u16 = 0x2000;
const FLAGS: u16 = 0xe000;

/// Writes part number `index` of a packet that may be cut, of at most `mtu` bytes; `None` behind the last.
pub(crate) fn write(packet: &Packet<'_>, index: usize, mtu: usize, out: &mut [u8]) -> Option<usize> {
    let bytes = packet.bytes();
    let header = usize::from(bytes.first()? & 15) * 4;
    let size = mtu.checked_sub(header)? / UNIT * UNIT;
    let (head, payload) = bytes.split_at_checked(header)?;
    let from = index * size;
    let rest = payload.get(from..).filter(|rest| !rest.is_empty())?;
    let part = rest.get(..size).unwrap_or(rest);
    let out = out.get_mut(..header + part.len())?;
    out.get_mut(..header)?.copy_from_slice(head);
    out.get_mut(header..)?.copy_from_slice(part);
    let before = u16_at(head, 6)?;
    let more = if part.len() < rest.len() { MORE } else { before & MORE };
    let offset = (before & !FLAGS) + u16::try_from(from / UNIT).ok()?;
    put(out, 6, (more | offset).to_be_bytes())?;
    set_length(out, true, header + part.len(), u16_at(head, 4)?)?;
    Some(header + part.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checksum::Sum;

    proptest! {
        #[test]
        fn the_parts_put_together_are_the_packet(
            options in 0..11_usize, payload in proptest::collection::vec(any::<u8>(), 1..4000), offset in 0..100_u16, more: bool
        ) {
            let header = 20 + options * 4;
            let mut packet = vec![0; header];
            packet[0] = 0x40 | (header / 4) as u8;
            packet[6..8].copy_from_slice(&(offset | if more { MORE } else { 0 }).to_be_bytes());
            packet[8..20].copy_from_slice(&[64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1]);
            packet.extend(&payload);
            let length = packet.len();
            set_length(&mut packet, true, length, 0x1234).unwrap();
            let packet = Packet::parse(&packet).unwrap();
            let (mut whole, mut out) = (Vec::new(), [0; 1280]);
            let mut is_last = false;
            for index in 0.. {
                let Some(length) = write(&packet, index, 1280, &mut out) else { break };
                prop_assert!(!is_last && length <= 1280);
                prop_assert!(Sum::default().with(&out[..header]).is_intact());
                let flags = u16_at(&out, 6).unwrap();
                prop_assert_eq!(usize::from(flags & !FLAGS), usize::from(offset) + whole.len() / UNIT);
                whole.extend_from_slice(&out[header..length]);
                is_last = whole.len() == payload.len();
                prop_assert_eq!(flags & MORE != 0, !is_last || more);
            }
            prop_assert_eq!(whole, payload);
        }
    }
}
