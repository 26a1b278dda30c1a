//! What lies between the boxes: how long it takes, what is lost, who is cut off from whom.

use std::collections::BTreeMap;

use crate::dice::Dice;

/// Bytes around a datagram's payload: IPv4 and UDP.
const DATAGRAM_HEADER_BYTES: u64 = 28;
/// Bytes around a datagram in a tunnel: IPv6 and UDP, WireGuard's padding and its header, IPv4 and UDP.
const INNER_HEADER_BYTES: u64 = 48 + 8 + 32 + 28;
/// Bytes around a message on a connection: IPv4, TCP with timestamps, a TLS record. Acknowledgements are as large without the record.
const FRAME_HEADER_BYTES: u64 = 52 + 22;

/// How the wires are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Datagrams of a thousand that are lost.
    pub lost: u32,
    /// Datagrams of a thousand that come twice.
    pub doubled: u32,
    /// The shortest way on a LAN, in milliseconds.
    pub lan_ms: u64,
    /// The shortest way between LANs, in milliseconds.
    pub wan_ms: u64,
    /// How much longer a way may be than the shortest: datagrams overtake each other.
    pub jitter_ms: u64,
}

impl Weather {
    /// Nothing is lost.
    pub const FAIR: Self = Self { lost: 0, doubled: 0, lan_ms: 1, wan_ms: 20, jitter_ms: 2 };

    /// How long a datagram takes to a neighbour; each copy that arrives.
    pub fn datagram(&self, dice: &mut Dice) -> impl Iterator<Item = u64> + use<> {
        let copies = if dice.per_mille(self.lost) { 0 } else { 1 + u32::from(dice.per_mille(self.doubled)) };
        let delays: Vec<u64> = (0..copies).map(|_| self.lan_ms + dice.below(self.jitter_ms + 1)).collect();
        delays.into_iter()
    }

    /// How long a datagram takes through a tunnel; each copy that arrives. What comes twice the tunnel drops.
    pub fn inner(&self, dice: &mut Dice) -> impl Iterator<Item = u64> + use<> {
        let arrives = !dice.per_mille(self.lost);
        arrives.then(|| self.wan_ms + dice.below(self.jitter_ms + 1)).into_iter()
    }

    /// How long a message on a connection takes: what is lost comes later.
    pub fn frame(&self, dice: &mut Dice) -> u64 {
        let resent_ms = if dice.per_mille(self.lost) { dice.between(200, 1_000) } else { 0 };
        self.wan_ms + dice.below(self.jitter_ms + 1) + resent_ms
    }
}

/// Who is on which side of a cut.
#[derive(Clone, Debug, Default)]
pub struct Cut(BTreeMap<u32, u32>);

impl Cut {
    /// Puts a site on a side; all others are on side 0.
    pub fn put(&mut self, site: u32, side: u32) {
        self.0.insert(site, side);
    }

    /// Nobody is cut off any more.
    pub fn heal(&mut self) {
        self.0.clear();
    }

    /// Whether two sites cannot reach each other.
    #[must_use]
    pub fn between(&self, a: u32, b: u32) -> bool {
        self.0.get(&a).copied().unwrap_or_default() != self.0.get(&b).copied().unwrap_or_default()
    }
}

/// What each site has put on the wires.
#[derive(Clone, Debug, Default)]
pub struct Meter(BTreeMap<u32, u64>);

impl Meter {
    /// A datagram, sent once however many hear it.
    pub fn datagram(&mut self, site: u32, bytes: usize) {
        *self.0.entry(site).or_default() += bytes as u64 + DATAGRAM_HEADER_BYTES;
    }

    /// A datagram in a tunnel.
    pub fn inner(&mut self, site: u32, bytes: usize) {
        *self.0.entry(site).or_default() += bytes as u64 + INNER_HEADER_BYTES;
    }

    /// A message on a connection.
    pub fn frame(&mut self, site: u32, bytes: usize) {
        *self.0.entry(site).or_default() += bytes as u64 + FRAME_HEADER_BYTES;
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes of all sites together, and of the one with the most.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        (self.0.values().sum(), self.0.values().copied().max().unwrap_or_default())
    }
}
