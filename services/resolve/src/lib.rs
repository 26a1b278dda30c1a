//! From a name to its address, by asking the uplinks' resolvers: a box has no resolver of its own and no file that names one.
//!
//! *Does*: one question for each of A and AAAA, to one resolver after the other until one answers.
//! *Never does*: follow what it did not ask for: only addresses of the name, or of the aliases that the answer begins with, count.
//! *Spec*: RFC 1035 sections 4.1, 4.2.1, 7.3. Message format by hickory-proto.

#![forbid(unsafe_code)]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::{net::UdpSocket, time::timeout};

const PORT: u16 = 53;
/// Resolvers that are asked for one name.
const RESOLVERS: usize = 4;
/// How long one of them may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Largest answer that is read: no extension is asked for (RFC 1035 section 4.2.1).
const ANSWER_BYTES: usize = 512;

/// The first address of a name, IPv4 first. An address is its own answer.
pub async fn resolve(name: &str, resolvers: &[IpAddr]) -> Option<IpAddr> {
    if let Ok(address) = name.parse() {
        return Some(address);
    }
    // Absolute, so that no resolver appends anything.
    let name = Name::from_str(&format!("{name}.")).ok()?;
    for kind in [RecordType::A, RecordType::AAAA] {
        for resolver in resolvers.iter().take(RESOLVERS) {
            let answer = timeout(ANSWER_LIMIT, ask(&name, kind, *resolver)).await;
            match answer {
                Ok(Ok(Some(address))) => return Some(address),
                // It answered: there is no such address.
                Ok(Ok(None)) => break,
                Ok(Err(error)) => tracing::debug!(%resolver, %name, %error, "resolver failed"),
                Err(_) => tracing::debug!(%resolver, %name, "resolver silent"),
            }
        }
    }
    None
}

/// A connected socket with a port of the kernel's choice: nobody else's datagrams come in.
async fn ask(name: &Name, kind: RecordType, resolver: IpAddr) -> io::Result<Option<IpAddr>> {
    let socket = UdpSocket::bind(any(resolver)).await?;
    socket.connect((resolver, PORT)).await?;
    let id = getrandom::u32().map_err(io::Error::other)? as u16;
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    socket.send(&question.to_vec().map_err(io::Error::other)?).await?;
    let mut buffer = [0; ANSWER_BYTES];
    loop {
        let count = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..count).and_then(|bytes| Message::from_vec(bytes).ok());
        // Anything that is no answer to this very question is passed over: the true one may still come.
        if let Some(answer) = answer.filter(|answer| is_answer(answer, &question)) {
            return address(&answer, name, kind);
        }
    }
}

/// A port of the kernel's choice, of the resolver's kind.
fn any(resolver: IpAddr) -> SocketAddr {
    let address: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    (address, 0).into()
}

fn is_answer(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries
}

fn address(answer: &Message, name: &Name, kind: RecordType) -> io::Result<Option<IpAddr>> {
    match answer.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(None),
        other => return Err(io::Error::other(other.to_string())),
    }
    let mut wanted = name.clone();
    for record in &answer.answers {
        if record.name != wanted {
            continue;
        }
        match &record.data {
            RData::A(address) if kind == RecordType::A => return Ok(Some(IpAddr::V4(address.0))),
            RData::AAAA(address) if kind == RecordType::AAAA => return Ok(Some(IpAddr::V6(address.0))),
            RData::CNAME(alias) => wanted = alias.0.clone(),
            _ => {}
        }
    }
    Ok(None)
}
