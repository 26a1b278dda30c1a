//! The header before each frame of a TUN device: what its checksum and its segments still need.
//!
//! *Spec*: virtio 1.2, section 5.1.6, in the legacy form of Linux (`struct virtio_net_hdr`, native byte order, 10 bytes).

/// Its length.
pub const HEADER_BYTES: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_TCP_V4: u8 = 1;
const GSO_TCP_V6: u8 = 4;
const GSO_UDP: u8 = 5;
/// TCP with congestion marks (ECN) in its flags; segments are made the same way.
const GSO_ECN: u8 = 0x80;

/// What a frame consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gso {
    /// One packet.
    #[default]
    None,
    /// TCP segments over IPv4.
    TcpV4,
    /// TCP segments over IPv6.
    TcpV6,
    /// UDP datagrams over either.
    Udp,
}

/// The header, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What the frame consists of.
    pub gso: Gso,
    /// Bytes of payload of each segment but the last.
    pub segment_bytes: u16,
    /// Bytes of all headers; only a hint.
    pub header_bytes: u16,
    /// Where the transport header begins and where in it its checksum lies, if that is not finished.
    pub checksum: Option<(u16, u16)>,
}

impl Header {
    /// Reads the header; `None` for kinds that this side never asked for.
    #[must_use]
    pub fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [flags, gso, rest @ ..] = bytes;
        let ([hl, hh, sl, sh, cl, ch, ol, oh], pair) = (rest, |low, high| u16::from_ne_bytes([low, high]));
        let gso = match gso & !GSO_ECN {
            0 => Gso::None,
            GSO_TCP_V4 => Gso::TcpV4,
            GSO_TCP_V6 => Gso::TcpV6,
            GSO_UDP => Gso::Udp,
            _ => return None,
        };
        let checksum = (flags & NEEDS_CHECKSUM != 0).then(|| (pair(cl, ch), pair(ol, oh)));
        Some(Self { gso, segment_bytes: pair(sl, sh), header_bytes: pair(hl, hh), checksum })
    }

    /// Writes the header.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_BYTES] {
        let gso = match self.gso {
            Gso::None => 0,
            Gso::TcpV4 => GSO_TCP_V4,
            Gso::TcpV6 => GSO_TCP_V6,
            Gso::Udp => GSO_UDP,
        };
        let flags = if self.checksum.is_some() { NEEDS_CHECKSUM } else { 0 };
        let (start, offset) = self.checksum.unwrap_or_default();
        let [[hl, hh], [sl, sh], [cl, ch], [ol, oh]] =
            [self.header_bytes, self.segment_bytes, start, offset].map(u16::to_ne_bytes);
        [flags, gso, hl, hh, sl, sh, cl, ch, ol, oh]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_a_real_device_reads_as_the_kernel_meant_it() {
        // IPv4 TCP super-frame: NEEDS_CSUM, TCPV4, header 52, size 1448, start 20, offset 16.
        let mut bytes = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        for (at, number) in [(2, 52_u16), (4, 1448), (6, 20), (8, 16)] {
            bytes[at..at + 2].copy_from_slice(&number.to_ne_bytes());
        }
        let header = Header { gso: Gso::TcpV4, segment_bytes: 1448, header_bytes: 52, checksum: Some((20, 16)) };
        assert_eq!(Header::parse(bytes), Some(header));
        assert_eq!(header.emit(), bytes);
    }

    #[test]
    fn congestion_marks_do_not_change_the_kind_and_unknown_kinds_are_refused() {
        let kind = |gso| Header::parse([0, gso, 0, 0, 0, 0, 0, 0, 0, 0]).map(|header| header.gso);
        assert_eq!(kind(GSO_TCP_V6 | GSO_ECN), Some(Gso::TcpV6));
        assert_eq!(kind(3), None, "fragmenting UDP is not segmenting UDP");
    }
}
