//! What a STUN server, or somebody in its place, can send to a slot. The input is a list: one byte for who and how, two for the length, then what is
//! sent: a datagram as it is, or the attributes of an answer to the question.
#![no_main]

use std::{net::SocketAddr, time::Duration};

use libfuzzer_sys::fuzz_target;
use patronus_tunnel::{Shard, StunServer, noise::Boring};

const LONGEST: usize = 2048;

fuzz_target!(|bytes: &[u8]| {
    let mut shard = Shard::new(Boring::new([1; 32]), 0);
    shard.set_stun(&[StunServer { address: server(), transaction: [7; 12] }]);
    shard.apply(Duration::ZERO, &[]);
    let mut question = shard.poll_transmit().expect("a question").bytes.to_vec();
    let (mut bytes, mut now) = (bytes, Duration::ZERO);
    while let Some(([how, high, low], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high & 0x03, *low])).min(rest.len());
        let (sent, rest) = rest.split_at(length);
        bytes = rest;
        match how % 3 {
            0 => shard.handle_datagrams(now, server(), sent, LONGEST),
            1 => shard.handle_datagrams(now, server(), &answer(&question, sent), LONGEST),
            _ => shard.handle_datagrams(now, stranger(), &answer(&question, sent), LONGEST),
        }
        let seen = shard.seen(now).to_vec();
        let stun = shard.stun();
        assert!(stun.len() == 1 && seen.len() <= 1 && seen.iter().all(is_usable), "one word of one server");
        now += Duration::from_secs(1);
        shard.handle_timeout(now);
        while let Some(batch) = shard.poll_transmit() {
            assert!(batch.to == server() && batch.bytes.len() == 20, "nobody else hears anything");
            question = batch.bytes.to_vec();
        }
    }
});

/// With these attributes, to this question.
fn answer(question: &[u8], attributes: &[u8]) -> Vec<u8> {
    let length = (attributes.len() as u16).to_be_bytes();
    [&[1, 1], &length[..], &question[4..], attributes].concat()
}

fn is_usable(seen: &SocketAddr) -> bool {
    seen.port() != 0 && !seen.ip().is_unspecified() && !seen.ip().is_multicast()
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 3478))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 7))
}
