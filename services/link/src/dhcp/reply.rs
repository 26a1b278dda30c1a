//! From the bytes of a server's message to a value that can be trusted to be well formed.
//!
//! *Does*: every check that needs no knowledge of what was asked; the machine checks the rest with the same [`Rejected`].
//! *Never does*: guess a missing netmask or lease time, or keep more of a list than its limit.
//! *Spec*: RFC 2131 sections 2 and 4.3.1 table 3; RFC 2132 for options.

use std::net::Ipv4Addr;

use dhcproto::{
    Decodable, Decoder,
    v4::{DhcpOption, DhcpOptions, Message, MessageType, OptionCode},
};
use patronus_types::{Ipv4Net, MacAddr};
use thiserror::Error;

use crate::limit;

/// RFC 2131 section 2, figure 1: the fixed part, with the magic cookie of section 3.
const FIXED_BYTES: usize = 240;
/// RFC 2131 section 3.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// `op` of a message from server to client.
const BOOTREPLY: u8 = 2;
/// RFC 1700: Ethernet, and the length of its addresses.
const ETHERNET: [u8; 2] = [1, 6];

/// A well-formed message from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which exchange it belongs to.
    pub xid: u32,
    /// For whom it is.
    pub chaddr: MacAddr,
    /// Who sent it (option 54).
    pub server: Ipv4Addr,
    /// What it says.
    pub kind: Kind,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// You could have this.
    Offer(Terms),
    /// You have this.
    Ack(Terms),
    /// You do not have that.
    Nak,
}

/// What a server offers or grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `yiaddr` with the prefix length of option 1.
    pub address: Ipv4Net,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 26, if it is a size that a link can have.
    pub mtu: Option<u16>,
    /// Option 51, at most [`limit::LEASE_MAX_S`].
    pub lease_s: u32,
    /// Option 58, or half of the lease (RFC 2131 section 4.4.5).
    pub renew_s: u32,
    /// Option 59, or seven eighths of the lease.
    pub rebind_s: u32,
}

/// Why a message from the network is not used. Each has a counter under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Rejected {
    /// Longer than a frame.
    #[error("oversized")]
    Oversized,
    /// Ends before the options begin.
    #[error("truncated")]
    Truncated,
    /// From a client, not from a server.
    #[error("not-a-reply")]
    NotAReply,
    /// For another kind of link.
    #[error("not-ethernet")]
    NotEthernet,
    /// BOOTP without DHCP.
    #[error("no-magic-cookie")]
    NoMagicCookie,
    /// Options that end in the middle, or with wrong lengths.
    #[error("malformed-options")]
    MalformedOptions,
    /// No option 53, or a type that servers do not send.
    #[error("unexpected-type")]
    UnexpectedType,
    /// No option 54, or not the address of one host.
    #[error("bad-server-identifier")]
    BadServerIdentifier,
    /// `yiaddr` is not the address of one host.
    #[error("bad-address")]
    BadAddress,
    /// No option 1, or not a mask, or too wide.
    #[error("bad-netmask")]
    BadNetmask,
    /// No option 51, or shorter than [`limit::LEASE_MIN_S`].
    #[error("bad-lease-time")]
    BadLeaseTime,
    /// The router is not on this link, or is the address itself.
    #[error("bad-router")]
    BadRouter,
    /// Belongs to another exchange.
    #[error("wrong-transaction")]
    WrongTransaction,
    /// For another client.
    #[error("wrong-client")]
    WrongClient,
    /// Not an answer to what was asked last.
    #[error("out-of-state")]
    OutOfState,
    /// From another server than the one that was asked.
    #[error("wrong-server")]
    WrongServer,
    /// The acknowledged address is not the requested one.
    #[error("wrong-address")]
    WrongAddress,
    /// The network of the offered address overlaps the LAN: taking it would cut off one of the two.
    #[error("conflicts-with-lan")]
    ConflictsWithLan,
}

/// Parses and checks one message from a server: the payload of a UDP datagram to port 68.
///
/// # Errors
/// The first check that fails, by name.
pub fn parse_reply(bytes: &[u8]) -> Result<Reply, Rejected> {
    let message = decode(bytes)?;
    let options = message.opts();
    let chaddr = message.chaddr().try_into().map_err(|_| Rejected::NotEthernet)?;
    let server = match options.get(OptionCode::ServerIdentifier) {
        Some(DhcpOption::ServerIdentifier(server)) if is_host(*server) => *server,
        _ => return Err(Rejected::BadServerIdentifier),
    };
    let kind = match options.msg_type() {
        Some(MessageType::Offer) => Kind::Offer(terms(&message)?),
        Some(MessageType::Ack) => Kind::Ack(terms(&message)?),
        Some(MessageType::Nak) => Kind::Nak,
        _ => return Err(Rejected::UnexpectedType),
    };
    Ok(Reply { xid: message.xid(), chaddr: MacAddr(chaddr), server, kind })
}

/// The decoder checks neither the direction, nor the link type, nor the cookie; that is done here, before it runs.
fn decode(bytes: &[u8]) -> Result<Message, Rejected> {
    if bytes.len() > limit::DHCP_MESSAGE_BYTES {
        return Err(Rejected::Oversized);
    }
    let fixed = bytes.get(..FIXED_BYTES).ok_or(Rejected::Truncated)?;
    if fixed.first() != Some(&BOOTREPLY) {
        return Err(Rejected::NotAReply);
    }
    if fixed.get(1..3) != Some(&ETHERNET) {
        return Err(Rejected::NotEthernet);
    }
    if !fixed.ends_with(&MAGIC_COOKIE) {
        return Err(Rejected::NoMagicCookie);
    }
    Message::decode(&mut Decoder::new(bytes)).map_err(|_| Rejected::MalformedOptions)
}

fn terms(message: &Message) -> Result<Terms, Rejected> {
    let options = message.opts();
    let address = address(message.yiaddr(), options)?;
    let (lease_s, renew_s, rebind_s) = times(options)?;
    Ok(Terms {
        address,
        routers: routers(address, options)?,
        dns: hosts(options, OptionCode::DomainNameServer, limit::LEASE_DNS),
        ntp: hosts(options, OptionCode::NtpServers, limit::LEASE_NTP),
        mtu: match options.get(OptionCode::InterfaceMtu) {
            Some(DhcpOption::InterfaceMtu(mtu)) if limit::LEASE_MTU.contains(mtu) => Some(*mtu),
            _ => None,
        },
        lease_s,
        renew_s,
        rebind_s,
    })
}

fn address(yiaddr: Ipv4Addr, options: &DhcpOptions) -> Result<Ipv4Net, Rejected> {
    let Some(DhcpOption::SubnetMask(mask)) = options.get(OptionCode::SubnetMask) else {
        return Err(Rejected::BadNetmask);
    };
    let net = Ipv4Net::with_netmask(yiaddr, *mask).map_err(|_| Rejected::BadNetmask)?;
    if net.prefix_len() < limit::LEASE_PREFIX_MIN {
        return Err(Rejected::BadNetmask);
    }
    // RFC 3021: a prefix of two addresses has no network and no broadcast address.
    let reserved = net.prefix_len() < 31 && (yiaddr == net.network() || yiaddr == net.broadcast());
    if reserved || !is_host(yiaddr) { Err(Rejected::BadAddress) } else { Ok(net) }
}

/// RFC 2131 section 4.4.5: T1 and T2 have defaults; T1 < T2 < end of lease.
fn times(options: &DhcpOptions) -> Result<(u32, u32, u32), Rejected> {
    let lease_s = match options.get(OptionCode::AddressLeaseTime) {
        Some(DhcpOption::AddressLeaseTime(seconds)) if *seconds >= limit::LEASE_MIN_S => {
            (*seconds).min(limit::LEASE_MAX_S)
        }
        _ => return Err(Rejected::BadLeaseTime),
    };
    let renew_s = match options.get(OptionCode::Renewal) {
        Some(DhcpOption::Renewal(seconds)) => *seconds,
        _ => 0,
    };
    let rebind_s = match options.get(OptionCode::Rebinding) {
        Some(DhcpOption::Rebinding(seconds)) => *seconds,
        _ => 0,
    };
    if 0 < renew_s && renew_s < rebind_s && rebind_s < lease_s {
        return Ok((lease_s, renew_s, rebind_s));
    }
    Ok((lease_s, lease_s / 2, lease_s - lease_s / 8))
}

/// Providers of /32 leases have their router outside the prefix; any other router must be on the link.
fn routers(address: Ipv4Net, options: &DhcpOptions) -> Result<Vec<Ipv4Addr>, Rejected> {
    let routers = match options.get(OptionCode::Router) {
        Some(DhcpOption::Router(routers)) => routers.as_slice(),
        _ => &[],
    };
    let routers = routers.get(..limit::LEASE_ROUTERS).unwrap_or(routers);
    let usable = |router: &Ipv4Addr| {
        is_host(*router) && *router != address.addr() && (address.prefix_len() == 32 || address.contains(router))
    };
    if routers.iter().all(usable) { Ok(routers.to_vec()) } else { Err(Rejected::BadRouter) }
}

/// A list of servers, without what is no host, cut at the limit.
fn hosts(options: &DhcpOptions, code: OptionCode, most: usize) -> Vec<Ipv4Addr> {
    match options.get(code) {
        Some(DhcpOption::DomainNameServer(hosts) | DhcpOption::NtpServers(hosts)) => {
            hosts.iter().copied().filter(|host| is_host(*host)).take(most).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an address can be one host's: not 0/8, loopback, multicast, reserved or broadcast.
fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224 && !address.is_loopback()
}

#[cfg(test)]
mod tests;
