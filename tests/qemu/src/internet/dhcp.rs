//! A provider's DHCP server: every machine gets what it was given.
//!
//! *Spec*: RFC 2131 section 4.3, RFC 2132.

use std::net::Ipv4Addr;

use dhcproto::{
    Decodable, Decoder, Encodable, Encoder,
    v4::{DhcpOption, Message, MessageType, Opcode, OptionCode},
};

pub(super) const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;
const LEASE_S: u32 = 24 * 3600;

/// The answer and where it goes.
pub(super) fn answer(question: &[u8], own: Ipv4Addr, address: Ipv4Addr) -> Option<(Vec<u8>, Ipv4Addr)> {
    let question = Message::decode(&mut Decoder::new(question)).ok()?;
    let wanted = match question.opts().get(OptionCode::RequestedIpAddress) {
        Some(DhcpOption::RequestedIpAddress(wanted)) => *wanted,
        _ => question.ciaddr(),
    };
    let kind = match question.opts().msg_type()? {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request if wanted == address => MessageType::Ack,
        MessageType::Request => MessageType::Nak,
        _ => return None,
    };
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(question.xid(), none, address, none, none, question.chaddr());
    message.set_opcode(Opcode::BootReply);
    let options = [
        DhcpOption::MessageType(kind),
        DhcpOption::ServerIdentifier(own),
        DhcpOption::SubnetMask([255, 255, 255, 0].into()),
        DhcpOption::Router(vec![own]),
        DhcpOption::NtpServers(vec![own]),
        DhcpOption::AddressLeaseTime(LEASE_S),
    ];
    for option in options {
        message.opts_mut().insert(option);
    }
    let mut reply = Vec::new();
    message.encode(&mut Encoder::new(&mut reply)).ok()?;
    let to = if question.ciaddr().is_unspecified() { Ipv4Addr::BROADCAST } else { question.ciaddr() };
    Some((reply, to))
}

#[cfg(test)]
pub(super) mod tests {
    use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

    use super::*;

    pub(in super::super) fn discover(mac: [u8; 6]) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(7, none, none, none, none, &mac);
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Discover));
        let mut payload = Vec::new();
        message.encode(&mut Encoder::new(&mut payload)).unwrap();
        let mut frame = Vec::new();
        let packet = PacketBuilder::ethernet2(mac, [0xff; 6]).ipv4([0; 4], [255; 4], 64).udp(CLIENT_PORT, SERVER_PORT);
        packet.write(&mut frame, &payload).unwrap();
        frame
    }

    pub(in super::super) fn offered(frame: &[u8]) -> Ipv4Addr {
        let sliced = SlicedPacket::from_ethernet(frame).unwrap();
        let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!("no UDP") };
        Message::decode(&mut Decoder::new(udp.payload())).unwrap().yiaddr()
    }
}
