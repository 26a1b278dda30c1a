//! What strangers, a member gone mad and a computer on our LAN can send to a slot of the tunnel. The input is a list: one byte for who,
//! two for the length, then what is sent: a datagram as it is, a packet inside the member's session, or a frame of a TUN device.
#![no_main]

use std::{net::SocketAddr, time::Duration};

use libfuzzer_sys::fuzz_target;
use patronus_tunnel::{
    Shard, Wanted,
    noise::{Boring, BoringSession, Engine, Heard, Session},
    vnet::{HEADER_BYTES, Header},
};
use patronus_types::{IpNet, SiteId, UplinkSlot};

const NOW: Duration = Duration::from_secs(1);
const SLOT: UplinkSlot = UplinkSlot::new(0).expect("a slot");
const OURS: [u8; 32] = [1; 32];
const THEIRS: [u8; 32] = [2; 32];
const LONGEST: usize = 2048;

fuzz_target!(|bytes: &[u8]| {
    let (mut shard, mut member) = connected();
    let mut bytes = bytes;
    while let Some(([who, high, low], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high & 0x07, *low])).min(rest.len());
        let (sent, rest) = rest.split_at(length);
        bytes = rest;
        match who % 3 {
            0 => shard.handle_datagrams(NOW, stranger(), sent, LONGEST),
            1 => {
                let mut out = [0; LONGEST + 64];
                let length = member.encrypt(sent, &mut out).expect("a session");
                shard.handle_datagrams(NOW, there(), &out[..length], LONGEST + 64);
            }
            _ => {
                if let Some((header, frame)) = sent.split_first_chunk::<HEADER_BYTES>()
                    && let Some(header) = Header::parse(*header)
                {
                    shard.handle_frame(NOW, SLOT, &header, frame);
                }
            }
        }
        while let Some(batch) = shard.poll_transmit() {
            assert!(batch.to == there(), "nobody else hears anything");
        }
        while let Some(frame) = shard.poll_frame() {
            let packet: Vec<u8> = frame.parts().flatten().copied().collect();
            assert!(is_granted(&packet), "a packet from an address that is not the member's");
        }
    }
});

fn there() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 51830))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 7))
}

/// 10.2.0.0/16 is the member's, and fd00:2::/32.
fn is_granted(packet: &[u8]) -> bool {
    match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(12..14) == Some(&[10, 2]),
        Some(6) => packet.get(8..12) == Some(&[0xfd, 0, 0, 2]),
        _ => false,
    }
}

/// A slot with one path, and the session at its far end.
fn connected() -> (Shard<Boring>, BoringSession) {
    let mut shard = Shard::new(Boring::new(OURS), 0);
    let engine = Boring::new(THEIRS);
    let prefix = |text: &str| text.parse::<IpNet>().expect("a prefix");
    let wanted = Wanted {
        peer: SiteId([2; 32]),
        is_relay: true,
        remote: SLOT,
        public_key: engine.public_key(),
        candidates: Vec::new(),
        prefixes: vec![prefix("10.2.0.0/16"), prefix("fd00:2::/32")],
        keepalive: None,
    };
    shard.apply(NOW, &[wanted]);
    let mut member = engine.session(&shard.public_key(), 1);
    let mut out = [0; 256];
    let length = member.initiate(&mut out).expect("an initiation");
    shard.handle_datagrams(NOW, there(), &out[..length], length);
    let answer = shard.poll_transmit().expect("an answer").bytes.to_vec();
    let Ok(Heard::Answer(length)) = member.handle(&answer, &mut out) else { panic!("no session") };
    shard.handle_datagrams(NOW, there(), &out[..length], length);
    while shard.poll_transmit().is_some() {}
    (shard, member)
}
