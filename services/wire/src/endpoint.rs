//! Where an uplink can be reached.
//!
//! *Never does*: accept an address to which no packet to another site can go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    Refused,
    bytes::{Reader, Writer},
    prefix::write_address,
};

const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

/// How a site knows that it can be reached there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {
    /// An address of the uplink itself.
    Own,
    /// Other sites see its packets come from there.
    Seen,
    /// A STUN server said so (RFC 8489).
    Stun,
    /// A person said so: a port is forwarded.
    Static,
}

impl EndpointKind {
    const fn number(self) -> u8 {
        match self {
            Self::Own => 1,
            Self::Seen => 2,
            Self::Stun => 3,
            Self::Static => 4,
        }
    }

    const fn from_number(number: u8) -> Result<Self, Refused> {
        match number {
            1 => Ok(Self::Own),
            2 => Ok(Self::Seen),
            3 => Ok(Self::Stun),
            4 => Ok(Self::Static),
            _ => Err(Refused::EndpointKindUnknown),
        }
    }
}

/// Where an uplink can be reached, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// How it is known.
    pub kind: EndpointKind,
    /// UDP address and port.
    pub address: SocketAddr,
}

impl Endpoint {
    /// An endpoint at this address.
    ///
    /// # Errors
    /// [`Refused::EndpointAddressUnusable`], [`Refused::EndpointPortZero`]: others would refuse it.
    pub fn new(kind: EndpointKind, address: SocketAddr) -> Result<Self, Refused> {
        let mut writer = Writer::default();
        write_socket(&address, &mut writer);
        // Without the scope and flow of an IPv6 socket, which mean nothing to others.
        let address = read_socket(&mut Reader::new(&writer.into_bytes()))?;
        Ok(Self { kind, address })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(self.kind.number());
        write_socket(&self.address, writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let kind = EndpointKind::from_number(reader.u8()?)?;
        Ok(Self { kind, address: read_socket(reader)? })
    }
}

pub(crate) fn write_socket(address: &SocketAddr, writer: &mut Writer) {
    writer.u8(if address.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 });
    write_address(&address.ip(), writer);
    writer.u16(address.port());
}

pub(crate) fn read_socket(reader: &mut Reader<'_>) -> Result<SocketAddr, Refused> {
    let ip: IpAddr = match reader.u8()? {
        FAMILY_V4 => Ipv4Addr::from(reader.array::<4>()?).into(),
        FAMILY_V6 => Ipv6Addr::from(reader.array::<16>()?).into(),
        _ => return Err(Refused::EndpointFamilyUnknown),
    };
    let port = reader.u16()?;
    if !is_usable(&ip) {
        return Err(Refused::EndpointAddressUnusable);
    }
    if port == 0 { Err(Refused::EndpointPortZero) } else { Ok(SocketAddr::new(ip, port)) }
}

/// Whether a packet to another site may go there.
fn is_usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first != 0 && first != 127 && first < 224 && !v4.is_link_local()
        }
        // Link-local addresses mean nothing on another link; mapped ones would be a second form of IPv4.
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            first != 0 && first & 0xffc0 != 0xfe80 && first < 0xff00
        }
    }
}
