//! A way that carries less than the links at its ends, and whose routers say nothing.

use super::*;

/// What the way carries, and what of a packet that leaves.
const PASSES: usize = 1370;
const LONGEST: usize = (PASSES - 60) / 16 * 16;

/// Two sites whose links carry 1,500 bytes, after so many seconds.
fn two_after(seconds: u32) -> (Site, Site) {
    let (mut a, mut b) = acquainted();
    for site in [&mut a, &mut b] {
        site.shard.set_underlay(1500);
    }
    for tick in 0..seconds * 4 {
        for site in [&mut a, &mut b] {
            site.shard.handle_timeout(S + limit::TICK * tick);
        }
        while carry(&mut a, &mut b, A) + carry(&mut b, &mut a, B) > 0 {}
    }
    (a, b)
}

/// Carries what a site sends, but for what may not be cut and is too long; how much it was.
fn carry(from: &mut Site, to: &mut Site, source: &str) -> usize {
    let mut sent = Vec::new();
    while let Some(batch) = from.shard.poll_transmit() {
        if !batch.is_uncut || batch.bytes.len() + 28 <= PASSES {
            sent.extend(batch.bytes.chunks(batch.segment_bytes).map(|datagram| (batch.to, datagram.to_vec())));
        }
    }
    to.hear(source, &sent);
    sent.len()
}

/// An IPv4 packet from one site to the other.
fn packet(from: &Site, to: &Site, bytes: usize, may_be_cut: bool, protocol: u8) -> Vec<u8> {
    let mut packet = vec![0; bytes];
    (packet[0], packet[6], packet[8], packet[9]) = (0x45, if may_be_cut { 0 } else { 0x40 }, 64, protocol);
    packet[2..4].copy_from_slice(&(bytes as u16).to_be_bytes());
    packet[12..20].copy_from_slice(&[10, from.number, 0, 1, 10, to.number, 0, 1]);
    packet
}

/// What the device of a site gets.
fn frame(site: &mut Site) -> Vec<u8> {
    site.shard.poll_frame().map(|frame| frame.parts().collect::<Vec<_>>().concat()).unwrap_or_default()
}

#[test]
fn what_is_too_long_is_told_to_its_sender_or_cut_and_nothing_longer_leaves() {
    let (mut a, mut b) = two_after(30);
    assert_eq!((a.path().longest, b.path().longest), (Some(LONGEST as u16), Some(LONGEST as u16)));
    assert!(a.rejected().is_empty() && b.rejected().is_empty(), "{:?} {:?}", a.rejected(), b.rejected());

    let long = packet(&a, &b, 1400, false, 17);
    a.shard.handle_frame(S, HERE, &Header::default(), &long);
    assert_eq!((carry(&mut a, &mut b, A), a.rejected()["too-long"]), (0, 1));
    let told = frame(&mut a);
    assert_eq!((told[20..22].to_vec(), usize::from(u16::from_be_bytes([told[26], told[27]]))), (vec![3, 4], LONGEST));
    assert!(a.shard.poll_frame().is_none());

    let cut = packet(&a, &b, 1400, true, 17);
    a.shard.handle_frame(S, HERE, &Header::default(), &cut);
    assert_eq!(carry(&mut a, &mut b, A), 2);
    assert!(frame(&mut b).len() <= LONGEST);
}

#[test]
fn who_opens_a_connection_is_told_of_segments_that_pass() {
    let (mut a, mut b) = two_after(30);
    let mut syn = packet(&a, &b, 44, false, 6);
    (syn[32], syn[33]) = (6 << 4, 2);
    syn[40..].copy_from_slice(&[2, 4, 5, 180]);
    let header = Header { checksum: Some((20, 16)), ..Header::default() };
    let sum = Packet::parse(&syn).unwrap().pseudo_header(6, 24).partial();
    syn[36..38].copy_from_slice(&sum);
    a.shard.handle_frame(S, HERE, &header, &syn);
    carry(&mut a, &mut b, A);
    let came = frame(&mut b);
    assert_eq!(usize::from(u16::from_be_bytes([came[42], came[43]])), LONGEST - 40);
    let segment = &came[20..];
    assert!(Packet::parse(&came).unwrap().pseudo_header(6, 24).with(segment).is_intact());

    // Another path to the same site is narrower: the connection may have to take that.
    b.shard.set_narrowest(BTreeMap::from([(a.wanted(&[]).peer, 1216)]));
    a.shard.handle_frame(S, HERE, &header, &syn);
    carry(&mut a, &mut b, A);
    let came = frame(&mut b);
    assert_eq!(u16::from_be_bytes([came[42], came[43]]), 1216 - 40);
}
