//! What two tunnel services say to each other inside a session.
//!
//! *Does*: wrap a note into an IPv4 packet that no device and no other site can send: from and to 0.0.0.0, which is granted to nobody.
//! *Never does*: reach a TUN device; allocate.
//! *Spec*: `docs/tunnel.md`, section "Notes"; protocol number 253 (RFC 3692).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use patronus_types::{SiteId, UplinkSlot};

use crate::packet::{Packet, array_at, put, set_length, u16_at};

const HEADER: usize = 20;
/// Of a note without its body.
pub(crate) const HEADERS_BYTES: usize = HEADER + 1;
const PROTOCOL: u8 = 253;
const PROBE: u8 = 1;
const SEEN: u8 = 2;
const CARRY: u8 = 3;
const CARRIED: u8 = 4;
const HERE: u8 = 5;
const LONG: u8 = 6;
const CAME: u8 = 7;

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note<'n> {
    /// Where do you see me?
    Probe,
    /// Your packets come from here.
    Seen(SocketAddr),
    /// Others see me there: try it.
    Here(SocketAddr),
    /// Pass this datagram on to a slot of another site.
    Carry(Parcel<'n>),
    /// This datagram came from a slot of another site.
    Carried(Parcel<'n>),
    /// Does a packet as long as this come?
    Long(&'n [u8]),
    /// A packet of this length came.
    Came(u16),
}

/// A datagram of the session between two sites, and the one of them that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parcel<'n> {
    pub(crate) site: SiteId,
    pub(crate) slot: UplinkSlot,
    pub(crate) datagram: &'n [u8],
}

/// Whether a packet is for the service at the far end and not for a device.
pub(crate) fn is_note(packet: &[u8]) -> bool {
    let addresses = array_at::<8>(packet, 12) == Some([0; 8]);
    packet.first() == Some(&0x45) && packet.get(9) == Some(&PROTOCOL) && addresses
}

/// Whether it is the note that proves nothing about the way back.
pub(crate) fn is_probe(packet: &[u8]) -> bool {
    is_note(packet) && packet.get(HEADER) == Some(&PROBE)
}

impl<'n> Note<'n> {
    /// Reads a note; `None` if it is malformed.
    pub(crate) fn parse(packet: &'n [u8]) -> Option<Self> {
        let body = Packet::parse(packet).filter(|packet| is_note(packet.bytes()))?.bytes().get(HEADER..)?;
        match body.split_first()? {
            (&PROBE, []) => Some(Self::Probe),
            (&SEEN, address) => Some(Self::Seen(parse_address(address)?)),
            (&HERE, address) => Some(Self::Here(parse_address(address)?)),
            (&CARRY, parcel) => Some(Self::Carry(Parcel::parse(parcel)?)),
            (&CARRIED, parcel) => Some(Self::Carried(Parcel::parse(parcel)?)),
            (&LONG, filling) => Some(Self::Long(filling)),
            (&CAME, &[high, low]) => Some(Self::Came(u16::from_be_bytes([high, low]))),
            _ => None,
        }
    }

    /// Writes the packet; `None` if there is no room for it.
    pub(crate) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let (header, body) = out.split_at_mut_checked(HEADER)?;
        let (kind, body) = body.split_first_mut()?;
        let length = match self {
            Self::Probe => {
                *kind = PROBE;
                0
            }
            Self::Seen(address) => {
                *kind = SEEN;
                write_address(*address, body)?
            }
            Self::Here(address) => {
                *kind = HERE;
                write_address(*address, body)?
            }
            Self::Carry(parcel) => {
                *kind = CARRY;
                parcel.write(body)?
            }
            Self::Carried(parcel) => {
                *kind = CARRIED;
                parcel.write(body)?
            }
            Self::Long(filling) => {
                *kind = LONG;
                body.get_mut(..filling.len())?.copy_from_slice(filling);
                filling.len()
            }
            Self::Came(bytes) => {
                *kind = CAME;
                put(body, 0, bytes.to_be_bytes())?;
                2
            }
        };
        header.fill(0);
        put(header, 0, [0x45])?;
        put(header, 8, [1, PROTOCOL])?;
        let length = HEADERS_BYTES + length;
        u16::try_from(length).ok()?;
        set_length(header, true, length, 0)?;
        Some(length)
    }
}

impl<'n> Parcel<'n> {
    fn parse(bytes: &'n [u8]) -> Option<Self> {
        let (site, rest) = bytes.split_first_chunk::<32>()?;
        let (slot, datagram) = rest.split_first()?;
        Some(Self { site: SiteId(*site), slot: UplinkSlot::new(*slot)?, datagram })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, 0, self.site.0)?;
        put(out, 32, [self.slot.number()])?;
        out.get_mut(33..)?.get_mut(..self.datagram.len())?.copy_from_slice(self.datagram);
        Some(33 + self.datagram.len())
    }
}

fn parse_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, rest) = match bytes.split_first()? {
        (4, rest) => (IpAddr::V4(Ipv4Addr::from(array_at::<4>(rest, 0)?)), rest.get(4..)?),
        (6, rest) => (IpAddr::V6(Ipv6Addr::from(array_at::<16>(rest, 0)?)), rest.get(16..)?),
        _ => return None,
    };
    (rest.len() == 2).then_some(SocketAddr::new(ip, u16_at(rest, 0)?))
}

fn write_address(address: SocketAddr, out: &mut [u8]) -> Option<usize> {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            put(out, 0, [4])?;
            put(out, 1, ip.octets())?;
            put(out, 5, port)?;
            Some(7)
        }
        IpAddr::V6(ip) => {
            put(out, 0, [6])?;
            put(out, 1, ip.octets())?;
            put(out, 17, port)?;
            Some(19)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(note: Note<'_>) -> Vec<u8> {
        let mut out = [0xee; 2048];
        let length = note.write(&mut out).unwrap();
        out[..length].to_vec()
    }

    #[test]
    fn a_note_reads_as_it_was_written_and_the_bytes_are_these() {
        let parcel = Parcel { site: SiteId([7; 32]), slot: UplinkSlot::new(3).unwrap(), datagram: b"datagram" };
        let notes = [
            Note::Probe,
            Note::Seen("192.0.2.1:51830".parse().unwrap()),
            Note::Seen("[2001:db8::1]:51830".parse().unwrap()),
            Note::Here("192.0.2.1:51830".parse().unwrap()),
            Note::Carry(parcel),
            Note::Carried(parcel),
            Note::Long(&[0; 1419]),
            Note::Came(1440),
        ];
        for note in notes {
            assert_eq!(Note::parse(&written(note)), Some(note));
        }
        let probe = [0x45, 0, 0, 21, 0, 0, 0, 0, 1, 253, 0xb8, 0xed, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(written(Note::Probe), probe);
        assert_eq!(written(notes[1])[20..], [2, 4, 192, 0, 2, 1, 0xca, 0x76]);
        assert_eq!(written(notes[4])[20..54], [[3].as_slice(), &[7; 32], &[3]].concat());
        assert_eq!((written(notes[6]).len(), &written(notes[7])[20..]), (1440, [7, 5, 0xa0].as_slice()));
    }

    #[test]
    fn one_byte_more_or_less_is_no_note() {
        for note in [Note::Probe, Note::Seen("192.0.2.1:9".parse().unwrap())] {
            let mut longer = [written(note), vec![0]].concat();
            set_length(&mut longer[..20], true, written(note).len() + 1, 0).unwrap();
            assert_eq!(Note::parse(&longer), None);
            assert_eq!(Note::parse(&written(note)[..20]), None);
            assert!(note.write(&mut [0; 20]).is_none());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process(kind in 0..9_u8, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut packet = [written(Note::Probe)[..20].to_vec(), vec![kind], body].concat();
            let length = packet.len();
            set_length(&mut packet[..20], true, length, 0).unwrap();
            if let Some(note) = Note::parse(&packet) {
                prop_assert_eq!(written(note), packet);
            }
        }
    }
}
