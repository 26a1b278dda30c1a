//! Servers that answer one datagram with one: time, names.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

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
        let (bound, is_bound) = std::sync::mpsc::channel();
        // The thread ends with the test process; its socket keeps no name alive.
        self.run(move || {
            let socket = UdpSocket::bind((address, port)).unwrap();
            bound.send(()).unwrap();
            let mut buffer = [0; QUESTION_BYTES];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..count]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        is_bound.recv().unwrap();
    }

    /// A resolver on 127.0.0.1 that knows one address for every name.
    pub fn serve_names(&self, address: Ipv4Addr) {
        self.serve(Ipv4Addr::LOCALHOST.into(), 53, move |question| {
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
