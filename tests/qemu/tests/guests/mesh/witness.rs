//! Somebody who reads every frame between sites.
//!
//! *Does*: say of each frame what it is, keep those that should not be there, look for words that nobody should read.
//! *Spec*: the WireGuard paper, section 5.4 (the first four bytes of a message); `docs/wire.md`, sections "Messages" and "Sealed datagrams".

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use etherparse::{EtherType, NetSlice, SlicedPacket, TransportSlice};
use patronus_qemu::{Segment, Tap};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Foreign frames that are kept to be shown.
const SHOWN: usize = 10;
const DHCP: [u16; 2] = [67, 68];
const NTP: u16 = 123;
const DNS: u16 = 53;
const DISCOVERY: u16 = 51_821;
const WIREGUARD: std::ops::RangeInclusive<u16> = 51_830..=51_845;
const IGMP: u8 = 2;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many frames of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Frames that are nothing of what may be there.
    pub foreign: Vec<String>,
    /// Frames with words in them that nobody should read.
    pub readable: u64,
    /// Frames that could not be read as such.
    pub lost: u64,
}

pub struct Witness {
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<Seen>>,
}

impl Witness {
    /// On these wires, from now on; `secrets` are the words.
    pub fn of(segments: &[Segment], secrets: &[&'static [u8]]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let read = |segment: &Segment| {
            let (tap, stop, secrets) = (segment.tap(), Arc::clone(&stop), secrets.to_vec());
            std::thread::spawn(move || read(&tap, &stop, &secrets))
        };
        let readers = segments.iter().map(read).collect();
        Self { stop, readers }
    }

    /// What was seen on all wires until now.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for seen in self.readers.into_iter().filter_map(|reader| reader.join().ok()) {
            for (kind, count) in seen.kinds {
                *all.kinds.entry(kind).or_default() += count;
            }
            all.foreign.extend(seen.foreign);
            all.readable += seen.readable;
            all.lost += seen.lost;
        }
        all
    }
}

fn read(tap: &Tap, stop: &AtomicBool, secrets: &[&[u8]]) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(frame) = tap.receive(LOOK_EVERY) else { continue };
        match kind(&frame) {
            Ok(kind) => *seen.kinds.entry(kind).or_default() += 1,
            Err(what) if seen.foreign.len() < SHOWN => seen.foreign.push(what),
            Err(_) => {}
        }
        let has = |secret: &&&[u8]| frame.windows(secret.len()).any(|window| window == **secret);
        seen.readable += u64::from(secrets.iter().any(|secret| has(&secret)));
    }
    seen.lost = tap.lost();
    seen
}

/// What may be there, by name; else a description.
fn kind(frame: &[u8]) -> Result<&'static str, String> {
    let foreign = || format!("{} bytes: {}", frame.len(), hex::encode(frame.get(..80).unwrap_or(frame)));
    let sliced = SlicedPacket::from_ethernet(frame).map_err(|_| foreign())?;
    if sliced.payload_ether_type() == Some(EtherType::ARP) || frame.get(12..14) == Some(&[0x08, 0x06]) {
        return Ok("ARP");
    }
    match (&sliced.net, &sliced.transport) {
        (Some(_), Some(TransportSlice::Udp(udp))) => {
            let (ports, payload) = ([udp.source_port(), udp.destination_port()], udp.payload());
            let has = |port: u16| ports.contains(&port);
            match ports {
                _ if ports.iter().all(|port| WIREGUARD.contains(port)) && is_wireguard(payload) => Ok("WireGuard"),
                [DISCOVERY, DISCOVERY] if is_sealed(payload) => Ok("discovery"),
                _ if ports.iter().all(|port| DHCP.contains(port)) => Ok("DHCP"),
                _ if has(NTP) => Ok("SNTP"),
                _ if has(DNS) => Ok("DNS"),
                _ => Err(foreign()),
            }
        }
        // Neighbours, routers, groups: what an IPv6 port says on its own wire.
        (Some(NetSlice::Ipv6(_)), Some(TransportSlice::Icmpv6(icmp))) if matches!(icmp.type_u8(), 130..=136 | 143) => {
            Ok("ND and MLD")
        }
        (Some(NetSlice::Ipv4(ip)), None) if ip.header().protocol().0 == IGMP => Ok("IGMP"),
        _ => Err(foreign()),
    }
}

/// A kind from 1 to 4 and three zeros.
fn is_wireguard(payload: &[u8]) -> bool {
    matches!(payload, [1..=4, 0, 0, 0, ..])
}

/// Version 1; sealed with the network's key, or with a token: a wish to join, the answer to one.
fn is_sealed(payload: &[u8]) -> bool {
    matches!(payload, [1, 0x20 | 0x15 | 0x16, ..])
}
