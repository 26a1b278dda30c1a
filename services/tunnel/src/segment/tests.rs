use proptest::prelude::*;

use super::*;
use crate::{
    inbox::{Coalesce, Inbox},
    vnet::HEADER_BYTES,
};
use patronus_types::UplinkSlot;

const SLOT: UplinkSlot = UplinkSlot::new(3).unwrap();

/// A super-frame as the kernel makes it: the sum of the pseudo-header where the checksum will be.
fn super_frame(v4: bool, protocol: u8, payload: &[u8], segment: u16, flags: u8) -> (Header, Vec<u8>) {
    let transport = if v4 { 20 } else { 40 };
    let transport_header = if protocol == TCP { 32 } else { 8 };
    let mut frame = vec![0; transport + transport_header];
    frame.extend_from_slice(payload);
    let length = frame.len();
    if v4 {
        frame[..12].copy_from_slice(&[0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
        frame[12..20].copy_from_slice(&[10, 1, 0, 1, 10, 2, 0, 1]);
    } else {
        frame[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0, protocol, 64]);
        (frame[8], frame[23], frame[24], frame[39]) = (0xfd, 1, 0xfd, 2);
    }
    set_length(&mut frame, v4, length, 0x1234).unwrap();
    put(&mut frame, transport, [0x1f, 0x90, 0xc0, 0x01]).unwrap();
    let offset = if protocol == TCP {
        put(&mut frame, transport + 4, 0xffff_f000_u32.to_be_bytes()).unwrap();
        put(&mut frame, transport + 12, [0x80, flags, 1, 0]).unwrap();
        TCP_CHECKSUM
    } else {
        put(&mut frame, transport + 4, ((length - transport) as u16).to_be_bytes()).unwrap();
        UDP_CHECKSUM
    };
    let sum = pseudo_header(&frame, v4, protocol, length - transport).partial();
    put(&mut frame, transport + offset, sum).unwrap();
    let gso = match (protocol, v4) {
        (UDP, _) => Gso::Udp,
        (_, true) => Gso::TcpV4,
        (_, false) => Gso::TcpV6,
    };
    let checksum = Some((transport as u16, offset as u16));
    (Header { gso, segment_bytes: segment, header_bytes: (transport + transport_header) as u16, checksum }, frame)
}

fn cut(header: &Header, frame: &[u8]) -> Vec<Vec<u8>> {
    let split = Split::new(header, frame).unwrap();
    let write = |index| {
        let mut out = vec![0; limit::FRAME_BYTES];
        let length = split.write(index, &mut out).unwrap();
        out.truncate(length);
        out
    };
    (0..split.count()).map(write).collect()
}

fn join(packets: &[Vec<u8>], coalesce: Coalesce) -> Vec<([u8; HEADER_BYTES], Vec<u8>)> {
    let mut inbox = Inbox::new(coalesce);
    for packet in packets {
        inbox.room(packet.len()).unwrap()[..packet.len()].copy_from_slice(packet);
        inbox.keep(packet.len(), SLOT);
    }
    let mut frames = Vec::new();
    while let Some(frame) = inbox.poll_frame() {
        assert_eq!(frame.remote, SLOT);
        frames.push((frame.header, frame.parts().flatten().copied().collect()));
    }
    frames
}

/// All checksums of a finished packet, by an independent library.
fn is_intact(packet: &[u8]) -> bool {
    let sliced = etherparse::SlicedPacket::from_ip(packet).unwrap();
    let payload = |slice: &[u8]| slice.to_vec();
    match (sliced.net.unwrap(), sliced.transport.unwrap()) {
        (etherparse::NetSlice::Ipv4(ip), transport) => {
            let header = ip.header();
            header.to_header().calc_header_checksum() == header.header_checksum()
                && match transport {
                    etherparse::TransportSlice::Tcp(tcp) => {
                        let body = payload(tcp.payload());
                        tcp.to_header().calc_checksum_ipv4(&header.to_header(), &body).unwrap() == tcp.checksum()
                    }
                    etherparse::TransportSlice::Udp(udp) => {
                        let body = payload(udp.payload());
                        udp.to_header().calc_checksum_ipv4(&header.to_header(), &body).unwrap() == udp.checksum()
                    }
                    _ => false,
                }
        }
        (etherparse::NetSlice::Ipv6(ip), transport) => {
            let header = ip.header().to_header();
            match transport {
                etherparse::TransportSlice::Tcp(tcp) => {
                    tcp.to_header().calc_checksum_ipv6(&header, &payload(tcp.payload())).unwrap() == tcp.checksum()
                }
                etherparse::TransportSlice::Udp(udp) => {
                    udp.to_header().calc_checksum_ipv6(&header, &payload(udp.payload())).unwrap() == udp.checksum()
                }
                _ => false,
            }
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_is_cut_is_whole_packets_and_joined_again_is_what_it_was(
        v4 in any::<bool>(), tcp in any::<bool>(),
        payload in proptest::collection::vec(any::<u8>(), 100..20_000), segment in 400..1400_u16, push in any::<bool>(),
    ) {
        let flags = if push { 0x18 } else { 0x10 };
        let (header, frame) = super_frame(v4, if tcp { TCP } else { UDP }, &payload, segment, flags);
        let packets = cut(&header, &frame);
        prop_assert_eq!(packets.len(), payload.len().div_ceil(segment.into()));
        prop_assert!(packets.iter().all(|packet| is_intact(packet)));
        let joined = join(&packets, Coalesce::TcpAndUdp);
        // What is too short to be worth joining stands alone; all else is one frame.
        let tail_alone = packets.len() > 1 && packets.last().unwrap().len() < packets[0].len() - usize::from(segment) + limit::SEGMENT_MIN_BYTES;
        prop_assert_eq!(joined.len(), 1 + usize::from(tail_alone));
        if !tail_alone && packets.len() > 1 {
            prop_assert_eq!(Header::parse(joined[0].0), Some(header));
            prop_assert_eq!(&joined[0].1, &frame);
        }
    }

    #[test]
    fn no_frame_and_no_header_ends_the_process(
        header in any::<[u8; HEADER_BYTES]>(), frame in proptest::collection::vec(any::<u8>(), 0..300), version in 0..3_usize,
    ) {
        let mut frame = frame;
        if let (Some(first), Some(set)) = (frame.first_mut(), [None, Some(0x45), Some(0x60)][version]) {
            *first = set;
        }
        if let Some(split) = Header::parse(header).and_then(|header| Split::new(&header, &frame)) {
            for index in 0..split.count() + 1 {
                split.write(index, &mut vec![0; limit::FRAME_BYTES]);
            }
        }
    }

    #[test]
    fn any_packets_in_any_order_come_out_with_every_byte_of_theirs(
        order in proptest::collection::vec((0..4_usize, 0..12_usize), 1..80), coalesce in 0..3_usize,
    ) {
        let coalesce = [Coalesce::Nothing, Coalesce::Tcp, Coalesce::TcpAndUdp][coalesce];
        let flows = [(true, TCP), (true, UDP), (false, TCP), (false, UDP)].map(|(v4, protocol)| {
            let payload: Vec<u8> = (0..6000_u32).map(|n| (n * 31 / 7) as u8).collect();
            let (header, frame) = super_frame(v4, protocol, &payload, 500, 0x18);
            cut(&header, &frame)
        });
        let packets: Vec<Vec<u8>> = order.iter().map(|(flow, index)| flows[*flow][*index].clone()).collect();
        let joined = join(&packets, coalesce);
        let mut again: Vec<Vec<u8>> = joined
            .iter()
            .flat_map(|(header, frame)| cut(&Header::parse(*header).unwrap(), frame))
            .collect();
        prop_assert_eq!(again.len(), packets.len());
        // Within a flow, the order is the same; identifications are given anew, and PSH moves to the last of a frame.
        let key = |packet: &Vec<u8>| (packet[0], packet[if packet[0] == 0x45 { 9 } else { 6 }]);
        let mut expected = packets.clone();
        expected.sort_by_key(key);
        again.sort_by_key(key);
        let payload = |packet: &Vec<u8>| { let headers = packet.len() - 500; packet[headers..].to_vec() };
        prop_assert_eq!(again.iter().map(payload).collect::<Vec<_>>(), expected.iter().map(payload).collect::<Vec<_>>());
        prop_assert!(again.iter().all(|packet| is_intact(packet)));
    }
}

#[test]
fn only_the_last_segment_ends_the_stream_and_only_the_first_answers_congestion() {
    let (header, frame) = super_frame(true, TCP, &[7; 1000], 400, 0x10 | FIN | PSH | CWR);
    let flags: Vec<u8> = cut(&header, &frame).iter().map(|packet| packet[20 + TCP_FLAGS]).collect();
    assert_eq!(flags, [0x10 | CWR, 0x10, 0x10 | FIN | PSH]);
}

#[test]
fn a_damaged_segment_is_passed_on_as_it_came() {
    let (header, frame) = super_frame(true, TCP, &[7; 1200], 400, 0x10);
    let mut packets = cut(&header, &frame);
    packets[1][100] ^= 1;
    let joined = join(&packets, Coalesce::Tcp);
    assert_eq!(joined.len(), 3);
    assert_eq!(joined[1].1, packets[1], "the receiver must see that it is damaged");
}

#[test]
fn a_missing_segment_divides_a_frame() {
    let (header, frame) = super_frame(false, TCP, &[7; 2000], 400, 0x10);
    let mut packets = cut(&header, &frame);
    packets.remove(2);
    let lengths: Vec<usize> = join(&packets, Coalesce::Tcp).iter().map(|(_, frame)| frame.len() - 72).collect();
    assert_eq!(lengths, [800, 800]);
}

#[test]
fn a_segment_without_data_is_not_overtaken_by_what_comes_after_it() {
    let (header, frame) = super_frame(true, TCP, &[7; 1200], 400, 0x10);
    let packets = cut(&header, &frame);
    let (header, end) = super_frame(true, TCP, &[], 400, 0x10 | FIN);
    let end = cut(&header, &end).remove(0);
    let mixed = [packets[0].clone(), end.clone(), packets[1].clone()];
    let joined = join(&mixed, Coalesce::Tcp);
    assert_eq!(joined.len(), 3);
    assert_eq!(joined[1].1, end);
}

#[test]
fn a_frame_holds_its_number_of_packets_and_the_next_one_begins_another() {
    let payload = vec![1; 100 * (limit::COALESCED_PACKETS + 1)];
    let (header, frame) = super_frame(true, TCP, &payload, 100, 0x10);
    let joined = join(&cut(&header, &frame), Coalesce::Tcp);
    let lengths: Vec<usize> = joined.iter().map(|(_, frame)| (frame.len() - 52) / 100).collect();
    assert_eq!(lengths, [limit::COALESCED_PACKETS, 1]);
}

#[test]
fn segments_smaller_than_the_limit_are_refused() {
    let least = limit::SEGMENT_MIN_BYTES as u16;
    let (header, frame) = super_frame(true, TCP, &[0; 500], least, 0x10);
    assert!(Split::new(&header, &frame).is_some());
    let (header, frame) = super_frame(true, TCP, &[0; 500], least - 1, 0x10);
    assert!(Split::new(&header, &frame).is_none());
}

/// The other copy came alone, perhaps: it must be seen that these are the same.
#[test]
fn what_is_sent_by_two_paths_stays_one_by_one() {
    let (header, frame) = super_frame(true, UDP, &[7; 400], 100, 0);
    let mut packets = cut(&header, &frame);
    assert_eq!(join(&packets, Coalesce::TcpAndUdp).len(), 1);
    packets.iter_mut().for_each(|packet| packet[6] |= 0x80);
    assert_eq!(join(&packets, Coalesce::TcpAndUdp).len(), packets.len());
}
