//! The loop: what `tunnel` and `config` say goes to the thread that probes; what it measures goes to the disk.
//!
//! *Does*: start that thread, and end with it.
//! *Never does*: stand between the thread and its datagrams.

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use patronus_ipc::{
    Context, ServiceError,
    config::{self, Config},
    prober::Reply,
    tunnel::{self, Tunnel},
};
use patronus_prober::{Prober, limit};
use rustix::event::{EventfdFlags, eventfd};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Fatal, desk, moment, sources,
    store::History,
    worker::{Order, Points, Worker},
};

/// Orders that the thread has not taken yet; more are missed, and the next says the same and more.
const ORDERS: usize = 64;
/// Stretches that wait for the disk; more are lost.
const STRETCHES: usize = 16;
/// While `tunnel` is away.
const AWAY: Duration = Duration::from_millis(100);
/// Between two writes: a power cut costs that much of the finest history, and a flash lives longer.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// The way to the thread that probes.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    sender: SyncSender<Order>,
    bell: Arc<OwnedFd>,
}

impl Orders {
    /// Gives an order, if there is room for it.
    pub(crate) fn give(&self, order: Order) {
        let _ = self.sender.try_send(order);
        // It only fails when it has been rung 2^64 times without being heard.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }
}

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let dir = context.state_dir.clone().ok_or(ServiceError::Missing("a directory for state"))?;
    let history = History::open(dir)?;
    let state = watch::Sender::new(Reply::State(Box::default()));
    let (points, mut measured) = mpsc::channel(STRETCHES);
    let (doubts, doubted) = mpsc::channel(1);
    let (orders, mut worker) = start(state.clone(), points, doubts).map_err(Fatal::Worker)?;
    tokio::spawn(ask_tunnel(context.ipc_dir.clone(), doubted, orders.clone()));
    let mut answering = desk::serve(&context, state.subscribe(), orders.clone(), history.clone())?;
    let mut config = patronus_ipc::follow::<Config>(&context.ipc_dir, || config::Request::Watch);
    let mut tunnel = patronus_ipc::follow::<Tunnel>(&context.ipc_dir, || tunnel::Request::Watch);
    let mut keeper = Keeper { history, waiting: Vec::new(), since_unix_s: moment::unix_s() };
    context.ready();
    let mut every = interval(KEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Ok(()) = config.changed() => {}
            Ok(()) = tunnel.changed() => {}
            Some(points) = measured.recv() => keeper.take(points),
            _ = every.tick() => keeper.keep().await?,
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            ended = &mut worker => {
                let ended = ended.unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()));
                return Err(Fatal::Worker(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())));
            }
            _ = terminate.recv() => return keeper.keep().await,
        }
        let (config, tunnel) = (config.borrow_and_update(), tunnel.borrow_and_update());
        if let (Some(config::Reply::State(config)), Some(tunnel::Reply::State(tunnel))) = (&*config, &*tunnel) {
            let known = sources::known(tunnel, &sources::metered(config));
            orders.give(Order::Paths { address: tunnel.address, known });
        }
    }
}

/// The thread. It ends when nobody can give it orders any more, or with an error.
fn start(
    state: watch::Sender<Reply>,
    points: mpsc::Sender<Points>,
    doubts: mpsc::Sender<()>,
) -> io::Result<(Orders, tokio::sync::oneshot::Receiver<io::Result<()>>)> {
    let (sender, orders) = sync_channel(ORDERS);
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let now_us = moment::now_us();
    let worker = Worker {
        prober: Prober::new(random()? as u32, random()?, now_us),
        orders,
        bell: bell.try_clone()?,
        state,
        points,
        doubts,
        sockets: std::collections::BTreeMap::new(),
        address: None,
        tester: None,
        published_us: now_us,
        stretch_unix_s: moment::unix_s() / limit::POINT_S * limit::POINT_S,
    };
    let (ended, end) = tokio::sync::oneshot::channel();
    let run = move || {
        // Nobody is there to hear it: the process is about to end.
        let _ = ended.send(worker.run());
    };
    std::thread::Builder::new().name("probing".to_owned()).spawn(run)?;
    Ok((Orders { sender, bell }, end))
}

/// Asks `tunnel` for its word as long as it is wanted, one question at a time.
async fn ask_tunnel(ipc_dir: PathBuf, mut doubted: mpsc::Receiver<()>, orders: Orders) {
    while doubted.recv().await.is_some() {
        let asked_us = moment::now_us();
        match patronus_ipc::call::<Tunnel>(&ipc_dir, &tunnel::Request::Look).await {
            Ok(tunnel::Reply::State(state)) => orders.give(Order::Word { asked_us, words: sources::words(&state) }),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "tunnel says nothing");
                sleep(AWAY).await;
            }
        }
    }
}

/// Points on their way to the disk.
struct Keeper {
    history: History,
    waiting: Vec<Points>,
    since_unix_s: u64,
}

impl Keeper {
    /// Points wait for the next write.
    fn take(&mut self, points: Points) {
        if self.waiting.len() < STRETCHES {
            self.waiting.push(points);
        }
    }

    /// Writes what waits.
    async fn keep(&mut self) -> Result<(), Fatal> {
        let (waiting, since_unix_s, unix_s) = (std::mem::take(&mut self.waiting), self.since_unix_s, moment::unix_s());
        self.since_unix_s = unix_s;
        if !waiting.is_empty() {
            self.history.with(move |store| store.keep(&waiting, since_unix_s, unix_s)).await?;
        }
        Ok(())
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_ne_bytes(bytes))
}
