//! IPv4 and UDP headers around a DHCP message, for sockets below IP.
//!
//! *Does*: build a datagram; take the payload out of one.
//! *Never does*: check the UDP checksum of what comes in: a neighbour on the same host (virtual machine, container) leaves it to
//! hardware that is not there, so it is often unfinished. The DHCP checks catch what a checksum would.
//! *Spec*: RFC 791 section 3.1, RFC 768, RFC 1071.

use std::net::Ipv4Addr;

/// Port of DHCP clients.
pub const CLIENT_PORT: u16 = 68;
/// Port of DHCP servers.
pub const SERVER_PORT: u16 = 67;

const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const UDP: u8 = 17;

/// A datagram from client port to server port, ready for a raw socket.
#[must_use]
pub fn build(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let udp_bytes = u16::try_from(UDP_BYTES + payload.len()).unwrap_or(u16::MAX);
    let all_bytes = udp_bytes.saturating_add(IPV4_BYTES as u16);
    let mut udp = [CLIENT_PORT.to_be_bytes(), SERVER_PORT.to_be_bytes(), udp_bytes.to_be_bytes(), [0, 0]].concat();
    udp.extend_from_slice(payload);
    let pseudo = [&source.octets()[..], &destination.octets(), &[0, UDP], &udp_bytes.to_be_bytes(), &udp].concat();
    // RFC 768: a checksum of zero is sent as all ones.
    let sum = Some(checksum(&pseudo)).filter(|sum| *sum != 0).unwrap_or(u16::MAX);
    put(&mut udp, 6, sum);

    let mut ip = vec![0x45, 0];
    ip.extend_from_slice(&all_bytes.to_be_bytes());
    // No identification and no fragment; time to live 64.
    ip.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]);
    ip.extend_from_slice(&source.octets());
    ip.extend_from_slice(&destination.octets());
    let sum = checksum(&ip);
    put(&mut ip, 10, sum);
    ip.extend_from_slice(&udp);
    ip
}

/// The payload of a whole UDP datagram to the client port; `None` for anything else.
#[must_use]
pub fn payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header_bytes = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_bytes < IPV4_BYTES || packet.get(9) != Some(&UDP) {
        return None;
    }
    // More fragments, or not the first one.
    if word(packet, 6)? & 0x3fff != 0 {
        return None;
    }
    let datagram = packet.get(header_bytes..usize::from(word(packet, 2)?))?;
    if word(datagram, 2)? != CLIENT_PORT {
        return None;
    }
    datagram.get(UDP_BYTES..usize::from(word(datagram, 4)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let [high, low] = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        sum = sum.wrapping_add(u32::from(u16::from_be_bytes([high, low])));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_checksums_of_what_we_send_are_right() {
        let packet = build([192, 0, 2, 2].into(), [192, 0, 2, 1].into(), &[1, 2, 3]);
        assert_eq!(checksum(&packet[..20]), 0);
        let udp = &packet[20..];
        let pseudo = [&packet[12..20], &[0, 17, 0, udp.len() as u8], udp].concat();
        assert_eq!(checksum(&pseudo), 0);
    }

    #[test]
    fn only_datagrams_to_the_client_port_are_ours() {
        let mut packet = build([192, 0, 2, 2].into(), [192, 0, 2, 1].into(), b"hello");
        assert_eq!(payload(&packet), None);
        put(&mut packet, 22, CLIENT_PORT);
        assert_eq!(payload(&packet), Some(&b"hello"[..]));
        packet.extend_from_slice(b"Ethernet padding");
        assert_eq!(payload(&packet), Some(&b"hello"[..]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = payload(&bytes);
        }
    }
}
