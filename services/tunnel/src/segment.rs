//! From one frame of a TUN device to the packets that go through the tunnel.
//!
//! *Does*: cut a TCP or UDP super-frame into its packets and finish their checksums.
//! *Never does*: allocate; produce a packet whose checksum is open.
//! *Spec*: RFC 9293; the kernel's `Documentation/networking/segmentation-offloads.rst`.

use crate::{
    checksum::Sum,
    limit,
    packet::{Packet, TCP, UDP, pseudo_header, put, set_length, u16_at, u32_at},
    vnet::{Gso, Header},
};

const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const UDP_HEADER: usize = 8;
const UDP_CHECKSUM: usize = 6;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// A frame, ready to be cut.
#[derive(Clone, Copy, Debug)]
pub struct Split<'f> {
    packet: Packet<'f>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One packet, and where its checksum is open.
    Whole(Option<(usize, usize)>),
    /// Packets that share their headers.
    Segments { protocol: u8, transport: usize, headers: usize, size: usize },
}

impl<'f> Split<'f> {
    /// Looks at a frame; `None` if header and frame do not fit each other.
    #[must_use]
    pub fn new(header: &Header, frame: &'f [u8]) -> Option<Self> {
        let packet = Packet::parse(frame)?;
        let checksum = header.checksum.map(|(start, offset)| (usize::from(start), usize::from(offset)));
        let protocol = match header.gso {
            Gso::None => return Some(Self { packet, kind: Kind::Whole(checksum) }),
            Gso::TcpV4 | Gso::TcpV6 => TCP,
            Gso::Udp => UDP,
        };
        let (transport, _) = checksum?;
        let headers = transport + transport_header_bytes(packet.bytes(), protocol, transport)?;
        let size = usize::from(header.segment_bytes);
        let fits = headers <= packet.bytes().len() && size >= limit::SEGMENT_MIN_BYTES;
        fits.then_some(Self { packet, kind: Kind::Segments { protocol, transport, headers, size } })
    }

    /// What all its packets have in common: addresses.
    #[must_use]
    pub fn packet(&self) -> Packet<'f> {
        self.packet
    }

    /// How many packets it is.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.kind {
            Kind::Whole(_) => 1,
            Kind::Segments { headers, size, .. } => (self.packet.bytes().len() - headers).div_ceil(size).max(1),
        }
    }

    /// Writes packet number `index` and returns its length, or `None` if there is no such packet or no room for it.
    pub fn write(&self, index: usize, out: &mut [u8]) -> Option<usize> {
        match self.kind {
            Kind::Whole(checksum) => self.write_whole(checksum, out),
            Kind::Segments { protocol, transport, headers, size } => {
                let bytes = self.packet.bytes();
                let from = headers + index * size;
                let payload = bytes.get(from..bytes.len().min(from + size))?;
                let length = headers + payload.len();
                let out = out.get_mut(..length)?;
                let (head, body) = out.split_at_mut(headers);
                head.copy_from_slice(bytes.get(..headers)?);
                body.copy_from_slice(payload);
                let identification = u16_at(head, 4)?.wrapping_add(index as u16);
                set_length(out, self.packet.is_v4(), length, identification)?;
                if protocol == TCP {
                    let (first, last) = (index == 0, from + size >= bytes.len());
                    mark_tcp(out.get_mut(transport..)?, index * size, first, last)?;
                } else {
                    put(out, transport + 4, ((length - transport) as u16).to_be_bytes())?;
                }
                finish(out, self.packet.is_v4(), protocol, transport)?;
                Some(length)
            }
        }
    }

    fn write_whole(&self, checksum: Option<(usize, usize)>, out: &mut [u8]) -> Option<usize> {
        let bytes = self.packet.bytes();
        let out = out.get_mut(..bytes.len())?;
        out.copy_from_slice(bytes);
        if let Some((start, offset)) = checksum {
            // The field holds the sum of the pseudo-header already.
            let sum = Sum::default().with(out.get(start..)?).finish();
            let udp = offset == UDP_CHECKSUM;
            put(out, start.checked_add(offset)?, if udp { never_zero(sum) } else { sum })?;
        }
        Some(bytes.len())
    }
}

fn transport_header_bytes(bytes: &[u8], protocol: u8, at: usize) -> Option<usize> {
    if protocol == UDP {
        return Some(UDP_HEADER);
    }
    let length = usize::from(bytes.get(at + 12)? >> 4) * 4;
    (length >= 20).then_some(length)
}

/// Sequence number and flags of one segment: the ends carry FIN and PSH, the beginning CWR (RFC 3168 section 6.1.2).
fn mark_tcp(tcp: &mut [u8], offset: usize, first: bool, last: bool) -> Option<()> {
    let sequence = u32_at(tcp, 4)?.wrapping_add(offset as u32);
    put(tcp, 4, sequence.to_be_bytes())?;
    let flags = tcp.get_mut(TCP_FLAGS)?;
    if !last {
        *flags &= !(FIN | PSH);
    }
    if !first {
        *flags &= !CWR;
    }
    Some(())
}

fn finish(packet: &mut [u8], v4: bool, protocol: u8, transport: usize) -> Option<()> {
    let at = transport + if protocol == TCP { TCP_CHECKSUM } else { UDP_CHECKSUM };
    put(packet, at, [0; 2])?;
    let pseudo = pseudo_header(packet, v4, protocol, packet.len() - transport);
    let whole = Sum::default().with(packet.get(transport..)?);
    let sum = pseudo.join(whole).finish();
    put(packet, at, if protocol == UDP { never_zero(sum) } else { sum })
}

/// In UDP, zero says that there is no checksum (RFC 768).
fn never_zero(sum: [u8; 2]) -> [u8; 2] {
    if sum == [0; 2] { [0xff; 2] } else { sum }
}

#[cfg(test)]
mod tests;
