//! The messages that the client sends (RFC 2131 section 4.4.1, table 5).

use std::net::Ipv4Addr;

use dhcproto::{
    Encodable, Encoder,
    v4::{DhcpOption, Message, MessageType, OptionCode},
};
use patronus_types::MacAddr;

use crate::limit;

/// What is the same in all messages of one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) xid: u32,
    pub(crate) mac: MacAddr,
    /// Seconds since the exchange began.
    pub(crate) secs: u16,
}

impl Exchange {
    /// Who is there? `hint` is the address that the client had before.
    pub(crate) fn discover(self, hint: Option<Ipv4Addr>) -> Vec<u8> {
        let hint = hint.map(DhcpOption::RequestedIpAddress);
        self.encode(MessageType::Discover, Ipv4Addr::UNSPECIFIED, hint)
    }

    /// SELECTING: takes the offer of this server.
    pub(crate) fn request_offered(self, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let options = [DhcpOption::RequestedIpAddress(address), DhcpOption::ServerIdentifier(server)];
        self.encode(MessageType::Request, Ipv4Addr::UNSPECIFIED, options)
    }

    /// INIT-REBOOT: may I still have this one? No server identifier.
    pub(crate) fn request_kept(self, address: Ipv4Addr) -> Vec<u8> {
        self.encode(MessageType::Request, Ipv4Addr::UNSPECIFIED, [DhcpOption::RequestedIpAddress(address)])
    }

    /// RENEWING, REBINDING: the address stands in `ciaddr`, in no option.
    pub(crate) fn request_again(self, address: Ipv4Addr) -> Vec<u8> {
        self.encode(MessageType::Request, address, [])
    }

    /// Gives back an address that cannot be used.
    pub(crate) fn decline(self, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let options = [DhcpOption::RequestedIpAddress(address), DhcpOption::ServerIdentifier(server)];
        self.encode(MessageType::Decline, Ipv4Addr::UNSPECIFIED, options)
    }

    fn encode(self, kind: MessageType, ciaddr: Ipv4Addr, more: impl IntoIterator<Item = DhcpOption>) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(self.xid, ciaddr, none, none, none, &self.mac.0);
        message.set_secs(self.secs);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        // RFC 2132 section 9.14: hardware type and address, the same on every boot.
        let identifier = [&[1], self.mac.0.as_slice()].concat();
        options.insert(DhcpOption::ClientIdentifier(identifier));
        if kind != MessageType::Decline {
            options.insert(DhcpOption::ParameterRequestList(WANTED.to_vec()));
            options.insert(DhcpOption::MaxMessageSize(limit::DHCP_MESSAGE_BYTES as u16));
        }
        for option in more {
            options.insert(option);
        }
        let mut bytes = Vec::new();
        // Writing into a Vec fails only for options that are too long; none of ours has more than 16 bytes.
        let _ = message.encode(&mut Encoder::new(&mut bytes));
        bytes.resize(bytes.len().max(MESSAGE_MIN_BYTES), 0);
        bytes
    }
}

/// RFC 1542 section 2.1: some relays drop shorter messages.
const MESSAGE_MIN_BYTES: usize = 300;

/// Options that are used.
const WANTED: [OptionCode; 7] = [
    OptionCode::SubnetMask,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::InterfaceMtu,
    OptionCode::NtpServers,
    OptionCode::Renewal,
    OptionCode::Rebinding,
];
