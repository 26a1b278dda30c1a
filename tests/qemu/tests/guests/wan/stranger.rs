//! Somebody on a wire who knocks at ports and counts what comes back.
//!
//! *Does*: answer ARP and neighbour solicitations for himself, so that a guest that wants to answer can.
//! *Never does*: send faster than an emulated guest can take.
//! *Spec*: RFC 9293 section 3.5 (SYN), RFC 768, RFC 826, RFC 4861 section 7.2.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket};
use patronus_qemu::{Segment, Tap, arp};

/// Burst and pause: about 20,000 frames a second at most.
const BURST: u32 = 64;
const PAUSE: Duration = Duration::from_millis(3);
/// Our own port and address on the wire.
const SOURCE_PORT: u16 = 40_000;
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x77, 0x77, 0x77];

#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Whose ports.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    mac: [u8; 6],
    address: Address,
}

#[derive(Clone, Copy, Debug)]
enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Target {
    pub fn v4(mac: [u8; 6], address: [u8; 4]) -> Self {
        Self { mac, address: Address::V4(address) }
    }

    pub fn v6(mac: [u8; 6], address: [u8; 16]) -> Self {
        Self { mac, address: Address::V6(address) }
    }

    /// The address that a port gives itself (RFC 4291, appendix A).
    pub fn link_local(mac: [u8; 6]) -> Self {
        Self { mac, address: Address::V6(link_local(mac)) }
    }
}

/// Somebody on a wire.
pub struct Stranger {
    tap: Tap,
    own: [u8; 4],
    target: Target,
    sent: Cell<u32>,
    answers: Cell<u32>,
}

impl Stranger {
    pub fn on(segment: &Segment, own: [u8; 4], target: Target) -> Self {
        Self { tap: segment.tap(), own, target, sent: Cell::new(0), answers: Cell::new(0) }
    }

    /// One SYN, or one datagram.
    pub fn knock(&self, protocol: Protocol, port: u16) {
        let ethernet = PacketBuilder::ethernet2(MAC, self.target.mac);
        let ip = match self.target.address {
            Address::V4(address) => ethernet.ipv4(self.own, address, 64),
            Address::V6(address) => ethernet.ipv6(link_local(MAC), address, 64),
        };
        let mut frame = Vec::with_capacity(128);
        let written = match protocol {
            Protocol::Tcp => ip.tcp(SOURCE_PORT, port, 1, 64_240).syn().write(&mut frame, &[]),
            Protocol::Udp => ip.udp(SOURCE_PORT, port).write(&mut frame, b"knock"),
        };
        debug_assert!(written.is_ok(), "a knock fits into a frame");
        self.tap.send(&frame);
    }

    /// The same without flooding the guest, and listening meanwhile.
    pub fn knock_at_pace(&self, protocol: Protocol, port: u16) {
        self.knock(protocol, port);
        self.sent.set(self.sent.get() + 1);
        if self.sent.get().is_multiple_of(BURST) {
            self.listen(PAUSE);
        }
    }

    /// How many packets have come to us from the target until `limit` is over.
    pub fn answers(&self, limit: Duration) -> u32 {
        self.listen(limit);
        self.answers.get()
    }

    fn listen(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while let Some(frame) = self.tap.receive(deadline.saturating_duration_since(Instant::now())) {
            self.handle(&frame);
        }
    }

    fn handle(&self, frame: &[u8]) {
        if let Some(answer) = arp::answer(frame, self.own.into(), MAC) {
            self.tap.send(&answer);
        } else if frame.get(6..12) == Some(&self.target.mac[..]) && self.is_for_us(frame) {
            self.answers.set(self.answers.get() + 1);
        }
    }

    /// An IP packet to our own address. Neighbour discovery is how the guest looks for the way, not an answer.
    fn is_for_us(&self, frame: &[u8]) -> bool {
        let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
        match packet.net {
            Some(NetSlice::Ipv4(ip)) => ip.header().destination() == self.own,
            Some(NetSlice::Ipv6(ip)) if is_solicitation(frame) => {
                self.answer_solicitation(ip.header().source());
                false
            }
            Some(NetSlice::Ipv6(ip)) => ip.header().destination() == link_local(MAC),
            _ => false,
        }
    }

    /// A neighbour advertisement: solicited, override, our address, our MAC as target link-layer address.
    fn answer_solicitation(&self, asker: [u8; 16]) {
        let mut body = Vec::with_capacity(24);
        body.extend_from_slice(&link_local(MAC));
        body.extend_from_slice(&[2, 1]);
        body.extend_from_slice(&MAC);
        let builder = PacketBuilder::ethernet2(MAC, self.target.mac).ipv6(link_local(MAC), asker, 255);
        let mut frame = Vec::new();
        if builder.icmpv6_raw(136, 0, [0x60, 0, 0, 0]).write(&mut frame, &body).is_ok() {
            self.tap.send(&frame);
        }
    }
}

/// ICMPv6 type 135 right behind the fixed header, for our address.
fn is_solicitation(frame: &[u8]) -> bool {
    frame.get(20) == Some(&58) && frame.get(54) == Some(&135) && frame.get(62..78) == Some(&link_local(MAC)[..])
}

fn link_local(mac: [u8; 6]) -> [u8; 16] {
    let [a, b, c, d, e, f] = mac;
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}
