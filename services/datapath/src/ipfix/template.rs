//! What is said of a flow, and in which order.
//!
//! *Spec*: IANA "IPFIX Information Elements"; RFC 7011 section 3.4.1; RFC 5103 sections 4 and 6 (source is who began, the answers are reverse
//! elements).

use patronus_ebpf_abi::{
    Endpoint,
    six::Endpoint6,
    state::{FORWARDED, HAIRPIN},
};

use super::{Counts, Interfaces, Key, Reason, Seen};

/// RFC 5103 section 6.1: the private enterprise number of reverse elements.
const REVERSE: u32 = 29_305;
/// RFC 7011 section 3.2: the element's number is that enterprise's.
const ENTERPRISE_BIT: u16 = 0x8000;

/// Template numbers (RFC 7011 section 3.4.1: from 256 on). A change of fields takes a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Form {
    /// IPv4 whose source is translated.
    Outward = 256,
    /// IPv4 whose destination is: it came by a port forward.
    Inward = 257,
    /// IPv4 between sites.
    Plain = 258,
    /// IPv6.
    Six = 259,
}

/// A field: element, whether of the other direction, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(u16, bool, u16);

const COMMON: [Field; 13] = [
    Field(7, false, 2),   // sourceTransportPort
    Field(11, false, 2),  // destinationTransportPort
    Field(4, false, 1),   // protocolIdentifier
    Field(136, false, 1), // flowEndReason
    Field(10, false, 4),  // ingressInterface
    Field(14, false, 4),  // egressInterface
    Field(152, false, 8), // flowStartMilliseconds
    Field(153, false, 8), // flowEndMilliseconds
    Field(1, false, 8),   // octetDeltaCount
    Field(2, false, 8),   // packetDeltaCount
    Field(1, true, 8),    // reverseOctetDeltaCount
    Field(2, true, 8),    // reversePacketDeltaCount
    Field(239, false, 1), // biflowDirection
];
/// sourceIPv4Address, destinationIPv4Address.
const ADDRESSES: [Field; 2] = [Field(8, false, 4), Field(12, false, 4)];
/// sourceIPv6Address, destinationIPv6Address.
const ADDRESSES_SIX: [Field; 2] = [Field(27, false, 16), Field(28, false, 16)];
/// postNATSourceIPv4Address, postNAPTSourceTransportPort.
const SOURCE_TRANSLATED: [Field; 2] = [Field(225, false, 4), Field(227, false, 2)];
/// postNATDestinationIPv4Address, postNAPTDestinationTransportPort.
const DESTINATION_TRANSLATED: [Field; 2] = [Field(226, false, 4), Field(228, false, 2)];
/// RFC 5103 section 6.3: source is who began.
const INITIATOR: u8 = 1;

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::Outward, Self::Inward, Self::Plain, Self::Six];

    pub(super) const fn number(self) -> u16 {
        self as u16
    }

    fn fields(self) -> impl Iterator<Item = Field> {
        let (addresses, translated): (_, &[Field]) = match self {
            Self::Outward => (ADDRESSES, &SOURCE_TRANSLATED),
            Self::Inward => (ADDRESSES, &DESTINATION_TRANSLATED),
            Self::Plain => (ADDRESSES, &[]),
            Self::Six => (ADDRESSES_SIX, &[]),
        };
        addresses.into_iter().chain(COMMON).chain(translated.iter().copied())
    }

    /// Bytes of a record.
    pub(super) fn record_bytes(self) -> usize {
        self.fields().map(|Field(.., bytes)| usize::from(bytes)).sum()
    }

    /// RFC 7011 section 3.4.1.
    pub(super) fn put_template(self, out: &mut Vec<u8>) {
        out.extend(self.number().to_be_bytes());
        out.extend(u16::try_from(self.fields().count()).unwrap_or_default().to_be_bytes());
        for Field(element, is_reverse, bytes) in self.fields() {
            out.extend((element | if is_reverse { ENTERPRISE_BIT } else { 0 }).to_be_bytes());
            out.extend(bytes.to_be_bytes());
            if is_reverse {
                out.extend(REVERSE.to_be_bytes());
            }
        }
    }
}

/// Since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
}

/// A flow, from who began it to whom he spoke.
#[derive(Debug)]
pub(super) struct Record {
    ends: Ends,
    protocol: u8,
    reason: Reason,
    interfaces: [u32; 2],
    times: Times,
    /// Bytes and packets there, bytes and packets back.
    carried: [u64; 4],
}

#[derive(Debug)]
enum Ends {
    Four(Form, Endpoint, Endpoint, Endpoint),
    Six(Endpoint6, Endpoint6),
}

impl Record {
    pub(super) fn of(key: &Key, seen: &Seen, reason: Reason, more: Counts, times: Times, all: &Interfaces) -> Self {
        let is_inward = seen.state & FORWARDED != 0;
        let ends = match *key {
            Key::Four(key) if seen.is_between_sites() => {
                let (from, to) = in_turn(is_inward, key.inside, key.remote);
                Ends::Four(Form::Plain, from, to, Endpoint::default())
            }
            Key::Four(key) if is_inward => Ends::Four(Form::Inward, key.remote, seen.outside, key.inside),
            Key::Four(key) => Ends::Four(Form::Outward, key.inside, key.remote, seen.outside),
            Key::Six(key) => {
                let (from, to) = in_turn(is_inward, key.inside, key.remote);
                Ends::Six(from, to)
            }
        };
        let (there, back) = in_turn(is_inward, [more.bytes_out, more.packets_out], [more.bytes_in, more.packets_in]);
        let uplink = usize::try_from(seen.slot).ok().and_then(|slot| all.uplinks.get(slot)).copied();
        let beyond = if seen.state & HAIRPIN != 0 { all.lan } else { uplink.unwrap_or_default() };
        let (ingress, egress) = in_turn(is_inward, all.lan, beyond);
        let ([bytes, packets], [bytes_back, packets_back]) = (there, back);
        Self {
            ends,
            protocol: u8::try_from(key.protocol()).unwrap_or_default(),
            reason,
            interfaces: [ingress, egress],
            times,
            carried: [bytes, packets, bytes_back, packets_back],
        }
    }

    pub(super) const fn form(&self) -> Form {
        match self.ends {
            Ends::Four(form, ..) => form,
            Ends::Six(..) => Form::Six,
        }
    }

    /// In the order of [`Form::fields`].
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self.ends {
            Ends::Four(_, from, to, _) => {
                [from, to].iter().for_each(|end| out.extend(end.address.to_be_bytes()));
                self.put_common(from.port, to.port, out);
            }
            Ends::Six(from, to) => {
                [from.high, from.low, to.high, to.low].iter().for_each(|half| out.extend(half.to_be_bytes()));
                self.put_common(from.port, to.port, out);
            }
        }
        if let Ends::Four(Form::Outward | Form::Inward, .., translated) = self.ends {
            out.extend(translated.address.to_be_bytes());
            out.extend(translated.port.to_be_bytes());
        }
    }

    fn put_common(&self, from_port: u16, to_port: u16, out: &mut Vec<u8>) {
        out.extend(from_port.to_be_bytes());
        out.extend(to_port.to_be_bytes());
        out.extend([self.protocol, self.reason as u8]);
        self.interfaces.iter().for_each(|index| out.extend(index.to_be_bytes()));
        out.extend(self.times.start_ms.to_be_bytes());
        out.extend(self.times.end_ms.to_be_bytes());
        self.carried.iter().for_each(|count| out.extend(count.to_be_bytes()));
        out.push(INITIATOR);
    }
}

/// The first is who began, unless the other did.
const fn in_turn<T: Copy>(is_inward: bool, inside: T, outside: T) -> (T, T) {
    if is_inward { (outside, inside) } else { (inside, outside) }
}
