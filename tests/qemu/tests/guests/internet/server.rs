//! A computer on the LAN that gives something to whoever asks, one after the other.
//!
//! *Does*: accept a connection, wait for a byte, say its piece, say again what was not acknowledged, and close.
//! *Spec*: RFC 9293 sections 3.5 and 3.8, without options, window scaling or anything that is only about speed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use etherparse::{Ethernet2Slice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use patronus_qemu::{Segment, Tap, arp};

/// Pause before what was not acknowledged is said again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const SEGMENT_BYTES: usize = 1_000;
/// Said at once: less than a window of the other side.
const BURST: usize = 8;
const TTL: u8 = 64;
const WINDOW: u16 = 16 * 1024;
const FIRST_SEQUENCE: u32 = 7_000;
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 0xee];

/// It serves until it is dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

struct Work {
    tap: Tap,
    address: [u8; 4],
    port: u16,
    content: Vec<u8>,
}

/// Who asks, and how far it is.
struct Connection {
    gateway: [u8; 6],
    from: ([u8; 4], u16),
    expected: u32,
    is_asked: bool,
    acknowledged: usize,
    said: usize,
}

impl Server {
    pub fn on(lan: &Segment, address: [u8; 4], port: u16, content: Vec<u8>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work { tap: lan.tap(), address, port, content };
        let is_over = Arc::clone(&stop);
        Self { stop, work: Some(std::thread::spawn(move || work.serve(&is_over))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.work.take().map(JoinHandle::join);
    }
}

impl Work {
    fn serve(&self, is_over: &AtomicBool) {
        let (mut connection, mut again) = (None, Instant::now());
        while !is_over.load(Ordering::Relaxed) {
            let frame = self.tap.receive(Duration::from_millis(50));
            let answer = frame.as_ref().and_then(|frame| arp::answer(frame, self.address.into(), MAC));
            if let Some(answer) = answer {
                self.tap.send(&answer);
            }
            let is_new = frame.is_some_and(|frame| self.hear(&frame, &mut connection).is_some());
            let is_late = Instant::now() >= again;
            if let Some(connection) = connection.as_mut().filter(|_| is_new || is_late) {
                if is_late {
                    connection.said = connection.acknowledged;
                }
                self.say(connection);
                again = Instant::now() + AGAIN_AFTER;
            }
        }
    }

    /// `Some` if there is something to say now.
    fn hear(&self, frame: &[u8], connection: &mut Option<Connection>) -> Option<()> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { return None };
        if ip.header().destination() != self.address || tcp.destination_port() != self.port {
            return None;
        }
        let (from, sequence) = ((ip.header().source(), tcp.source_port()), tcp.sequence_number());
        if tcp.syn() {
            let (gateway, expected) =
                (Ethernet2Slice::from_slice_without_fcs(frame).ok()?.source(), sequence.wrapping_add(1));
            *connection = Some(Connection { gateway, from, expected, is_asked: false, acknowledged: 0, said: 0 });
            return Some(());
        }
        let connection = connection.as_mut().filter(|connection| connection.from == from)?;
        if sequence == connection.expected && !tcp.payload().is_empty() {
            connection.expected = sequence.wrapping_add(u32::try_from(tcp.payload().len()).ok()?);
            connection.is_asked = true;
        }
        // The SYN counts as one, and so does the FIN behind the content.
        let acknowledged = tcp.acknowledgment_number().wrapping_sub(FIRST_SEQUENCE + 1) as usize;
        if acknowledged <= self.content.len() + 1 {
            connection.acknowledged = connection.acknowledged.max(acknowledged);
        }
        (connection.is_asked && connection.acknowledged >= connection.said).then_some(())
    }

    /// The SYN's answer, or the next pieces.
    fn say(&self, connection: &mut Connection) {
        if !connection.is_asked {
            return self.send(connection, FIRST_SEQUENCE, b"", true, false);
        }
        for _ in 0..BURST {
            if connection.said > self.content.len() {
                return;
            }
            let end = (connection.said + SEGMENT_BYTES).min(self.content.len());
            let piece = self.content.get(connection.said..end).unwrap_or_default();
            let is_last = end == self.content.len();
            self.send(connection, FIRST_SEQUENCE + 1 + connection.said as u32, piece, false, is_last);
            connection.said = end + usize::from(is_last);
        }
    }

    fn send(&self, connection: &Connection, sequence: u32, payload: &[u8], is_syn: bool, is_last: bool) {
        let (to, port) = connection.from;
        let packet = PacketBuilder::ethernet2(MAC, connection.gateway).ipv4(self.address, to, TTL);
        let mut packet = packet.tcp(self.port, port, sequence, WINDOW).ack(connection.expected);
        packet = if is_syn { packet.syn() } else { packet };
        packet = if is_last { packet.fin() } else { packet };
        let mut frame = Vec::new();
        let written = packet.write(&mut frame, payload);
        debug_assert!(written.is_ok(), "a segment fits into a frame");
        self.tap.send(&frame);
    }
}
