//! PID 1's own socket.
//!
//! *Does*: take frames from callers that the manifest knows, hand out requests that it grants, send the answers.
//! *Never does*: block; keep more than [`MAX_CLIENTS`] callers, or one that is slower than [`CLIENT_DEADLINE_MS`]; read a second
//! request of a caller that has not read the first answer.
//! *Spec*: `docs/ipc.md`.
#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use patronus_ipc::{
    Access, Operation, Outcome, Refusal, frame,
    init::{Init, Reply, Request},
};
use rustix::event::PollFlags;

/// Callers at a time: `web`'s few connections.
pub const MAX_CLIENTS: usize = 16;
/// A caller must finish a request, or the reading of an answer, within this time.
pub const CLIENT_DEADLINE_MS: u64 = 10_000;
/// Requests or reads of one caller in one round of the loop; the largest frame takes this many reads.
const MAX_REQUESTS: usize = 80;
/// Callers accepted in one round of the loop.
const MAX_ACCEPTS: usize = 16;

/// The socket and its callers.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    access: Access,
    clients: Vec<Client>,
}

/// Something that the log should know.
pub type Complaint = String;

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    uid: u32,
    decoder: frame::Decoder,
    answer: Vec<u8>,
    deadline_ms: u64,
    /// To be closed once the answer is sent.
    last: bool,
}

impl Server {
    /// Answers on this socket.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn new(listener: UnixListener, access: Access) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, access, clients: Vec::new() })
    }

    /// What to poll for.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let of = |client: &Client| if client.answer.is_empty() { PollFlags::IN } else { PollFlags::OUT };
        let clients = self.clients.iter().map(move |client| (client.stream.as_fd(), of(client)));
        std::iter::once((self.listener.as_fd(), PollFlags::IN)).chain(clients)
    }

    /// When [`Server::advance`] is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.clients.iter().map(|client| client.deadline_ms).min()
    }

    /// Does whatever is possible without waiting. Each granted request goes to `answer`.
    pub fn advance(&mut self, now_ms: u64, mut answer: impl FnMut(Request) -> Reply) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        self.accept(now_ms, &mut complaints);
        let access = &self.access;
        self.clients.retain_mut(|client| match client.advance(now_ms, access, &mut answer, &mut complaints) {
            Ok(()) => now_ms < client.deadline_ms,
            Err(_) => false,
        });
        complaints
    }

    fn accept(&mut self, now_ms: u64, complaints: &mut Vec<Complaint>) {
        for _ in 0..MAX_ACCEPTS {
            let Ok((stream, _)) = self.listener.accept() else { return };
            let Ok(peer) = rustix::net::sockopt::socket_peercred(&stream) else { continue };
            let uid = peer.uid.as_raw();
            if !self.access.knows(uid) {
                complaints.push(format!("ipc caller with user id {uid} is unknown"));
            } else if self.clients.len() >= MAX_CLIENTS {
                complaints.push(format!("ipc has {MAX_CLIENTS} callers already: user id {uid} is sent away"));
            } else if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client {
                    stream,
                    uid,
                    decoder: frame::Decoder::default(),
                    answer: Vec::new(),
                    deadline_ms: now_ms.saturating_add(CLIENT_DEADLINE_MS),
                    last: false,
                });
            }
        }
    }
}

impl Client {
    /// # Errors
    /// When the caller is gone, or is to be.
    fn advance(
        &mut self,
        now_ms: u64,
        access: &Access,
        answer: &mut impl FnMut(Request) -> Reply,
        complaints: &mut Vec<Complaint>,
    ) -> io::Result<()> {
        for _ in 0..MAX_REQUESTS {
            self.send()?;
            if !self.answer.is_empty() {
                return Ok(());
            }
            let outcome: Outcome<Init> = match self.decoder.poll_message::<Request>() {
                Ok(None) if self.receive()? => continue,
                Ok(None) => return Ok(()),
                Ok(Some(request)) if access.allows(self.uid, request.operation()) => Ok(answer(request)),
                Ok(Some(request)) => {
                    let operation = request.operation().to_owned();
                    complaints.push(format!("ipc operation {operation} denied to user id {}", self.uid));
                    Err(Refusal::Denied { operation, uid: self.uid })
                }
                Err(error) => {
                    complaints.push(format!("ipc request of user id {}: {error}", self.uid));
                    self.last = true;
                    Err(Refusal::Malformed)
                }
            };
            self.answer = frame::encode(&outcome).map_err(io::Error::other)?;
            self.deadline_ms = now_ms.saturating_add(CLIENT_DEADLINE_MS);
        }
        Ok(())
    }

    /// Whether anything came.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.decoder.handle_bytes(buffer.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Ok(count) => drop(self.answer.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.last { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        directory: tempfile::TempDir,
        server: Server,
    }

    fn world(operations: &str) -> World {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("init.sock")).unwrap();
        let uid = rustix::process::getuid().as_raw();
        let access = if operations.is_empty() { String::new() } else { format!("{uid}={operations}") };
        World { directory, server: Server::new(listener, access.parse().unwrap()).unwrap() }
    }

    impl World {
        fn connect(&self) -> UnixStream {
            UnixStream::connect(self.directory.path().join("init.sock")).unwrap()
        }

        fn advance(&mut self, now_ms: u64) -> Vec<Complaint> {
            self.server.advance(now_ms, |_| Reply::Accepted)
        }
    }

    fn outcome(mut stream: UnixStream) -> Option<Outcome<Init>> {
        stream.set_nonblocking(true).unwrap();
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).ok()?;
        let mut decoder = frame::Decoder::default();
        decoder.handle_bytes(&bytes[..count]);
        decoder.poll_message().unwrap()
    }

    #[test]
    fn a_granted_request_is_answered() {
        let mut world = world("reboot");
        let mut caller = world.connect();
        caller.write_all(&frame::encode(&Request::Reboot).unwrap()).unwrap();
        assert_eq!(world.advance(0), [] as [&str; 0]);
        assert_eq!(outcome(caller), Some(Ok(Reply::Accepted)));
    }

    #[test]
    fn a_request_that_is_not_granted_is_denied() {
        let mut world = world("status");
        let mut caller = world.connect();
        caller.write_all(&frame::encode(&Request::PowerOff).unwrap()).unwrap();
        assert_eq!(world.advance(0).len(), 1);
        assert!(matches!(outcome(caller), Some(Err(Refusal::Denied { operation, .. })) if operation == "power-off"));
    }

    #[test]
    fn an_unknown_caller_is_not_even_read() {
        let mut world = world("");
        let mut caller = world.connect();
        caller.write_all(&frame::encode(&Request::Reboot).unwrap()).unwrap();
        assert_eq!(world.advance(0).len(), 1);
        assert_eq!(outcome(caller), None);
    }

    #[test]
    fn nonsense_is_answered_once_and_the_caller_is_closed() {
        let mut world = world("status");
        let mut caller = world.connect();
        caller.write_all(&[1, 0, 0, 0, 99]).unwrap();
        world.advance(0);
        assert_eq!(outcome(caller), Some(Err(Refusal::Malformed)));
        assert_eq!(world.server.clients.len(), 0);
    }

    #[test]
    fn callers_at_the_limit_are_kept_and_one_more_is_sent_away() {
        let mut world = world("status");
        let _callers: Vec<UnixStream> = (0..MAX_CLIENTS).map(|_| world.connect()).collect();
        assert_eq!(world.advance(0), [] as [&str; 0]);
        let _one_more = world.connect();
        assert_eq!(world.advance(0).len(), 1);
        assert_eq!(world.server.clients.len(), MAX_CLIENTS);
    }

    #[test]
    fn a_caller_that_says_nothing_is_closed_at_its_deadline() {
        let mut world = world("status");
        let _caller = world.connect();
        world.advance(0);
        assert_eq!(world.server.deadline(), Some(CLIENT_DEADLINE_MS));
        world.advance(CLIENT_DEADLINE_MS - 1);
        assert_eq!(world.server.clients.len(), 1);
        world.advance(CLIENT_DEADLINE_MS);
        assert_eq!(world.server.clients.len(), 0);
    }
}
