//! What a provider's router answers, and what becomes of a packet that it passes on: frame in, frame out.
//!
//! *Spec*: RFC 792; RFC 5905 section 7.3 (a server of stratum 1).

use std::{
    net::Ipv4Addr,
    time::{SystemTime, UNIX_EPOCH},
};

use etherparse::{Icmpv4Type, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

use super::{Mac, dhcp};

/// Ethernet header, and Ethernet with an IPv4 header without options.
const ETHERNET_BYTES: usize = 14;
const TTL: u8 = 64;
const NTP_PORT: u16 = 123;
const NTP_BYTES: usize = 48;
/// Seconds from 1900 to 1970 (RFC 5905 figure 4).
const NTP_EPOCH_S: u64 = 2_208_988_800;

/// A packet to the router itself: DHCP, SNTP, a ping.
pub(super) fn packet(
    frame: &[u8],
    own: Ipv4Addr,
    mac: Mac,
    lease: &dyn Fn(Mac) -> Option<Ipv4Addr>,
) -> Option<Vec<u8>> {
    let asker: Mac = frame.get(6..12)?.try_into().ok()?;
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
    let back = |from: u16, to: u16, payload: &[u8], address: Ipv4Addr| {
        let packet = PacketBuilder::ethernet2(mac, asker).ipv4(own.octets(), address.octets(), TTL).udp(from, to);
        let mut frame = Vec::new();
        packet.write(&mut frame, payload).ok().map(|()| frame)
    };
    match sliced.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == dhcp::SERVER_PORT => {
            let (reply, to) = dhcp::answer(udp.payload(), own, lease(asker)?)?;
            back(dhcp::SERVER_PORT, dhcp::CLIENT_PORT, &reply, to)
        }
        TransportSlice::Udp(udp) if udp.destination_port() == NTP_PORT => {
            back(NTP_PORT, udp.source_port(), &time(udp.payload())?, ip.header().source_addr())
        }
        TransportSlice::Icmpv4(icmp) => {
            let Icmpv4Type::EchoRequest(echo) = icmp.icmp_type() else { return None };
            let packet = PacketBuilder::ethernet2(mac, asker).ipv4(own.octets(), ip.header().source(), TTL);
            let mut frame = Vec::new();
            packet.icmpv4_echo_reply(echo.id, echo.seq).write(&mut frame, icmp.payload()).ok().map(|()| frame)
        }
        _ => None,
    }
}

/// The time of this computer, as a server with a clock of its own tells it.
fn time(question: &[u8]) -> Option<[u8; NTP_BYTES]> {
    let asked_at = question.get(40..NTP_BYTES)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let seconds = u32::try_from(since.as_secs().checked_add(NTP_EPOCH_S)? & u64::from(u32::MAX)).ok()?;
    let fraction = u32::try_from((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000).ok()?;
    let now = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
    let mut answer = [0; NTP_BYTES];
    // Version 4, server; stratum 1; polled every 2^6 s; precision 2^-20 s; the reference is called "TEST".
    answer.get_mut(..4)?.copy_from_slice(&[0x24, 1, 6, 0xec]);
    answer.get_mut(12..16)?.copy_from_slice(b"TEST");
    answer.get_mut(16..24)?.copy_from_slice(&now);
    answer.get_mut(24..32)?.copy_from_slice(asked_at);
    answer.get_mut(32..40)?.copy_from_slice(&now);
    answer.get_mut(40..48)?.copy_from_slice(&now);
    Some(answer)
}

/// The packet on its next wire: one hop less. `None` if that was the last.
pub(super) fn passed_on(frame: &[u8], from: Mac, to: Mac) -> Option<Vec<u8>> {
    let packet = frame.get(ETHERNET_BYTES..)?;
    let mut header = etherparse::Ipv4HeaderSlice::from_slice(packet).ok()?.to_header();
    header.time_to_live = header.time_to_live.checked_sub(1).filter(|left| *left > 0)?;
    header.header_checksum = header.calc_header_checksum();
    let mut next = [&to[..], &from, &[0x08, 0x00]].concat();
    header.write_raw(&mut next).ok()?;
    next.extend_from_slice(packet.get(header.header_len()..)?);
    Some(next)
}
