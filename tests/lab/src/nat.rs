//! A translator of addresses on a site's line, of each of the four kinds that there are.
//!
//! *Does*: translate UDP and TCP over IPv4 between the site's own address and the one that its provider sees; let in what its kind lets in.
//! *Never does*: let anything else over IP through, or a fragment whose ports are not in it; hold more than [`MAPPINGS`] mappings.
//! *Spec*: RFC 4787 sections 4.1 and 5; RFC 1624 for the checksums.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use crate::relay::Direction;

/// Mappings of one translator; one more replaces the oldest port.
pub const MAPPINGS: u16 = 4_096;
/// The first port that the provider sees.
const FIRST_PORT: u16 = 40_000;
/// The kernel's notes, and the Ethernet header behind them.
const NOTES: usize = 10;
const IP: usize = NOTES + 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a translator gives to whom, and what it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One port for all peers; anybody may answer.
    FullCone,
    /// One port for all peers; those addresses may answer to which something went.
    Restricted,
    /// One port for all peers; those addresses and ports may answer.
    PortRestricted,
    /// A port for each peer, which alone may answer.
    Symmetric,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FullCone, Self::Restricted, Self::PortRestricted, Self::Symmetric];

    /// Whether two sites behind these can reach each other without help: one must know where the other's answer will come from.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        let pair = (self.min(other), self.max(other));
        !matches!(pair, (Self::PortRestricted | Self::Symmetric, Self::Symmetric))
    }
}

type Socket = (Ipv4Addr, u16);

/// A translator.
#[derive(Debug)]
pub struct Nat {
    kind: Kind,
    inside: Ipv4Addr,
    outside: Ipv4Addr,
    /// By protocol, port inside and, if that matters, the peer: the port outside.
    ports: BTreeMap<(u8, u16, Option<Socket>), u16>,
    /// By protocol and port outside.
    mappings: BTreeMap<(u8, u16), Mapping>,
    /// By port outside, the port inside: anybody may begin there.
    forwards: BTreeMap<u16, u16>,
    next: u16,
}

#[derive(Debug, Default)]
struct Mapping {
    inside: u16,
    peers: BTreeSet<Socket>,
}

impl Nat {
    /// For a site that has the one address, and has the other for its provider.
    #[must_use]
    pub fn new(kind: Kind, inside: Ipv4Addr, outside: Ipv4Addr) -> Self {
        let (ports, mappings, forwards) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { kind, inside, outside, ports, mappings, forwards, next: 0 }
    }

    /// The same with a port that is forwarded to one inside. Answers leave by it, too.
    #[must_use]
    pub fn with_forward(mut self, outside: u16, inside: u16) -> Self {
        self.forwards.insert(outside, inside);
        self
    }

    /// The same in the place of another, whose ports it does not give out at first: a real one gives ports by chance, and one that began
    /// as the other did would soon hold open for one peer what others still know as another's.
    #[must_use]
    pub(crate) fn in_place_of(mut self, other: &Self) -> Self {
        self.next = other.next;
        self
    }

    /// Translates a frame with the kernel's notes before it. `None` if it does not pass.
    pub fn handle_frame(&mut self, direction: Direction, frame: &mut [u8]) -> Option<()> {
        match frame.get(IP - 2..IP)? {
            [0x08, 0x06] => return Some(()),
            [0x08, 0x00] => {}
            _ => return None,
        }
        let header = usize::from(*frame.get(IP)? & 15) * 4;
        let (protocol, transport) = (*frame.get(IP + 9)?, IP + header);
        let is_first = u16_at(frame, IP + 6)? & 0x1fff == 0;
        if !matches!(protocol, TCP | UDP) || !is_first {
            return None;
        }
        let (source, destination) = (address_at(frame, IP + 12)?, address_at(frame, IP + 16)?);
        let (from, to) = (u16_at(frame, transport)?, u16_at(frame, transport + 2)?);
        match direction {
            Direction::Out if source == self.inside && !destination.is_multicast() => {
                let port = self.map(protocol, from, (destination, to));
                rewrite(frame, protocol, transport, (IP + 12, self.outside), (transport, port))
            }
            Direction::In if destination == self.outside => {
                let port = self.admit(protocol, to, (source, from))?;
                rewrite(frame, protocol, transport, (IP + 16, self.inside), (transport + 2, port))
            }
            _ => None,
        }
    }

    /// The port outside for what the site sends to this peer.
    fn map(&mut self, protocol: u8, inside: u16, peer: Socket) -> u16 {
        let key = (protocol, inside, (self.kind == Kind::Symmetric).then_some(peer));
        let port = match self.ports.get(&key) {
            Some(port) => *port,
            None => {
                let port = FIRST_PORT + self.next;
                self.next = (self.next + 1) % MAPPINGS;
                self.ports.retain(|(of, _, _), known| (*of, *known) != (protocol, port));
                self.mappings.insert((protocol, port), Mapping { inside, peers: BTreeSet::new() });
                self.ports.insert(key, port);
                port
            }
        };
        if let Some(mapping) = self.mappings.get_mut(&(protocol, port)) {
            mapping.peers.insert(peer);
        }
        port
    }

    /// The port inside for what comes from this peer, if it may.
    fn admit(&mut self, protocol: u8, port: u16, peer: Socket) -> Option<u16> {
        if let Some(inside) = self.forwards.get(&port) {
            self.ports.insert((protocol, *inside, (self.kind == Kind::Symmetric).then_some(peer)), port);
            return Some(*inside);
        }
        let mapping = self.mappings.get(&(protocol, port))?;
        let may = match self.kind {
            Kind::FullCone => true,
            Kind::Restricted => mapping.peers.iter().any(|(address, _)| *address == peer.0),
            Kind::PortRestricted | Kind::Symmetric => mapping.peers.contains(&peer),
        };
        may.then_some(mapping.inside)
    }
}

/// Writes address and port, and corrects the checksums by the difference.
fn rewrite(
    frame: &mut [u8],
    protocol: u8,
    transport: usize,
    (address_at, address): (usize, Ipv4Addr),
    (port_at, port): (usize, u16),
) -> Option<()> {
    let [a, b, c, d] = address.octets();
    let words = [(address_at, u16::from_be_bytes([a, b])), (address_at + 2, u16::from_be_bytes([c, d]))];
    let checksum = transport + if protocol == TCP { 16 } else { 6 };
    // The kernel has left the sum open: so far it is that of the pseudo-header, and not inverted.
    let is_open = frame.first()? & 1 != 0;
    let has_sum = is_open || protocol == TCP || u16_at(frame, checksum)? != 0;
    for (at, new) in words {
        let old = u16_at(frame, at)?;
        correct(frame, IP + 10, old, new, false)?;
        if has_sum {
            correct(frame, checksum, old, new, is_open)?;
        }
        put_u16(frame, at, new)?;
    }
    let old = u16_at(frame, port_at)?;
    if has_sum && !is_open {
        correct(frame, checksum, old, port, false)?;
    }
    put_u16(frame, port_at, port)
}

/// RFC 1624 equation 3.
fn correct(frame: &mut [u8], at: usize, old: u16, new: u16, is_open: bool) -> Option<()> {
    let sum = u16_at(frame, at)?;
    let sum = if is_open { sum } else { !sum };
    let mut sum = u32::from(sum) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = sum as u16;
    put_u16(frame, at, if is_open { sum } else { !sum })
}

fn u16_at(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn put_u16(frame: &mut [u8], at: usize, value: u16) -> Option<()> {
    *frame.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

fn address_at(frame: &[u8], at: usize) -> Option<Ipv4Addr> {
    frame.get(at..)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 7, 1);
    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 7, 99);
    const PEERS: [Socket; 3] = [
        (Ipv4Addr::new(192, 0, 2, 1), 1_000),
        (Ipv4Addr::new(192, 0, 2, 1), 2_000),
        (Ipv4Addr::new(192, 0, 2, 2), 1_000),
    ];

    fn sum(bytes: &[u8], more: u32) -> u16 {
        let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        sum += more;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    fn pseudo(frame: &[u8]) -> u32 {
        u32::from(sum(&frame[IP + 12..IP + 20], u32::from(UDP) + (frame.len() - IP - 20) as u32))
    }

    /// A UDP datagram with whole checksums.
    fn datagram(from: Socket, to: Socket) -> Vec<u8> {
        let mut frame = vec![0; IP - 2];
        frame.extend([8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, UDP, 0, 0]);
        frame.extend(from.0.octets());
        frame.extend(to.0.octets());
        frame.extend(from.1.to_be_bytes());
        frame.extend(to.1.to_be_bytes());
        frame.extend([0, 12, 0, 0, 1, 2, 3, 4]);
        let header = !sum(&frame[IP..IP + 20], 0);
        put_u16(&mut frame, IP + 10, header).unwrap();
        let whole = !sum(&frame[IP + 20..], pseudo(&frame));
        put_u16(&mut frame, IP + 26, whole).unwrap();
        frame
    }

    fn ends(frame: &[u8]) -> (Socket, Socket) {
        let end = |address, port| (address_at(frame, address).unwrap(), u16_at(frame, port).unwrap());
        (end(IP + 12, IP + 20), end(IP + 16, IP + 22))
    }

    /// The port that the provider sees of what goes to a peer.
    fn send(nat: &mut Nat, to: Socket) -> u16 {
        let mut frame = datagram((INSIDE, 51_830), to);
        nat.handle_frame(Direction::Out, &mut frame).unwrap();
        assert_eq!(sum(&frame[IP..IP + 20], 0), 0xffff);
        assert_eq!(sum(&frame[IP + 20..], pseudo(&frame)), 0xffff);
        let ((address, port), destination) = ends(&frame);
        assert_eq!((address, destination), (OUTSIDE, to));
        port
    }

    fn is_heard(nat: &mut Nat, from: Socket, port: u16) -> bool {
        let mut frame = datagram(from, (OUTSIDE, port));
        let passed = nat.handle_frame(Direction::In, &mut frame).is_some();
        assert!(!passed || ends(&frame) == (from, (INSIDE, 51_830)));
        passed
    }

    #[test]
    fn each_kind_lets_in_whom_it_lets_in() {
        let heard = [[true, true, true], [true, true, false], [true, false, false], [true, false, false]];
        for (kind, heard) in Kind::ALL.into_iter().zip(heard) {
            let mut nat = Nat::new(kind, INSIDE, OUTSIDE);
            let port = send(&mut nat, PEERS[0]);
            assert_eq!(PEERS.map(|peer| is_heard(&mut nat, peer, port)), heard, "{kind:?}");
            assert_eq!(send(&mut nat, PEERS[0]), port);
            assert_eq!(send(&mut nat, PEERS[2]) == port, kind != Kind::Symmetric, "{kind:?}");
            assert!(!is_heard(&mut nat, PEERS[0], port + 2));
        }
    }

    #[test]
    fn anybody_may_begin_at_a_forwarded_port_and_is_answered_from_it() {
        for kind in Kind::ALL {
            let mut nat = Nat::new(kind, INSIDE, OUTSIDE).with_forward(500, 51_830);
            let own = send(&mut nat, PEERS[1]);
            assert!(own != 500 && is_heard(&mut nat, PEERS[0], 500), "{kind:?}");
            assert_eq!(send(&mut nat, PEERS[0]), 500, "{kind:?}");
            assert!(!is_heard(&mut nat, PEERS[0], 501), "{kind:?}");
        }
    }

    #[test]
    fn one_in_the_place_of_another_gives_out_other_ports() {
        let mut first = Nat::new(Kind::Symmetric, INSIDE, OUTSIDE);
        let known = PEERS.map(|peer| send(&mut first, peer));
        let mut second = Nat::new(Kind::Symmetric, INSIDE, OUTSIDE).in_place_of(&first);
        assert!(PEERS.iter().all(|peer| !known.contains(&send(&mut second, *peer))));
    }

    #[test]
    fn an_open_checksum_stays_that_of_the_pseudo_header() {
        let mut nat = Nat::new(Kind::FullCone, INSIDE, OUTSIDE);
        let mut frame = datagram((INSIDE, 51_830), PEERS[0]);
        frame[0] = 1;
        let open = pseudo(&frame) as u16;
        put_u16(&mut frame, IP + 26, open).unwrap();
        nat.handle_frame(Direction::Out, &mut frame).unwrap();
        assert_eq!(u16_at(&frame, IP + 26), Some(pseudo(&frame) as u16));
    }

    #[test]
    fn what_is_for_the_inside_address_or_has_no_ports_does_not_pass() {
        let mut nat = Nat::new(Kind::FullCone, INSIDE, OUTSIDE);
        assert!(nat.handle_frame(Direction::In, &mut datagram(PEERS[0], (INSIDE, 51_830))).is_none());
        assert!(nat.handle_frame(Direction::Out, &mut datagram((OUTSIDE, 1), PEERS[0])).is_none());
        let mut fragment = datagram((INSIDE, 51_830), PEERS[0]);
        fragment[IP + 7] = 9;
        assert!(nat.handle_frame(Direction::Out, &mut fragment).is_none());
        assert!(nat.handle_frame(Direction::Out, &mut [0; 30]).is_none());
    }

    #[test]
    fn as_many_mappings_are_held_as_the_limit_says() {
        let mut nat = Nat::new(Kind::Symmetric, INSIDE, OUTSIDE);
        for number in 0..=MAPPINGS {
            send(&mut nat, (PEERS[0].0, number + 1));
        }
        assert_eq!((nat.mappings.len(), nat.ports.len()), (usize::from(MAPPINGS), usize::from(MAPPINGS)));
        assert!(!is_heard(&mut nat, (PEERS[0].0, 1), FIRST_PORT));
        assert!(is_heard(&mut nat, (PEERS[0].0, 2), FIRST_PORT + 1));
    }
}
