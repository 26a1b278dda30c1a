//! The packet filter that makes the box silent towards WAN, until the datapath takes over.
//!
//! *Does*: one nf_tables table `inet patronus`, replaced as a whole in one transaction before any port is brought up.
//! *Never does*: know what the rules mean; see [`rules`].
//! *Spec*: `linux/netfilter/nf_tables.h`.

mod expression;
mod rules;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterProtoFamily,
    nftables::{
        ChainAttribute, ChainMessage, Hook, HookNumber, InetHookNumber, NfTablesMessage, RuleAttribute, RuleMessage,
        TableAttribute, TableMessage,
    },
    none::ControlMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::Fatal;
use expression::{ACCEPT, DROP, Rule};

const TABLE: &str = "patronus";
/// `NFNL_SUBSYS_NFTABLES`: the subsystem of a batch stands in the resource id of its first and last message.
const SUBSYSTEM: u16 = 10;

/// A chain: its name, where it hangs, before or behind what else hangs there, what happens at its end.
struct Chain(&'static str, InetHookNumber, i32, u32, fn() -> Vec<Rule>);

/// `NF_IP_PRI_RAW`: before the kernel looks at whether the packet is its own, and says something about it.
const FIRST: i32 = -300;

const CHAINS: [Chain; 4] = [
    Chain("prerouting", InetHookNumber::PreRouting, FIRST, ACCEPT, rules::prerouting),
    Chain("input", InetHookNumber::LocalIn, 0, DROP, rules::input),
    Chain("forward", InetHookNumber::Forward, 0, DROP, rules::forward),
    Chain("output", InetHookNumber::LocalOut, 0, ACCEPT, rules::output),
];

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
    ];
    messages.extend(CHAINS.iter().map(|it| nf_tables(NfTablesMessage::NewChain(chain(it)), NLM_F_CREATE)));
    for Chain(name, .., rules) in CHAINS {
        messages.extend(rules().into_iter().map(|expressions| rule(name, expressions)));
    }
    messages.push(control(ControlMessage::BatchEnd));
    messages
}

fn table() -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] }
}

fn chain(Chain(name, hook, priority, policy, _): &Chain) -> ChainMessage {
    let attributes = vec![
        ChainAttribute::Table(TABLE.to_owned()),
        ChainAttribute::Name((*name).to_owned()),
        ChainAttribute::Hook(vec![Hook::Number(HookNumber::Inet(*hook)), Hook::Priority(priority.cast_unsigned())]),
        ChainAttribute::Policy(*policy),
        ChainAttribute::Type("filter".to_owned()),
    ];
    ChainMessage { attributes }
}

fn rule(chain: &str, expressions: Rule) -> NetlinkMessage<NetfilterMessage> {
    let attributes = vec![
        RuleAttribute::Table(TABLE.to_owned()),
        RuleAttribute::Chain(chain.to_owned()),
        RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()),
    ];
    nf_tables(NfTablesMessage::NewRule(RuleMessage { attributes }), NLM_F_CREATE | NLM_F_APPEND)
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
