//! A computer on a LAN, whose gateway is the site's router.
//!
//! *Does*: answer ARP and pings; ping another.
//! *Spec*: RFC 792, RFC 826.

use std::{
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use etherparse::{IcmpEchoHeader, Icmpv4Type, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use patronus_qemu::{Segment, Tap, arp, lan_mac};

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long one computer is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(10);
const TTL: u8 = 64;
/// Each row of pings is a flow of its own.
static NEXT_ID: AtomicU16 = AtomicU16::new(7);

pub struct Computer {
    tap: Tap,
    mac: [u8; 6],
    address: [u8; 4],
    gateway: [u8; 6],
}

impl Computer {
    /// In 192.168.`network`.0/24, behind the router with this number.
    pub fn on(lan: &Segment, number: u8, network: u8) -> Self {
        Self {
            tap: lan.tap(),
            mac: [0x52, 0x54, 0x00, 0x77, number, 0x01],
            address: [192, 168, network, 77],
            gateway: lan_mac(number),
        }
    }

    /// Pings until an answer comes; gives what the first one says.
    pub fn ping(&self, other: &Self, words: &[u8], limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let (mut next, mut seq, id) = (Instant::now(), 0, NEXT_ID.fetch_add(1, Ordering::Relaxed));
        while Instant::now() < deadline {
            if Instant::now() >= next {
                seq += 1;
                self.send(other.address, Icmpv4Type::EchoRequest(IcmpEchoHeader { id, seq }), words);
                next += PING_EVERY;
            }
            other.listen();
            if let Some(answer) = self.listen() {
                return Some(answer);
            }
        }
        None
    }

    /// Answers what is asked; gives what an answer to a ping of its own says.
    fn listen(&self) -> Option<Vec<u8>> {
        let frame = self.tap.receive(TURN)?;
        if let Some(answer) = arp::answer(&frame, self.address.into(), self.mac) {
            self.tap.send(&answer);
            return None;
        }
        let sliced = SlicedPacket::from_ethernet(&frame).ok()?;
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
        let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else { return None };
        if ip.header().destination() != self.address {
            return None;
        }
        match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => {
                self.send(ip.header().source(), Icmpv4Type::EchoReply(echo), icmp.payload());
                None
            }
            Icmpv4Type::EchoReply(_) => Some(icmp.payload().to_vec()),
            _ => None,
        }
    }

    fn send(&self, to: [u8; 4], kind: Icmpv4Type, words: &[u8]) {
        let packet = PacketBuilder::ethernet2(self.mac, self.gateway).ipv4(self.address, to, TTL).icmpv4(kind);
        let mut frame = Vec::new();
        let written = packet.write(&mut frame, words);
        debug_assert!(written.is_ok(), "a ping fits into a frame");
        self.tap.send(&frame);
    }
}
