//! The answer to a packet that is too long for its path.
//!
//! *Does*: what a router on the way would: tell the sender how long a packet may be. It comes from where the packet was going, an address
//! that is behind the tunnel in any case.
//! *Never does*: answer an error; forbid what may be cut on its way.
//! *Spec*: RFC 1191 section 4, RFC 4443 section 3.2.

use crate::{
    checksum::Sum,
    packet::{Packet, put, set_length, u16_at},
};

const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const HOPS: u8 = 64;
/// What is quoted of the packet: its headers (RFC 1812 section 4.3.2.3 allows more; senders need no more).
const QUOTED: usize = 48;
const DO_NOT_FRAGMENT: u16 = 0x4000;

/// Whether the sender has to be told, since nobody on the way may cut the packet.
pub(crate) fn must_be_told(packet: &Packet<'_>) -> bool {
    !packet.is_v4() || u16_at(packet.bytes(), 6).is_some_and(|flags| flags & DO_NOT_FRAGMENT != 0)
}

/// Writes the answer; `None` if there is none to be given.
pub(crate) fn answer(packet: &Packet<'_>, mtu: usize, out: &mut [u8]) -> Option<usize> {
    if is_error(packet) {
        return None;
    }
    let quoted = packet.bytes().get(..packet.bytes().len().min(QUOTED))?;
    if packet.is_v4() { answer_v4(packet, quoted, mtu, out) } else { answer_v6(packet, quoted, mtu, out) }
}

fn answer_v4(packet: &Packet<'_>, quoted: &[u8], mtu: usize, out: &mut [u8]) -> Option<usize> {
    let length = 28 + quoted.len();
    let out = out.get_mut(..length)?;
    out.fill(0);
    put(out, 0, [0x45])?;
    put(out, 8, [HOPS, ICMP])?;
    swap_addresses(packet, out, 12, 4)?;
    set_length(out, true, length, 0)?;
    // Destination unreachable, fragmentation needed, and the next hop's MTU.
    put(out, 20, [3, 4])?;
    put(out, 26, u16::try_from(mtu).ok()?.to_be_bytes())?;
    out.get_mut(28..)?.copy_from_slice(quoted);
    let sum = Sum::default().with(out.get(20..)?).finish();
    put(out, 22, sum)?;
    Some(length)
}

fn answer_v6(packet: &Packet<'_>, quoted: &[u8], mtu: usize, out: &mut [u8]) -> Option<usize> {
    let length = 48 + quoted.len();
    let out = out.get_mut(..length)?;
    out.fill(0);
    put(out, 0, [0x60])?;
    put(out, 6, [ICMP_V6, HOPS])?;
    swap_addresses(packet, out, 8, 16)?;
    set_length(out, false, length, 0)?;
    // Packet too big, and the next hop's MTU.
    put(out, 40, [2])?;
    put(out, 44, u32::try_from(mtu).ok()?.to_be_bytes())?;
    out.get_mut(48..)?.copy_from_slice(quoted);
    let pseudo = crate::packet::pseudo_header(out, false, ICMP_V6, length - 40);
    let sum = pseudo.join(Sum::default().with(out.get(40..)?)).finish();
    put(out, 42, sum)?;
    Some(length)
}

/// From where the packet was going to where it came from.
fn swap_addresses(packet: &Packet<'_>, out: &mut [u8], at: usize, bytes: usize) -> Option<()> {
    let addresses = packet.bytes().get(at..at + 2 * bytes)?;
    let (source, destination) = addresses.split_at_checked(bytes)?;
    out.get_mut(at..at + bytes)?.copy_from_slice(destination);
    out.get_mut(at + bytes..at + 2 * bytes)?.copy_from_slice(source);
    Some(())
}

/// An ICMP message that is no question and no answer to one.
fn is_error(packet: &Packet<'_>) -> bool {
    let kind = |at: usize| packet.bytes().get(at).copied();
    match packet.transport() {
        Some((ICMP, at)) => !matches!(kind(at), Some(0 | 8)),
        Some((ICMP_V6, at)) => kind(at).is_none_or(|kind| kind < 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, kind: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0x05, 0x78, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1, kind];
        packet.resize(1400, 0);
        packet
    }

    #[test]
    fn the_sender_of_a_long_packet_is_told_the_length_from_where_it_was_going() {
        let (long, mut out) = (v4(17, 1), [0; 128]);
        let packet = Packet::parse(&long).unwrap();
        assert!(must_be_told(&packet));
        let length = answer(&packet, 1280, &mut out).unwrap();
        let told = Packet::parse(&out[..length]).unwrap();
        assert_eq!(told.source(), packet.destination());
        assert_eq!(told.destination(), packet.source());
        assert_eq!((out[20], out[21], &out[26..28]), (3, 4, [5, 0].as_slice()));
        assert_eq!(out[28..length], long[..QUOTED]);
        assert!(Sum::default().with(&out[..20]).is_intact() && Sum::default().with(&out[20..length]).is_intact());
    }

    #[test]
    fn so_is_a_sender_of_ipv6() {
        let mut long = vec![0x60, 0, 0, 0, 0x05, 0x50, 17, 64];
        long.extend((0..32).map(|n| n as u8));
        long.resize(1400, 7);
        let mut out = [0; 128];
        let packet = Packet::parse(&long).unwrap();
        let length = answer(&packet, 1280, &mut out).unwrap();
        let told = Packet::parse(&out[..length]).unwrap();
        assert_eq!((told.source(), told.destination()), (packet.destination(), packet.source()));
        assert_eq!((out[40], &out[44..48]), (2, [0, 0, 5, 0].as_slice()));
        let pseudo = told.pseudo_header(ICMP_V6, length - 40);
        assert!(pseudo.join(Sum::default().with(&out[40..length])).is_intact());
    }

    #[test]
    fn errors_are_not_answered_and_what_may_be_cut_is_not_forbidden() {
        let mut out = [0; 128];
        assert!(answer(&Packet::parse(&v4(1, 3)).unwrap(), 1280, &mut out).is_none());
        assert!(answer(&Packet::parse(&v4(1, 8)).unwrap(), 1280, &mut out).is_some());
        let mut may_be_cut = v4(17, 0);
        may_be_cut[6] = 0;
        assert!(!must_be_told(&Packet::parse(&may_be_cut).unwrap()));
    }
}
