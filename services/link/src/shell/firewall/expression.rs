//! The words of which rules are made.
//!
//! *Does*: load something into a register, compare it, end with a verdict.
//! *Spec*: `linux/netfilter/nf_tables.h`; what the library has no names for stands here as numbers.

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, Expressions, Immediate, Meta, MetaKey, Operator, Payload, Register, Verdict,
    VerdictAttribute,
};

/// A rule: what must hold, one after the other, and what happens then.
pub(super) type Rule = Vec<Expressions>;

/// `NF_DROP` and `NF_ACCEPT` of `linux/netfilter.h`.
pub(super) const DROP: u32 = 0;
pub(super) const ACCEPT: u32 = 1;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
pub(super) const NETWORK_HEADER: u32 = 1;
pub(super) const TRANSPORT_HEADER: u32 = 2;
/// `NFTA_CT_DREG`, `NFTA_CT_KEY`, `NFT_CT_STATE`.
const CT_DREG: u16 = 1;
const CT_KEY: u16 = 2;
const CT_STATE: u32 = 0;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)`.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// `NFTA_FIB_DREG`, `NFTA_FIB_RESULT`, `NFTA_FIB_FLAGS`.
const FIB_DREG: u16 = 1;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
/// `NFT_FIB_RESULT_ADDRTYPE`.
const FIB_KIND: u32 = 3;
/// `NFTA_FIB_F_SADDR`, `NFTA_FIB_F_DADDR`, `NFTA_FIB_F_IIF`, `NFTA_FIB_F_OIF`.
const FIB_OF_SOURCE: u32 = 1;
const FIB_OF_DESTINATION: u32 = 2;
const FIB_ON_CAME_BY: u32 = 8;
const FIB_ON_LEAVES_BY: u32 = 16;
/// Longest interface name with its final zero.
const IFNAMSIZ: usize = 16;

/// The name of a device, or the beginning of the names of several.
#[derive(Clone, Copy, Debug)]
pub(super) enum Devices {
    One(&'static str),
    Beginning(&'static str),
}

impl Devices {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::One(name) => {
                let mut bytes = name.as_bytes().to_vec();
                bytes.resize(IFNAMSIZ, 0);
                bytes
            }
            Self::Beginning(name) => name.as_bytes().to_vec(),
        }
    }
}

/// It came in by one of these.
pub(super) fn came_by(devices: Devices) -> Rule {
    meta_is(MetaKey::Iifname, &devices.bytes())
}

/// It leaves by one of these.
pub(super) fn leaves_by(devices: Devices) -> Rule {
    meta_is(MetaKey::Oifname, &devices.bytes())
}

/// Its destination is of this kind (`RTN_*`) on the device by which it came.
pub(super) fn destination_is(kind: u32) -> Rule {
    address_is(FIB_OF_DESTINATION | FIB_ON_CAME_BY, kind)
}

/// Its source is of this kind on the device by which it leaves.
pub(super) fn source_there_is(kind: u32) -> Rule {
    address_is(FIB_OF_SOURCE | FIB_ON_LEAVES_BY, kind)
}

/// Its source is of this kind on any device.
pub(super) fn source_is(kind: u32) -> Rule {
    address_is(FIB_OF_SOURCE, kind)
}

/// The kernel's number is in host order.
fn address_is(flags: u32, kind: u32) -> Rule {
    let attributes =
        vec![number(FIB_DREG, u32::from(Register::Reg1)), number(FIB_RESULT, FIB_KIND), number(FIB_FLAGS, flags)];
    let load = Expressions::Other { expression_type: "fib".to_owned(), attributes };
    vec![load, compare(Operator::Equal, &kind.to_ne_bytes())]
}

/// The kernel keeps no note of it (`ct`).
pub(super) fn untracked() -> Rule {
    vec![Expressions::Other { expression_type: "notrack".to_owned(), attributes: Vec::new() }]
}

pub(super) fn meta_is(key: MetaKey, value: &[u8]) -> Rule {
    let load = Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(key)]);
    vec![load, compare(Operator::Equal, value)]
}

pub(super) fn payload_is(base: u32, offset: u32, value: &[u8]) -> Rule {
    vec![load_payload(base, offset, value.len()), compare(Operator::Equal, value)]
}

/// From `first` to `last`, both among them, most significant byte first.
pub(super) fn payload_in(base: u32, offset: u32, first: &[u8], last: &[u8]) -> Rule {
    vec![
        load_payload(base, offset, first.len()),
        compare(Operator::GreatherThanEqual, first),
        compare(Operator::LessThanEqual, last),
    ]
}

/// A bit of `mask` is set in the byte at `offset`.
pub(super) fn payload_has(base: u32, offset: u32, mask: u8) -> Rule {
    vec![load_payload(base, offset, 1), keep(&[mask]), compare(Operator::NotEqual, &[0])]
}

fn load_payload(base: u32, offset: u32, bytes: usize) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(bytes as u32),
    ])
}

/// `ct state established,related`: load the state, keep the two bits, and see whether any is left. The state is in host order.
pub(super) fn established_or_related() -> Rule {
    let load = Expressions::Other {
        expression_type: "ct".to_owned(),
        attributes: vec![number(CT_DREG, u32::from(Register::Reg1)), number(CT_KEY, CT_STATE)],
    };
    vec![load, keep(&ESTABLISHED_OR_RELATED.to_ne_bytes()), compare(Operator::NotEqual, &[0; 4])]
}

fn number(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_be_bytes().to_vec())
}

fn keep(mask: &[u8]) -> Expressions {
    Expressions::Bitwise(vec![
        Bitwise::SourceRegister(Register::Reg1),
        Bitwise::DestinationRegister(Register::Reg1),
        Bitwise::Length(mask.len() as u32),
        Bitwise::Mask(DataAttribute::Value(mask.to_vec())),
        Bitwise::Xor(DataAttribute::Value(vec![0; mask.len()])),
    ])
}

fn compare(operator: Operator, value: &[u8]) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value.to_vec())),
    ])
}

pub(super) fn verdict(code: u32) -> Rule {
    let code = VerdictAttribute::Code(Verdict::Other(code));
    vec![Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![code])),
    ])]
}
