//! Providers' networks and the way between them, for machines whose WAN ports must reach each other.
//!
//! *Does*: each network is a segment with a router, 100.64.N.1, that gives addresses (DHCP), tells the time (SNTP), answers pings to itself
//! and passes packets on to the other networks.
//! *Never does*: translate addresses; lead anywhere else; look into what it passes on.
//! *Spec*: RFC 826, RFC 1812 section 5.2.1, RFC 6598 (the addresses).

mod answer;
mod dhcp;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Result;
use etherparse::{EtherType, Ethernet2Slice, Ipv4HeaderSlice};

use crate::{Segment, Tap, arp, segment::Outlet};

/// How often a router looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The first machine of a network gets this address; more than fit have none.
const FIRST_HOST: u8 = 10;
const LAST_HOST: u8 = 250;

/// An Ethernet address.
type Mac = [u8; 6];

/// Several providers' networks.
#[derive(Debug)]
pub struct Internet {
    segments: Vec<Segment>,
    stop: Arc<AtomicBool>,
    routers: Vec<JoinHandle<()>>,
}

impl Internet {
    /// So many networks.
    ///
    /// # Errors
    /// If a segment cannot be made.
    pub fn new(networks: u8) -> Result<Self> {
        let segments: Vec<Segment> = (0..networks).map(|_| Segment::new()).collect::<Result<_>>()?;
        let taps: Vec<Tap> = segments.iter().map(Segment::tap).collect();
        let world =
            Arc::new(World { outlets: taps.iter().map(Tap::outlet).collect(), machines: Mutex::new(BTreeMap::new()) });
        let stop = Arc::new(AtomicBool::new(false));
        let route = |(number, tap): (u8, Tap)| {
            let (router, stop) = (Router { network: number, world: Arc::clone(&world) }, Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(frame) = tap.receive(LOOK_EVERY) {
                        // What cannot be read is nobody's.
                        let _ = router.handle(&frame);
                    }
                }
            })
        };
        let routers = (0..).zip(taps).map(route).collect();
        Ok(Self { segments, stop, routers })
    }

    /// The wire of each network, in the order of their addresses.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for router in self.routers.drain(..) {
            let _ = router.join();
        }
    }
}

/// What all routers know.
#[derive(Debug)]
struct World {
    outlets: Vec<Outlet>,
    /// Who has which address.
    machines: Mutex<BTreeMap<Ipv4Addr, Mac>>,
}

/// The router of one network.
#[derive(Debug)]
struct Router {
    network: u8,
    world: Arc<World>,
}

impl Router {
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, self.network, 1)
    }

    fn mac(&self) -> Mac {
        mac_of(self.network)
    }

    fn handle(&self, frame: &[u8]) -> Option<()> {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
        match ethernet.ether_type() {
            EtherType::ARP => self.send(self.network, &arp::answer(frame, self.address(), self.mac())?),
            EtherType::IPV4 => {
                let header = Ipv4HeaderSlice::from_slice(ethernet.payload_slice()).ok()?;
                let to = header.destination_addr();
                if to == self.address() || to.is_broadcast() {
                    let lease = |mac| self.lease(mac);
                    let answer = answer::packet(frame, self.address(), self.mac(), &lease)?;
                    self.send(self.network, &answer)
                } else if ethernet.destination() == self.mac() {
                    self.pass_on(frame, to)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// To the network that the third byte of the address names.
    fn pass_on(&self, frame: &[u8], to: Ipv4Addr) -> Option<()> {
        let machine = *self.machines().get(&to)?;
        let [.., network, _] = to.octets();
        self.send(network, &answer::passed_on(frame, mac_of(network), machine)?)
    }

    fn send(&self, network: u8, frame: &[u8]) -> Option<()> {
        self.world.outlets.get(usize::from(network))?.send(frame);
        Some(())
    }

    /// The address of a machine of this network, always the same.
    fn lease(&self, mac: Mac) -> Option<Ipv4Addr> {
        let mut machines = self.machines();
        let own = |host: u8| Ipv4Addr::new(100, 64, self.network, host);
        let known = (FIRST_HOST..=LAST_HOST).map(own).find(|address| machines.get(address) == Some(&mac));
        let free = || (FIRST_HOST..=LAST_HOST).map(own).find(|address| !machines.contains_key(address));
        let address = known.or_else(free)?;
        machines.insert(address, mac);
        Some(address)
    }

    fn machines(&self) -> std::sync::MutexGuard<'_, BTreeMap<Ipv4Addr, Mac>> {
        self.world.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Ethernet address of a network's router.
const fn mac_of(network: u8) -> Mac {
    [0x52, 0x54, 0x00, 0x64, network, 0x01]
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, PacketBuilder, SlicedPacket};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn ask_for_address(tap: &Tap, mac: Mac) -> Ipv4Addr {
        tap.send(&dhcp::tests::discover(mac));
        let offer = tap.receive(PATIENCE).unwrap();
        dhcp::tests::offered(&offer)
    }

    #[test]
    fn machines_get_addresses_and_reach_each_other_over_the_networks() {
        let internet = Internet::new(2).unwrap();
        let [one, two] = [0, 1].map(|network: usize| internet.segments()[network].tap());
        let (mac_one, mac_two) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let (from, to) = (ask_for_address(&one, mac_one), ask_for_address(&two, mac_two));
        assert_eq!((from, to), ([100, 64, 0, 10].into(), [100, 64, 1, 10].into()));
        assert_eq!(ask_for_address(&one, mac_one), from, "the same again");

        let packet = PacketBuilder::ethernet2(mac_one, mac_of(0)).ipv4(from.octets(), to.octets(), 64).udp(1, 2);
        let mut frame = Vec::new();
        packet.write(&mut frame, b"across").unwrap();
        one.send(&frame);
        let arrived = two.receive(PATIENCE).unwrap();
        let sliced = SlicedPacket::from_ethernet(&arrived).unwrap();
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
        assert_eq!((ip.header().ttl(), arrived[..6].to_vec()), (63, mac_two.to_vec()));
        assert_eq!(ip.header().to_header().calc_header_checksum(), ip.header().header_checksum());
        assert!(arrived.ends_with(b"across"));
    }
}
