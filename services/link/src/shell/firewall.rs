//! The packet filter that makes the box silent towards WAN, until the datapath takes over.
//!
//! *Does*: one nf_tables table `inet patronus`, replaced as a whole in one transaction before any port is brought up.
//! *Never does*: answer a stranger: what is not accepted is dropped, no reset, no ICMP error.
//! *Spec*: `linux/netfilter/nf_tables.h`; RFC 4861 sections 6.1 and 7.1 (hop limit 255); RFC 4890 section 4.4.

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterProtoFamily,
    nftables::{
        Bitwise, ChainAttribute, ChainMessage, Cmp, DataAttribute, Expressions, Hook, HookNumber, Immediate,
        InetHookNumber, Meta, MetaKey, NfTablesMessage, Operator, Payload, Register, RuleAttribute, RuleMessage,
        TableAttribute, TableMessage, Verdict, VerdictAttribute,
    },
    none::ControlMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use patronus_link::{datagram::CLIENT_PORT, network::LAN_DEVICE};

use super::Fatal;

const TABLE: &str = "patronus";
/// `NFNL_SUBSYS_NFTABLES`: the subsystem of a batch stands in the resource id of its first and last message.
const SUBSYSTEM: u16 = 10;
/// `NF_DROP` and `NF_ACCEPT` of `linux/netfilter.h`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// `NFPROTO_IPV6`.
const IPV6: u8 = 10;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// RFC 4861 section 4: router advertisement, neighbour solicitation, neighbour advertisement.
const NEIGHBOUR_DISCOVERY: [u8; 2] = [134, 136];
/// `NFTA_CT_DREG`, `NFTA_CT_KEY`, `NFT_CT_STATE`.
const CT_DREG: u16 = 1;
const CT_KEY: u16 = 2;
const CT_STATE: u32 = 0;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)`.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// Longest interface name with its final zero.
const IFNAMSIZ: usize = 16;

/// Replaces the table with ours, in one transaction.
///
/// # Errors
/// [`Fatal::Firewall`]; the table that was there before, if any, is still in force then.
pub(crate) fn close() -> Result<(), Fatal> {
    let messages = transaction();
    let expected = messages.iter().filter(|message| message.header.flags & NLM_F_ACK != 0).count();
    let mut bytes = Vec::new();
    for (number, mut message) in (1..).zip(messages) {
        message.header.sequence_number = number;
        message.finalize();
        let mut one = vec![0; message.buffer_len()];
        message.serialize(&mut one);
        bytes.extend_from_slice(&one);
    }
    let io = |error: std::io::Error| Fatal::Firewall(error.to_string());
    let mut socket = Socket::new(NETLINK_NETFILTER).map_err(io)?;
    socket.bind_auto().map_err(io)?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).map_err(io)?;
    acknowledged(&socket, expected)
}

/// Reads one acknowledgement for each message that asked for one; the kernel answers within the call that sent them.
fn acknowledged(socket: &Socket, expected: usize) -> Result<(), Fatal> {
    let mut seen = 0;
    while seen < expected {
        let (bytes, _) = socket.recv_from_full().map_err(|error| Fatal::Firewall(error.to_string()))?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = NetlinkBuffer::new_checked(rest).map_or(0, |buffer| buffer.length() as usize);
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest)
                .map_err(|error| Fatal::Firewall(error.to_string()))?;
            if let NetlinkPayload::Error(error) = message.payload {
                if error.code.is_some() {
                    let number = message.header.sequence_number;
                    return Err(Fatal::Firewall(format!("message {number}: {}", error.to_io())));
                }
                seen += 1;
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Make the table if it is not there, delete it with all it holds, make it anew with our chains and rules.
fn transaction() -> Vec<NetlinkMessage<NetfilterMessage>> {
    let mut messages = vec![
        control(ControlMessage::BatchBegin),
        nf_tables(NfTablesMessage::NewTable(table()), NLM_F_CREATE),
        nf_tables(NfTablesMessage::DeleteTable(table()), 0),
        nf_tables(NfTablesMessage::NewTable(table()), NLM_F_CREATE),
        nf_tables(NfTablesMessage::NewChain(chain("input", InetHookNumber::LocalIn)), NLM_F_CREATE),
        nf_tables(NfTablesMessage::NewChain(chain("forward", InetHookNumber::Forward)), NLM_F_CREATE),
    ];
    for expressions in input_rules() {
        let attributes = vec![
            RuleAttribute::Table(TABLE.to_owned()),
            RuleAttribute::Chain("input".to_owned()),
            RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()),
        ];
        messages.push(nf_tables(NfTablesMessage::NewRule(RuleMessage { attributes }), NLM_F_CREATE | NLM_F_APPEND));
    }
    messages.push(control(ControlMessage::BatchEnd));
    messages
}

fn input_rules() -> Vec<Vec<Expressions>> {
    vec![
        [meta_is(MetaKey::Iifname, &interface("lo")), verdict(ACCEPT)].concat(),
        [meta_is(MetaKey::Iifname, &interface(LAN_DEVICE)), verdict(ACCEPT)].concat(),
        // The DHCP client reads below this filter. Without this rule the kernel would answer a server's reply with "port
        // unreachable", because no UDP socket is open.
        [meta_is(MetaKey::L4Proto, &[UDP]), payload_is(TRANSPORT_HEADER, 2, &CLIENT_PORT.to_be_bytes()), verdict(DROP)]
            .concat(),
        [established_or_related(), verdict(ACCEPT)].concat(),
        [
            meta_is(MetaKey::Nfproto, &[IPV6]),
            meta_is(MetaKey::L4Proto, &[ICMPV6]),
            // A hop limit of 255 shows that the sender is on this very link.
            payload_is(NETWORK_HEADER, 7, &[255]),
            payload_in(TRANSPORT_HEADER, 0, NEIGHBOUR_DISCOVERY),
            verdict(ACCEPT),
        ]
        .concat(),
    ]
}

fn table() -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] }
}

fn chain(name: &str, hook: InetHookNumber) -> ChainMessage {
    let attributes = vec![
        ChainAttribute::Table(TABLE.to_owned()),
        ChainAttribute::Name(name.to_owned()),
        ChainAttribute::Hook(vec![Hook::Number(HookNumber::Inet(hook)), Hook::Priority(0)]),
        ChainAttribute::Policy(DROP),
        ChainAttribute::Type("filter".to_owned()),
    ];
    ChainMessage { attributes }
}

fn meta_is(key: MetaKey, value: &[u8]) -> Vec<Expressions> {
    let load = Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(key)]);
    vec![load, compare(Operator::Equal, value)]
}

fn payload_is(base: u32, offset: u32, value: &[u8]) -> Vec<Expressions> {
    vec![load_payload(base, offset, value.len()), compare(Operator::Equal, value)]
}

fn payload_in(base: u32, offset: u32, [first, last]: [u8; 2]) -> Vec<Expressions> {
    vec![
        load_payload(base, offset, 1),
        compare(Operator::GreatherThanEqual, &[first]),
        compare(Operator::LessThanEqual, &[last]),
    ]
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
fn established_or_related() -> Vec<Expressions> {
    let key = |kind, value: u32| DefaultNla::new(kind, value.to_be_bytes().to_vec());
    let load = Expressions::Other {
        expression_type: "ct".to_owned(),
        attributes: vec![key(CT_DREG, u32::from(Register::Reg1)), key(CT_KEY, CT_STATE)],
    };
    let mask = Expressions::Bitwise(vec![
        Bitwise::SourceRegister(Register::Reg1),
        Bitwise::DestinationRegister(Register::Reg1),
        Bitwise::Length(4),
        Bitwise::Mask(DataAttribute::Value(ESTABLISHED_OR_RELATED.to_ne_bytes().to_vec())),
        Bitwise::Xor(DataAttribute::Value(vec![0; 4])),
    ]);
    vec![load, mask, compare(Operator::NotEqual, &[0; 4])]
}

fn compare(operator: Operator, value: &[u8]) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value.to_vec())),
    ])
}

fn verdict(code: u32) -> Vec<Expressions> {
    let code = VerdictAttribute::Code(Verdict::Other(code));
    vec![Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![code])),
    ])]
}

fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(IFNAMSIZ, 0);
    bytes
}

fn nf_tables(message: NfTablesMessage, flags: u16) -> NetlinkMessage<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, message));
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message
}

fn control(message: ControlMessage) -> NetlinkMessage<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, message));
    message.header.flags = NLM_F_REQUEST;
    message
}
