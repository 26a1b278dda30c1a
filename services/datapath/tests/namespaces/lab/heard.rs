//! What goes over a wire, as who listens there hears it.

use std::{
    io::Read,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use patronus_lab::Namespace;
use socket2::{Domain, Protocol, Socket, Type};

/// As much of each packet as is kept.
const KEPT: usize = 128;

/// IPv4 packets that came into a namespace, from the IP header on.
pub struct Wire {
    packets: Arc<Mutex<Vec<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    pub fn listen(namespace: &Namespace) -> Self {
        let (packets, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (packets.clone(), is_over.clone());
        let (open, is_open) = std::sync::mpsc::channel();
        let thread = namespace.run(move || {
            let kind = Protocol::from(i32::from(0x0800_u16.to_be()));
            let mut socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(kind)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            open.send(()).unwrap();
            let mut buffer = [0; KEPT];
            while !over.load(Ordering::Relaxed) {
                if let Ok(count) = socket.read(&mut buffer) {
                    kept.lock().unwrap().push(buffer[..count].to_vec());
                }
            }
        });
        is_open.recv().unwrap();
        Self { packets, is_over, thread: Some(thread) }
    }

    /// Sources and destinations of all packets so far.
    pub fn ends(&self) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let address = |bytes: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap());
        let packets = self.packets.lock().unwrap();
        packets.iter().map(|packet| (address(&packet[12..16]), address(&packet[16..20]))).collect()
    }

    /// Whether nobody with a private address was ever heard or spoken to here, and anybody at all was.
    pub fn was_never_private(&self) -> bool {
        patronus_lab::eventually("anybody is heard", || !self.ends().is_empty(), String::new);
        let ends = self.ends();
        !ends.is_empty() && ends.iter().all(|(from, to)| !from.is_private() && !to.is_private())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
