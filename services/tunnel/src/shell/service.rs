//! The loop: what `link` and `mesh` say becomes threads, devices and routes; what the threads say becomes the published state.
//!
//! *Does*: start from the disk, so that tunnels come up without `mesh`.
//! *Never does*: stand between packets and their threads.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use patronus_ipc::{
    Context, ServiceError,
    link::{self, Link},
    router::{self, Router},
    tunnel::{PathState, Rejected, Reply, Request, State, Tunnel, device_name},
};
use patronus_tunnel::{
    Rejects,
    desired::{self, Preferred},
    mtu,
};
use patronus_types::{Generation, IpNet, SiteId, UplinkSlot};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};

use super::{
    Fatal,
    devices::{Devices, Routes},
    report::{FromSlot, Report},
    slots::Slots,
    store::{Store, Underlay},
    sys,
};

/// Between two states that differ in counters only.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Reports that the loop has not taken yet; more are missed.
const REPORTS: usize = 64;

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let store = Store::open(context.state_dir.as_deref().ok_or(ServiceError::Missing("a directory for state"))?)?;
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| ServiceError::Io("netlink", error))?;
    tokio::spawn(connection);
    let (reports, mut from_slots) = mpsc::channel(REPORTS);
    let state = watch::Sender::new(Reply::State(Box::default()));
    let (mut answering, mut asked) = patronus_ipc::ask_in_turn::<Tunnel>(&context, &state)?;
    let mut uplinks = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    let mut wanted = patronus_ipc::follow::<Router>(&context.ipc_dir, || router::Request::Watch);
    let mut service = Service::new(store, Devices::new(handle), Slots::new(reports), state);
    service.follow_underlay().await?;
    context.ready();
    let mut every = interval(PUBLISH_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = uplinks.changed() => {
                changed.map_err(|_| ServiceError::Missing("link"))?;
                let newest = uplinks.borrow_and_update().clone();
                // Generation 0 is a `link` that has not looked yet: its uplinks are not gone.
                if let Some(newest) = newest.filter(|newest| newest.generation > Generation(0)) {
                    service.follow_link(&newest).await?;
                }
            }
            changed = wanted.changed() => {
                changed.map_err(|_| ServiceError::Missing("router"))?;
                let newest = wanted.borrow_and_update().clone();
                if let Some(router::Reply::State(state)) = newest {
                    service.prefer(&state).await;
                }
            }
            Some((request, reply)) = asked.recv() => {
                if request == Request::Look {
                    service.look(reply);
                    continue;
                }
                // Who asked and went away needs no answer.
                let _ = reply.send(service.answer(request).await?);
            }
            Some(news) = from_slots.recv() => service.hear(news).await?,
            _ = every.tick() => {
                service.slots.look()?;
                service.narrow();
                service.publish();
            }
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

struct Service {
    store: Store,
    devices: Devices,
    slots: Slots,
    reports: BTreeMap<UplinkSlot, Report>,
    preferred: Preferred,
    /// How long packets to each peer may be by whatever path, as the threads know it.
    narrowest: BTreeMap<SiteId, u16>,
    /// Who waits for all threads to report, and for which of them.
    looking: Vec<oneshot::Sender<Reply>>,
    awaited: BTreeSet<UplinkSlot>,
    state: watch::Sender<Reply>,
}

impl Service {
    fn new(store: Store, devices: Devices, slots: Slots, state: watch::Sender<Reply>) -> Self {
        let (reports, preferred, narrowest) = (BTreeMap::new(), Preferred::new(), BTreeMap::new());
        let (looking, awaited) = (Vec::new(), BTreeSet::new());
        Self { store, devices, slots, reports, preferred, narrowest, looking, awaited, state }
    }

    /// What `link` says is kept, for a start without it.
    async fn follow_link(&mut self, link: &link::State) -> Result<(), Fatal> {
        let slots = (0..)
            .zip(&link.uplinks)
            .filter(|(_, uplink)| link.ports.iter().any(|port| port.name == uplink.port))
            .filter_map(|(number, uplink)| Some((UplinkSlot::new(number)?, uplink.port.clone())))
            .collect();
        let own = link.lan.addresses.iter().map(patronus_types::IpNet::addr).collect();
        self.store.keep_underlay(Underlay { slots, own })?;
        self.follow_underlay().await
    }

    /// Uplinks come, go and change: each slot's thread is bound to one device.
    async fn follow_underlay(&mut self) -> Result<(), Fatal> {
        let mut present = self.store.underlay().slots.clone();
        // What was there before a restart may not be there any more, or not yet: `link` will say.
        present.retain(|_, device| sys::mtu(device.as_str()).is_ok());
        // A box that is in no network has nobody to hear: no sockets, no threads, no keys.
        if !self.store.has_wish() {
            present.clear();
        }
        for slot in self.slots.numbers() {
            if present.get(&slot) != self.slots.device(slot) {
                self.slots.stop(slot);
                self.reports.remove(&slot);
            }
        }
        for (slot, device) in &present {
            if self.slots.device(*slot).is_none() {
                let key = self.store.key(*slot)?;
                self.slots.start(*slot, device, key)?;
            }
        }
        self.bring_about().await
    }

    async fn answer(&mut self, request: Request) -> Result<Reply, Fatal> {
        match request {
            // Answered at the desk, and by the next reports.
            Request::Watch | Request::Look => Ok(self.state.borrow().clone()),
            Request::Apply(wish) => {
                if let Err(rejected) = desired::check(&wish, self.store.desired()) {
                    return Ok(Reply::Rejected(rejected));
                }
                let generation = wish.generation;
                self.store.keep_desired(*wish)?;
                self.follow_underlay().await?;
                Ok(Reply::Applied(generation))
            }
            Request::Rotate(slot) => self.rotate(slot).await,
        }
    }

    async fn rotate(&mut self, slot: UplinkSlot) -> Result<Reply, Fatal> {
        let Some(device) = self.slots.device(slot).cloned() else {
            return Ok(Reply::Rejected(Rejected::UnknownSlot));
        };
        let key = self.store.new_key(slot)?;
        self.slots.stop(slot);
        self.slots.start(slot, &device, key)?;
        self.bring_about().await?;
        let public = self.slots.list().into_iter().find(|running| running.slot == slot);
        Ok(public.map_or(Reply::Rejected(Rejected::UnknownSlot), |running| Reply::Rotated(running.public_key)))
    }

    /// Threads and devices as `link` and the last wish have it.
    async fn bring_about(&mut self) -> Result<(), Fatal> {
        let wish = self.store.desired();
        let remotes = desired::remotes(wish);
        let numbers: Vec<UplinkSlot> = remotes.keys().copied().collect();
        self.slots.order(wish, &numbers)?;
        // A thread that has just been started knows nothing of it.
        self.narrowest.clear();
        let mut wanted = BTreeSet::new();
        for slot in self.slots.numbers() {
            let underlay = self.slots.device(slot).and_then(|device| sys::mtu(device.as_str()).ok());
            for (remote, over_v6) in &remotes {
                let name = device_name(slot, *remote);
                let inner = mtu::inner_mtu(underlay.unwrap_or(0), *over_v6);
                warn("bring up", &name, self.devices.bring_up(&name, inner).await);
                wanted.insert(name);
            }
        }
        warn("tidy", "", self.devices.tidy(&wanted).await);
        warn("address", "", self.devices.hold(self.store.desired().address).await);
        warn("network", "", self.devices.reach(desired::network(self.store.desired())).await);
        self.route().await;
        self.publish();
        Ok(())
    }

    async fn hear(&mut self, news: FromSlot) -> Result<(), Fatal> {
        match news {
            FromSlot::Ended(slot, Err(error)) => Err(Fatal::Slot(slot, error)),
            FromSlot::Ended(_, Ok(())) => Ok(()),
            // The last word of a thread that was ended.
            FromSlot::Report(report) if self.slots.device(report.slot).is_none() => Ok(()),
            FromSlot::Report(report) => {
                let before = self.reports.get(&report.slot);
                let news = before.is_none_or(|before| !before.says_the_same(&report));
                if report.is_answer {
                    self.awaited.remove(&report.slot);
                }
                self.reports.insert(report.slot, *report);
                if news {
                    self.route().await;
                    self.publish();
                }
                self.answer_looks();
                Ok(())
            }
        }
    }

    /// What the kernel routes follows what `router` has chosen.
    async fn prefer(&mut self, state: &router::State) {
        let preferred = desired::preferred(state);
        if preferred != self.preferred {
            self.preferred = preferred;
            self.route().await;
        }
    }

    /// TCP is told of segments that pass on each path that a flow may take.
    fn narrow(&mut self) {
        let narrowest = desired::narrowest(self.reports.values().flat_map(|report| &report.paths));
        if narrowest != self.narrowest && self.slots.narrow(&narrowest) {
            self.narrowest = narrowest;
        }
    }

    /// Answered when all threads have reported.
    fn look(&mut self, reply: oneshot::Sender<Reply>) {
        self.slots.ask();
        // Who has gone away needs no answer.
        self.looking.retain(|reply| !reply.is_closed());
        self.looking.push(reply);
        self.awaited = self.slots.numbers().into_iter().collect();
        self.answer_looks();
    }

    fn answer_looks(&mut self) {
        self.awaited.retain(|slot| self.slots.device(*slot).is_some());
        if self.awaited.is_empty() && !self.looking.is_empty() {
            self.publish();
            for reply in self.looking.drain(..) {
                let _ = reply.send(self.state.borrow().clone());
            }
        }
    }

    async fn route(&mut self) {
        let paths: Vec<PathState> = self.reports.values().flat_map(|report| report.paths.clone()).collect();
        let wish = self.store.desired();
        let lan = |prefix: &IpNet| {
            self.store.underlay().own.iter().copied().find(|own| own.is_ipv4() == prefix.addr().is_ipv4())
        };
        let routes: Routes = desired::routes(wish, &paths, &self.preferred)
            .into_iter()
            .map(|(prefix, (local, remote))| {
                let source = desired::inner_source(wish, &prefix).map(IpAddr::V6).or_else(|| lan(&prefix));
                (prefix, (device_name(local, remote), source))
            })
            .collect();
        warn("close", "", self.devices.close(desired::closed(wish)).await);
        warn("route", "", self.devices.route(routes).await);
    }

    fn publish(&mut self) {
        let mut rejects = Rejects::default();
        self.reports.values().for_each(|report| rejects.add(&report.rejects));
        let mut paths: Vec<PathState> = self.reports.values().flat_map(|report| report.paths.clone()).collect();
        paths.sort_by_key(|path| (path.peer, path.local, path.remote));
        let (applied, address) = (self.store.desired().generation, self.store.desired().address);
        let mut slots = self.slots.list();
        for slot in &mut slots {
            if let Some(report) = self.reports.get(&slot.slot) {
                (slot.seen, slot.stun) = (report.seen.clone(), report.stun.clone());
            }
        }
        self.state.send_if_modified(|reply| {
            let Reply::State(old) = reply else { return false };
            let rejected = rejects.by_name();
            let new = State { generation: old.generation, applied, address, slots, paths, rejected };
            if new == **old {
                return false;
            }
            **old = State { generation: old.generation.next(), ..new };
            true
        });
    }
}

/// What the kernel refuses is tried again with the next change.
fn warn(what: &str, name: &str, result: Result<(), rtnetlink::Error>) {
    if let Err(error) = result {
        tracing::warn!(device = name, %error, "{what} failed");
    }
}
