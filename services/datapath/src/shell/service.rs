//! The loop: what `link`, `config` and `mesh` say goes into the tables and onto the devices; what the tables say is published.
//!
//! *Does*: start over what is pinned, so that packets go on while it is away.
//! *Never does*: change anything before they have spoken.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use patronus_datapath::{
    beyond::Beyond,
    capacity, dead_uplinks,
    ipfix::Moment,
    limit,
    policy::{self, Book, Compiled},
    report::{self, Known},
};
use patronus_ipc::{
    Context, ServiceError,
    config::{self, Config},
    datapath::{Datapath, Firewall, Reply, Request, State},
    link::{self, Link},
    mesh::{self, Mesh},
    prober::{self, Prober},
    router::{self, Router},
};
use patronus_types::Generation;
use rtnetlink::{Handle, MulticastGroup};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{Fatal, Places, export::Export, loaded::Loaded, steer::Steer, told::Told};

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let (connection, handle, mut devices) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
        .map_err(|error| ServiceError::Io("netlink", error))?;
    tokio::spawn(connection);
    let mut service = Service::start(Places::of(&context), handle);
    let (mut answering, mut asked) = patronus_ipc::ask_in_turn::<Datapath>(&context, &service.state)?;
    let mut links = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    let mut configs = patronus_ipc::follow::<Config>(&context.ipc_dir, || config::Request::Watch);
    let mut meshes = patronus_ipc::follow::<Mesh>(&context.ipc_dir, || mesh::Request::Watch);
    let mut reports = patronus_ipc::follow::<Prober>(&context.ipc_dir, || prober::Request::Watch);
    let mut wanted = patronus_ipc::follow::<Router>(&context.ipc_dir, || router::Request::Watch);
    context.ready();
    let (mut every, mut renewal) = (interval(limit::SWEEP_EVERY), interval(limit::RENEW_EVERY));
    let mut sending = interval(limit::SEND_EVERY);
    sending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // What was said before there were tables is heard once more.
        if service.begin_to_steer()? {
            links.mark_changed();
            reports.mark_changed();
            wanted.mark_changed();
        }
        tokio::select! {
            biased;
            changed = reports.changed() => {
                changed.map_err(|_| ServiceError::Missing("prober"))?;
                if let (Some(prober::Reply::State(state)), Some(steer)) = (&*reports.borrow_and_update(), &mut service.steer) {
                    steer.handle_reports(now(), state);
                }
            }
            changed = wanted.changed() => {
                changed.map_err(|_| ServiceError::Missing("router"))?;
                let newest = wanted.borrow_and_update().clone();
                if let (Some(router::Reply::State(state)), Some(steer)) = (newest, &mut service.steer) {
                    steer.follow(now(), &state).await?;
                }
            }
            _ = sending.tick(), if service.export.has_messages() => service.export.send(),
            _ = renewal.tick() => service.steer.iter().for_each(|steer| steer.renew(now())),
            changed = links.changed() => {
                changed.map_err(|_| ServiceError::Missing("link"))?;
                if let (Some(state), Some(steer)) = (&*links.borrow(), &mut service.steer) {
                    steer.handle_uplinks(now(), dead_uplinks(state));
                }
                let is_new = links.borrow_and_update().as_ref().is_some_and(|state| service.told.link(state));
                service.follow(is_new).await?;
            }
            changed = configs.changed() => {
                changed.map_err(|_| ServiceError::Missing("config"))?;
                let is_new = configs.borrow_and_update().as_ref().is_some_and(|reply| service.told.config(reply));
                service.follow(is_new).await?;
            }
            changed = meshes.changed() => {
                changed.map_err(|_| ServiceError::Missing("mesh"))?;
                let is_new = meshes.borrow_and_update().as_ref().is_some_and(|reply| service.told.mesh(reply));
                service.follow(is_new).await?;
            }
            Some(_) = devices.next() => {
                // Several at a time are one change.
                while devices.try_recv().is_ok() {}
                service.follow(true).await?;
                if let Some(steer) = &mut service.steer {
                    steer.look(now()).await;
                }
            }
            // Who asks before anything is known, waits.
            Some((request, reply)) = asked.recv(), if service.loaded.is_some() => {
                if let Some(answer) = service.answer(request).await? {
                    // Who asked and went away needs no answer.
                    let _ = reply.send(answer);
                }
            }
            _ = every.tick() => service.sweep().await?,
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

struct Service {
    places: Places,
    flows_max: u32,
    handle: Handle,
    told: Told,
    /// What is in the kernel by this service's hand.
    loaded: Option<Loaded>,
    steer: Option<Steer>,
    /// Hits of rules that other policies have counted.
    hits: BTreeMap<String, u64>,
    export: Export,
    state: watch::Sender<Reply>,
}

impl Service {
    fn start(places: Places, handle: Handle) -> Self {
        let flows_max = capacity(memory_bytes());
        let state = watch::Sender::new(Reply::State(Box::new(State { flows_max, ..State::default() })));
        let (told, hits, export) = (Told::default(), BTreeMap::new(), Export::default());
        Self { places, flows_max, handle, told, loaded: None, steer: None, hits, export, state }
    }

    /// Once there are tables; whether that is now.
    fn begin_to_steer(&mut self) -> Result<bool, Fatal> {
        let Some(loaded) = self.loaded.as_mut().filter(|_| self.steer.is_none()) else { return Ok(false) };
        self.steer = Some(loaded.steer(&self.handle)?);
        Ok(true)
    }

    /// Other rules are other programs; other devices get those that are there.
    async fn follow(&mut self, is_new: bool) -> Result<(), Fatal> {
        let Some(all) = self.told.all().filter(|_| is_new) else { return Ok(()) };
        let book = policy::book(&all.configured.rules, all.sites);
        // Before other programs come: these know whose counts there are.
        if let Some(loaded) = &mut self.loaded {
            loaded.guard.set(&all.configured.guarded)?;
        }
        if self.loaded.as_ref().is_none_or(|loaded| loaded.book != book) {
            self.load(book)?;
        }
        self.bring_about().await
    }

    /// What cannot be compiled changes nothing: the rules that were there stay in force, and it is said.
    fn load(&mut self, book: Book) -> Result<(), Fatal> {
        let compiled = match policy::compile(&book.rules()) {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::warn!("rules of the configuration are not in force: {error}");
                // Without any rules yet, nothing passes but what the kernel lets pass by itself.
                if let Some(loaded) = &mut self.loaded {
                    loaded.problem = Some(error.to_string());
                }
                return Ok(());
            }
        };
        match &mut self.loaded {
            // The same to the programs, by other names or for other reasons.
            Some(loaded) if loaded.policy == compiled => (loaded.book, loaded.problem) = (book, None),
            _ => self.replace(compiled, book)?,
        }
        Ok(())
    }

    fn replace(&mut self, compiled: Compiled, book: Book) -> Result<(), Fatal> {
        if let Some(before) = self.loaded.take() {
            for (name, count) in before.rules.hits(&before.book) {
                *self.hits.entry(name).or_default() += count;
            }
        }
        // Only names that are still there; the others' counts go with them.
        self.hits.retain(|name, _| book.0.iter().any(|entry| entry.name == *name));
        self.loaded = Some(Loaded::new(&self.places, self.flows_max, compiled, book)?);
        Ok(())
    }

    async fn bring_about(&mut self) -> Result<(), Fatal> {
        let (Some(all), Some(loaded)) = (self.told.all(), &mut self.loaded) else { return Ok(()) };
        self.export.follow(all.configured.ipfix.as_ref(), moment());
        loaded.forward(&all.configured.forwards, now_s(), &mut self.export)?;
        loaded.guard.set(&all.configured.guarded)?;
        let done = loaded.bring_about(&self.handle, all.desired, &all.configured.guard).await?;
        let generation = all.configured.generation;
        self.publish(|state| {
            state.configuration = generation;
            state.ipfix = self.export.state();
            (state.lan, state.uplinks, state.tunnels) = (done.lan, done.uplinks, done.tunnels);
        });
        Ok(())
    }

    /// What is over goes, also what began before it was known whose its destination is; what is left is counted. A device that was not there before, or is another now, is found here at the latest.
    async fn sweep(&mut self) -> Result<(), Fatal> {
        let now_s = now_s();
        let (Some(all), Some(loaded)) = (self.told.all(), &mut self.loaded) else { return Ok(()) };
        let beyond = Beyond::of(all.sites);
        self.export.begin(moment(), loaded.interfaces());
        let flows = loaded
            .tables
            .sweep(now_s, |key, flow| beyond.may_go_on(key, flow), &mut self.export)?
            .saturating_add(loaded.six.sweep(now_s, &mut self.export)?);
        self.export.finish();
        loaded.tables.free_ports(now_s)?;
        if let Some(steer) = &mut self.steer {
            steer.count_flows(now_s)?;
            steer.look(now()).await;
        }
        loaded.rules.log(&loaded.policy, &loaded.book);
        let not_carried = loaded.tables.not_carried()?;
        self.publish(|state| {
            state.flows = flows;
            state.not_carried = not_carried;
            state.ipfix = self.export.state();
        });
        self.bring_about().await
    }

    async fn answer(&mut self, request: Request) -> Result<Option<Reply>, Fatal> {
        let (Some(all), Some(loaded)) = (self.told.all(), &mut self.loaded) else { return Ok(None) };
        Ok(Some(match request {
            Request::Watch => self.state.borrow().clone(),
            Request::Flows => {
                let (now_s, mut most) = (now_s(), report::Most::default());
                loaded.tables.each_flow(now_s, |key, flow| most.add(Known::Four(key, flow)))?;
                loaded.six.each_flow(now_s, |key, flow| most.add(Known::Six(key, flow)))?;
                Reply::Flows(most.flows(now_s, all.desired, &loaded.book))
            }
            Request::Firewall => {
                let hits = loaded.rules.hits(&loaded.book);
                let hits = |name: &str| hits.get(name).map(|now| now + self.hits.get(name).unwrap_or(&0));
                let rules = report::rules(&loaded.book, hits);
                let generation = all.configured.generation;
                let (problem, not_carried) = (loaded.problem.clone(), loaded.tables.not_carried()?);
                let guard = loaded.guard(all.configured.guard.bogons);
                Reply::Firewall(Box::new(Firewall { generation, rules, not_carried, problem, guard }))
            }
            Request::Explain(question) => {
                let explanation = loaded.explain(&self.handle, &question, &all, now_s()).await?;
                Reply::Explanation(Box::new(explanation))
            }
        }))
    }

    fn publish(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|reply| {
            let Reply::State(state) = reply else { return false };
            let before = state.clone();
            change(state);
            let is_new = *state != before;
            if is_new {
                state.generation = Generation(before.generation.0).next();
            }
            is_new
        });
    }
}

/// The clock of the programs (`bpf_ktime_get_coarse_ns`).
fn now() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

fn moment() -> Moment {
    Moment { monotonic: now(), unix: clock_gettime(ClockId::Realtime).try_into().unwrap_or_default() }
}

fn now_s() -> u32 {
    u32::try_from(now().as_secs()).unwrap_or(u32::MAX)
}

fn memory_bytes() -> u64 {
    let said = rustix::system::sysinfo();
    said.totalram.saturating_mul(u64::from(said.mem_unit.max(1)))
}
