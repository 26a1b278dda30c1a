//! Servers that answer one datagram with one: time, names, where one is seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use hickory_proto::{
    op::{Message, OpCode},
    rr::{RData, Record, RecordType, rdata::A},
};

use crate::Namespace;

/// The longest question that is read.
const QUESTION_BYTES: usize = 1500;

impl Namespace {
    /// Answers datagrams at an address of this namespace, until the test's process ends.
    pub fn serve(&self, address: IpAddr, port: u16, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
        self.serve_each(address, port, move |question, _| answer(question));
    }

    /// The same, if it matters who asks.
    fn serve_each(
        &self,
        address: IpAddr,
        port: u16,
        answer: impl Fn(&[u8], SocketAddr) -> Option<Vec<u8>> + Send + 'static,
    ) {
        let (bound, is_bound) = std::sync::mpsc::channel();
        // The thread ends with the test process; its socket keeps no name alive.
        self.run(move || {
            let socket = UdpSocket::bind((address, port)).unwrap();
            bound.send(()).unwrap();
            let mut buffer = [0; QUESTION_BYTES];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..count], from) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        is_bound.recv().unwrap();
    }

    /// A STUN server (RFC 8489): says where it sees who asks.
    pub fn serve_stun(&self, address: Ipv4Addr, port: u16) {
        self.serve_each(address.into(), port, |question, from| {
            let (head, attributes) = question.split_first_chunk::<20>()?;
            // A binding request with the cookie, and no attribute that must be understood.
            let (is_request, SocketAddr::V4(from)) = (head.starts_with(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), from)
            else {
                return None;
            };
            (is_request && attributes.is_empty()).then_some(())?;
            let cookie = 0x2112_a442_u32;
            let port = (from.port() ^ (cookie >> 16) as u16).to_be_bytes();
            let address = (u32::from(*from.ip()) ^ cookie).to_be_bytes();
            Some([&[1, 1, 0, 12], &head[4..], &[0, 0x20, 0, 8, 0, 1], &port, &address].concat())
        });
    }

    /// A resolver on 127.0.0.1 that knows one address for every name.
    pub fn serve_names(&self, address: Ipv4Addr) {
        self.serve_names_at(Ipv4Addr::LOCALHOST, address);
    }

    /// A resolver at an address of this namespace that knows one address for every name.
    pub fn serve_names_at(&self, resolver: Ipv4Addr, address: Ipv4Addr) {
        self.serve(resolver.into(), 53, move |question| {
            let question = Message::from_vec(question).ok()?;
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.queries = question.queries.clone();
            let query = question.queries.first()?;
            if query.query_type() == RecordType::A {
                answer.answers.push(Record::from_rdata(query.name().clone(), 60, RData::A(A(address))));
            }
            answer.to_vec().ok()
        });
    }
}
