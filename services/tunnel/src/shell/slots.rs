//! The threads: one for each uplink slot that has a device.
//!
//! *Does*: start, give orders, end.
//! *Never does*: touch a packet.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use patronus_ipc::tunnel::{Desired, Slot, SlotKey, device_name};
use patronus_tunnel::{
    Passed, Shard, StunServer, desired, limit,
    noise::{Boring, Engine},
};
use patronus_types::{PortName, SiteId, UplinkSlot};
use rustix::event::{EventfdFlags, eventfd};

use super::{
    Fatal,
    report::FromSlot,
    sys,
    tun::Tun,
    udp::Udp,
    worker::{Next, Order, Wish, Worker, ring},
};

/// Orders that a thread has not taken yet; one more waits.
const ORDERS: usize = 16;

/// One running slot.
#[derive(Debug)]
struct Running {
    device: PortName,
    public_key: SlotKey,
    orders: SyncSender<Order>,
    passed: SyncSender<Passed>,
    bell: Arc<OwnedFd>,
    remotes: Vec<UplinkSlot>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Without waiting; `false` if there is no room.
    fn tell(&self, order: Order) -> bool {
        let is_told = self.orders.try_send(order).is_ok();
        ring(&self.bell);
        is_told
    }
}

/// All running slots.
#[derive(Debug)]
pub(crate) struct Slots {
    running: BTreeMap<UplinkSlot, Running>,
    reports: tokio::sync::mpsc::Sender<FromSlot>,
}

impl Slots {
    pub(crate) fn new(reports: tokio::sync::mpsc::Sender<FromSlot>) -> Self {
        Self { running: BTreeMap::new(), reports }
    }

    /// The device of a slot that runs.
    pub(crate) fn device(&self, slot: UplinkSlot) -> Option<&PortName> {
        self.running.get(&slot).map(|running| &running.device)
    }

    /// Those that run.
    pub(crate) fn list(&self) -> Vec<Slot> {
        let slot = |(slot, running): (&UplinkSlot, &Running)| Slot {
            slot: *slot,
            device: running.device.clone(),
            public_key: running.public_key,
            listen_port: desired::listen_port(*slot),
            seen: Vec::new(),
            stun: Vec::new(),
        };
        self.running.iter().map(slot).collect()
    }

    /// Starts a slot's thread.
    pub(crate) fn start(&mut self, slot: UplinkSlot, device: &PortName, key: [u8; 32]) -> Result<(), Fatal> {
        let failed = |error| Fatal::Slot(slot, error);
        let (engine, port) = (Boring::new(key), desired::listen_port(slot));
        let public_key = SlotKey(engine.public_key());
        let v4 = Udp::open(true, device.as_str(), port).map_err(failed)?;
        // A kernel without IPv6 has no such sockets.
        let v6 = Udp::open(false, device.as_str(), port);
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from);
        let bell = Arc::new(bell.map_err(failed)?);
        let ((sender, orders), (pass, passed)) = (sync_channel(ORDERS), sync_channel(limit::PASSED));
        let worker = Worker {
            slot,
            shard: Shard::new(engine, u32::from_ne_bytes(random().map_err(failed)?)),
            sockets: std::iter::once(v4).chain(v6.ok()).collect(),
            devices: BTreeMap::new(),
            orders,
            passed,
            next: None,
            bell: Arc::clone(&bell),
            reports: self.reports.clone(),
            started: Instant::now(),
            emptied: BTreeMap::new(),
            is_asked: false,
        };
        let reports = self.reports.clone();
        let run = move || {
            // If there is no room for it, the next look finds the thread ended.
            let _ = reports.try_send(FromSlot::Ended(slot, worker.run()));
        };
        let thread = std::thread::Builder::new().name(format!("slot-{slot}")).spawn(run).map_err(failed)?;
        tracing::info!(%slot, %device, port, "slot started");
        let (device, remotes) = (device.clone(), Vec::new());
        let running = Running { device, public_key, orders: sender, passed: pass, bell, remotes, thread };
        self.running.insert(slot, running);
        Ok(())
    }

    /// Ends a slot's thread, and with it its sessions.
    pub(crate) fn stop(&mut self, slot: UplinkSlot) {
        if let Some(running) = self.running.remove(&slot) {
            drop(running.orders);
            ring(&running.bell);
            // It ends at once, and only then are its port and its devices free for the next.
            let _ = running.thread.join();
            tracing::info!(%slot, "slot stopped");
        }
    }

    /// Looks for a thread that has ended and could not say so.
    pub(crate) fn look(&self) -> Result<(), Fatal> {
        let ended = self.running.iter().find(|(_, running)| running.thread.is_finished());
        ended.map_or(Ok(()), |(slot, _)| Err(Fatal::Slot(*slot, io::ErrorKind::UnexpectedEof.into())))
    }

    /// Slots that run.
    pub(crate) fn numbers(&self) -> Vec<UplinkSlot> {
        self.running.keys().copied().collect()
    }

    /// Has every thread report at once.
    pub(crate) fn ask(&self) {
        // One that has so many orders will report soon.
        self.running.values().for_each(|running| _ = running.tell(Order::Report));
    }

    /// Tells every thread how long packets to each peer may be by whatever path. `false` if one has too many orders to hear it.
    pub(crate) fn narrow(&self, narrowest: &BTreeMap<SiteId, u16>) -> bool {
        self.running.values().all(|running| running.tell(Order::Narrowest(narrowest.clone())))
    }

    /// Tells every thread its paths and whom else to ask. New devices are opened here; opening makes them.
    pub(crate) fn order(&mut self, desired: &Desired, remotes: &[UplinkSlot]) -> Result<(), Fatal> {
        let wanted = desired::paths(desired);
        let slots = self.running.len();
        // Each slot's next one, the last one's being the first.
        let doors: Vec<(SyncSender<Passed>, Arc<OwnedFd>)> =
            self.running.values().map(|running| (running.passed.clone(), Arc::clone(&running.bell))).collect();
        let nexts = doors.into_iter().cycle().skip(1);
        for ((slot, running), (passed, bell)) in self.running.iter_mut().zip(nexts) {
            let mut new = Vec::new();
            for remote in remotes.iter().filter(|remote| !running.remotes.contains(remote)) {
                let tun = Tun::open(&device_name(*slot, *remote)).map_err(|error| Fatal::Slot(*slot, error))?;
                new.push((*remote, tun));
            }
            running.remotes = remotes.to_vec();
            let stun = stun_servers(desired).map_err(|error| Fatal::Slot(*slot, error))?;
            let (wanted, remotes) = (wanted.clone(), remotes.to_vec());
            let underlay = sys::mtu(running.device.as_str()).unwrap_or(0);
            let (is_relay, next) = (desired.is_relay, Next { passed, bell });
            let wish = Wish { wanted, remotes, new, is_relay, slots, next, stun, underlay };
            // A thread that is gone has said so.
            let _ = running.orders.send(Order::Follow(wish));
            ring(&running.bell);
        }
        Ok(())
    }
}

/// Each slot has numbers of its own for its questions.
fn stun_servers(desired: &Desired) -> io::Result<Vec<StunServer>> {
    desired.stun.iter().map(|address| Ok(StunServer { address: *address, transaction: random()? })).collect()
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
