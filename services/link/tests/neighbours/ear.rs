//! Somebody at the other end of a cable who listens.
#![allow(unreachable_pub)]

use std::{
    io::Read,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use patronus_lab::{Namespace, PATIENCE};

/// `ETH_P_ALL`.
const EVERYTHING: u16 = 3;
/// A frame that is shorter is heard as if it had zeros behind it, so that tests can look at any place.
pub const FRAME_BYTES: usize = 2048;

/// Hears every frame of one port from now on.
pub struct Ear(Socket);

impl Ear {
    pub fn at(namespace: &Namespace, port: &'static str) -> Self {
        let open = move || {
            let protocol = Protocol::from(i32::from(EVERYTHING.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
            socket.bind_device(Some(port.as_bytes())).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            socket
        };
        Self(namespace.run(open).join().unwrap())
    }

    /// Waits for a frame.
    pub fn hear(&self, what: &str, wanted: impl Fn(&[u8; FRAME_BYTES]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let mut frame = [0; FRAME_BYTES];
            if (&mut &self.0).read(&mut frame).is_ok() && wanted(&frame) {
                return;
            }
        }
        panic!("never heard: {what}");
    }
}
