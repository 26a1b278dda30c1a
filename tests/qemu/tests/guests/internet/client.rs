//! A computer that speaks just enough TCP to fetch something.
//!
//! *Does*: connect, send one byte, take what comes in order, acknowledge it; ask again for what gets lost.
//! *Spec*: RFC 9293 sections 3.5 and 3.8, without options, window scaling or anything that is only about speed.

use std::time::{Duration, Instant};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpSlice, TransportSlice};
use patronus_qemu::{Segment, Tap, arp};

/// Pause before what was not answered is said again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Between two connections that nobody answered: the box may still be looking for an address.
const ANEW_AFTER: Duration = Duration::from_secs(6);
const TTL: u8 = 64;
const WINDOW: u16 = 16 * 1024;
const FIRST_SEQUENCE: u32 = 1000;

pub struct Client {
    tap: Tap,
    mac: [u8; 6],
    gateway: [u8; 6],
    address: [u8; 4],
    port: u16,
}

/// One connection: what was heard, and what is said next.
struct Connection {
    to: ([u8; 4], u16),
    /// Their next byte, once they have answered.
    expected: Option<u32>,
    heard: Vec<u8>,
    is_over: bool,
}

impl Client {
    pub fn on(wire: &Segment, gateway: [u8; 6], address: [u8; 4]) -> Self {
        Self { tap: wire.tap(), mac: [0x52, 0x54, 0, 0x77, 0, 1], gateway, address, port: 40_000 }
    }

    /// All that comes after the first byte, until they close.
    pub fn fetch(&mut self, to: [u8; 4], port: u16, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            self.port += 1;
            let mut connection = Connection { to: (to, port), expected: None, heard: Vec::new(), is_over: false };
            if self.converse(&mut connection, deadline) {
                return Some(connection.heard);
            }
        }
        None
    }

    /// Whether it came to its end.
    fn converse(&self, connection: &mut Connection, deadline: Instant) -> bool {
        let patience = (Instant::now() + ANEW_AFTER).min(deadline);
        let mut again = Instant::now();
        while Instant::now() < if connection.expected.is_some() { deadline } else { patience } {
            if Instant::now() >= again {
                self.say(connection);
                again = Instant::now() + AGAIN_AFTER;
            }
            let Some(frame) = self.tap.receive(Duration::from_millis(50)) else { continue };
            if let Some(answer) = arp::answer(&frame, self.address.into(), self.mac) {
                self.tap.send(&answer);
            } else if self.hear(&frame, connection).is_some() {
                self.say(connection);
                if connection.is_over {
                    return true;
                }
            }
        }
        false
    }

    /// What is said at this point: the SYN; the one byte; that everything so far was heard.
    fn say(&self, connection: &Connection) {
        let (to, port) = connection.to;
        let packet = PacketBuilder::ethernet2(self.mac, self.gateway).ipv4(self.address, to, TTL);
        let sequence = |said: u32| FIRST_SEQUENCE + said;
        let (packet, payload): (_, &[u8]) = match connection.expected {
            None => (packet.tcp(self.port, port, sequence(0), WINDOW).syn(), b""),
            Some(next) if connection.heard.is_empty() => {
                (packet.tcp(self.port, port, sequence(1), WINDOW).ack(next).psh(), b"?")
            }
            Some(next) => (packet.tcp(self.port, port, sequence(2), WINDOW).ack(next), b""),
        };
        let mut frame = Vec::new();
        let written = packet.write(&mut frame, payload);
        debug_assert!(written.is_ok(), "a segment fits into a frame");
        self.tap.send(&frame);
    }

    /// `Some` if it is of this connection and its turn.
    fn hear(&self, frame: &[u8], connection: &mut Connection) -> Option<()> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { return None };
        let header = ip.header();
        let from = (header.source(), tcp.source_port());
        if from != connection.to || header.destination() != self.address || tcp.destination_port() != self.port {
            return None;
        }
        self.take(tcp, connection)
    }

    fn take(&self, tcp: &TcpSlice<'_>, connection: &mut Connection) -> Option<()> {
        match connection.expected {
            None => {
                let is_ours = tcp.syn() && tcp.ack() && tcp.acknowledgment_number() == FIRST_SEQUENCE + 1;
                connection.expected = is_ours.then(|| tcp.sequence_number().wrapping_add(1));
                is_ours.then_some(())
            }
            Some(next) if tcp.sequence_number() == next => {
                connection.heard.extend_from_slice(tcp.payload());
                let counted = u32::try_from(tcp.payload().len()).ok()? + u32::from(tcp.fin());
                connection.expected = Some(next.wrapping_add(counted));
                connection.is_over = tcp.fin();
                (counted > 0).then_some(())
            }
            // Out of turn: what is missing is asked for again.
            Some(_) => Some(()),
        }
    }
}
