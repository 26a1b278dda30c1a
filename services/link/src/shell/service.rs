//! The loop: look, plan, apply, publish; then wait for a reason to look again ([`Agenda`]).
//!
//! *Does*: start with the packet filter; then set all ports up, silent; then what `config` says they are for.
//! *Never does*: give a port a role or an address before `config` has said what it is for: a wrong guess could join WAN and LAN.

use std::{io, time::Duration};

use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use patronus_ipc::{
    Context, ServiceError,
    config::{Config, Reply, Request},
    link::{Link, State},
};
use patronus_link::{Agenda, Announcer, Change, Observed, Resolvers, Settings, desired, limit, plan, rouse};
use patronus_store::Spare;
use rtnetlink::Handle;
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use super::{
    Fatal, announce,
    apply::{apply, settle},
    dhcp::Clients,
    firewall,
    kernel::Picture,
    publish, solicit,
    store::Store,
    sysfs,
};

/// Groups of `linux/rtnetlink.h` as bits: links, IPv4 and IPv6 addresses, IPv6 routes (advertised routers), neighbour discovery options that
/// the kernel has no use for (advertised resolvers).
const NOTIFICATIONS: u32 = 1 | 1 << 4 | 1 << 8 | 1 << 10 | 1 << 19;

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    firewall::close()?;
    sysfs::forward().map_err(|error| ServiceError::Io("forwarding", error))?;
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| ServiceError::Io("netlink", error))?;
    tokio::spawn(connection);
    let mut notifications = subscribe().map_err(|error| ServiceError::Io("netlink notifications", error))?;
    rouse_ports(&handle).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let state_dir = context.state_dir.clone().ok_or(ServiceError::Missing("a directory for state"))?;
    let store = Spare::open(move || Ok(Store::open(&state_dir)?.content))?;
    let (sender, mut incoming) = mpsc::channel(limit::DHCP_QUEUE);
    let state = watch::Sender::new(State::default());
    let mut answering = patronus_ipc::publish::<Link>(&context, &state)?;
    let mut config = patronus_ipc::follow::<Config>(&context.ipc_dir, || Request::Watch);
    let clients = Clients::new(sender);
    let (resolvers, announcer) = (Resolvers::default(), Announcer::default());
    let mut service = Service { handle, store, clients, resolvers, announcer, state };
    let mut agenda = Agenda::default();
    loop {
        // Nothing to look for before `config` has answered: a look now would put off the one that matters.
        let is_configured = matches!(&*config.borrow(), Some(Reply::State(_)));
        if is_configured && agenda.poll_look(now_ms()) {
            let newest = config.borrow_and_update().clone();
            if let Some(Reply::State(newest)) = newest {
                service.reconcile(&newest).await?;
                context.ready();
            }
        }
        tokio::select! {
            changed = config.changed() => {
                changed.map_err(|_| ServiceError::Missing("config"))?;
                agenda.want();
            }
            () = service.pause(&agenda), if is_configured => {}
            Some(message) = incoming.recv() => service.clients.handle(&message, now_ms()),
            bytes = notified(&mut notifications) => {
                service.resolvers.handle_notification(&bytes, now_ms());
                agenda.want();
            }
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return Ok(()),
        }
        service.clients.handle_timeout(now_ms());
        if service.resolvers.handle_timeout(now_ms()) {
            agenda.want();
        }
        if service.clients.flush(&mut service.store)? {
            agenda.want();
        }
    }
}

struct Service {
    handle: Handle,
    store: Spare<Store>,
    clients: Clients,
    resolvers: Resolvers,
    announcer: Announcer,
    state: watch::Sender<State>,
}

impl Service {
    /// Brings the kernel to the desired state. What the kernel does by itself meanwhile (an interface that goes down loses its
    /// routes) is seen in the next round.
    async fn reconcile(&mut self, config: &patronus_ipc::config::State) -> Result<(), Fatal> {
        let mut picture = Picture::take(&self.handle).await?;
        let mut settings = settings(config, &picture);
        sysfs::reserve(&settings.forwarded).map_err(|error| ServiceError::Io("reserved ports", error))?;
        for _ in 0..limit::RECONCILE_ROUNDS {
            self.clients.follow(&settings, &picture.ports, &mut self.store, now_ms())?;
            let changes = plan(&desired(&settings, &self.observed(&picture)), &picture.network);
            if changes.is_empty() {
                break;
            }
            change(&self.handle, picture, &changes).await?;
            picture = Picture::take(&self.handle).await?;
            settings = self::settings(config, &picture);
        }
        self.clients.flush(&mut self.store)?;
        announce::send(&self.announcer.handle_addresses(&picture.network.addresses, &picture.live), &picture);
        self.resolvers.retain(|index| picture.indexes.values().any(|known| *known == index));
        self.publish(publish::state(&settings, &picture, &self.clients, &self.resolvers));
        Ok(())
    }

    fn observed(&self, picture: &Picture) -> Observed {
        Observed { ports: picture.ports.clone(), leases: self.clients.leases(), advertised: picture.advertised.clone() }
    }

    fn publish(&self, mut new: State) {
        self.state.send_if_modified(|old| {
            new.generation = old.generation;
            if new == *old {
                return false;
            }
            new.generation = old.generation.next();
            *old = new;
            true
        });
    }

    /// Until the next look at the kernel, or the next deadline of a DHCP client or of a resolver.
    async fn pause(&self, agenda: &Agenda) {
        let deadlines = [self.clients.deadline(), self.resolvers.deadline()];
        let until = deadlines.into_iter().flatten().fold(agenda.due_ms(), u64::min);
        tokio::time::sleep(Duration::from_millis(until.saturating_sub(now_ms()))).await;
    }
}

/// The first act: all ports in one go. Those that a service before this one left up go on as they are.
async fn rouse_ports(handle: &Handle) -> Result<(), Fatal> {
    let picture = Picture::take(handle).await?;
    solicit::send(&picture);
    let changes = rouse(&picture.network);
    change(handle, picture, &changes).await
}

/// Makes changes in their order; the picture is an old one then.
async fn change(handle: &Handle, mut picture: Picture, changes: &[Change]) -> Result<(), Fatal> {
    for change in changes {
        tracing::info!("{change}");
        if let Err(error) = apply(handle, &picture, change).await {
            tracing::warn!(%change, %error, "network change failed, planned again");
        }
        // The new bridge's number is needed by what follows.
        if matches!(change, Change::AddBridge(_)) {
            picture = Picture::take(handle).await?;
        }
    }
    settle(handle, &picture).await;
    Ok(())
}

fn settings(config: &patronus_ipc::config::State, picture: &Picture) -> Settings {
    match &config.claimed {
        Some(claimed) => Settings::from_document(&claimed.document),
        None => Settings::first_boot(&picture.ports),
    }
}

/// The monotonic clock that also counts sleep, in milliseconds: leases run on while a laptop's lid is closed.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let ms = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(ms).unwrap_or(0)
}

fn subscribe() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    socket.socket_mut().bind(&SocketAddr::new(0, NOTIFICATIONS))?;
    Ok(socket)
}

/// Returns when anything has changed. What it was is read from the kernel and not from the message, of which some may be lost; a full queue
/// says the same. Only advertised resolvers are nowhere else to be read: the next advertisement names them again.
async fn notified(socket: &mut TokioSocket) -> Vec<u8> {
    socket.recv_from_full().await.map(|(bytes, _)| bytes).unwrap_or_default()
}
