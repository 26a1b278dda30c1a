//! The loop: what `link` says goes into the tables and onto the devices; what the tables say is published.
//!
//! *Does*: start over what is pinned, so that packets go on while it is away.
//! *Never does*: change anything before `link` has spoken.

use std::net::Ipv4Addr;

use patronus_datapath::{Desired, capacity, desired, limit, report};
use patronus_ebpf_abi as abi;
use patronus_ipc::{
    Context, ServiceError,
    datapath::{Reply, State, Uplink},
    link::{self, Link},
};
use patronus_types::{Generation, Ipv4Net};
use rtnetlink::Handle;
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    Fatal, Places, desk, devices,
    hooks::{Hooks, Side},
    tables::Tables,
};

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| ServiceError::Io("netlink", error))?;
    tokio::spawn(connection);
    let mut service = Service::start(&Places::of(&context), handle)?;
    let (mut answering, mut asked) = desk::serve(&context, service.state.subscribe())?;
    let mut links = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    context.ready();
    let mut every = interval(limit::SWEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = links.changed() => {
                changed.map_err(|_| ServiceError::Missing("link"))?;
                let newest = links.borrow_and_update().as_ref().map(desired);
                if let Some(newest) = newest {
                    service.follow(newest).await?;
                }
            }
            Some(reply) = asked.recv() => {
                let now_s = now_s();
                // Who asked and went away needs no answer.
                let _ = reply.send(report::flows(service.tables.flows(now_s), now_s, &service.desired));
            }
            _ = every.tick() => service.sweep().await?,
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

struct Service {
    hooks: Hooks,
    tables: Tables,
    handle: Handle,
    desired: Desired,
    /// `link` has said it.
    is_told: bool,
    state: watch::Sender<Reply>,
}

impl Service {
    fn start(places: &Places, handle: Handle) -> Result<Self, Fatal> {
        let flows_max = capacity(memory_bytes());
        let mut hooks = Hooks::load(places, flows_max)?;
        let tables = Tables::of(hooks.object())?;
        let state = watch::Sender::new(Reply::State(Box::new(State { flows_max, ..State::default() })));
        Ok(Self { hooks, tables, handle, desired: Desired::default(), is_told: false, state })
    }

    async fn follow(&mut self, desired: Desired) -> Result<(), Fatal> {
        self.is_told = true;
        if desired != self.desired {
            self.desired = desired;
            self.bring_about().await?;
        }
        Ok(())
    }

    /// Devices have their programs, and the programs know LAN and uplinks. Uplinks first: with a LAN, flows begin.
    async fn bring_about(&mut self) -> Result<(), Fatal> {
        let (mut wanted, mut published) = (Vec::new(), Vec::new());
        for slot in 0..abi::UPLINKS {
            let known = usize::try_from(slot).ok().and_then(|slot| self.desired.uplinks.get(slot));
            let mut value = abi::Uplink::default();
            if let Some(uplink) = known
                && let Some((index, mtu)) = devices::look(&self.handle, uplink.port.as_str()).await
            {
                value = abi::Uplink { address: uplink.address.map_or(0, u32::from), index, mtu, zero: 0 };
                wanted.push(((index, uplink.port.to_string()), Side::Wan));
                let used = uplink.address.map(|address| (uplink, address));
                published.extend(used.map(|(uplink, address)| told(uplink, address, mtu)));
            }
            self.tables.set_uplink(slot, value)?;
        }
        let mut lan = None;
        if let Some((device, net)) = &self.desired.lan
            && let Some((index, _)) = devices::look(&self.handle, device.as_str()).await
        {
            wanted.push(((index, device.to_string()), Side::Lan));
            lan = Some(*net);
        }
        self.tables.set_lan(lan.map_or_else(abi::Lan::default, prefix))?;
        self.hooks.hang(&wanted)?;
        self.publish(|state| {
            state.lan = lan.map(|net| net.trunc());
            state.uplinks = published;
        });
        Ok(())
    }

    /// What is over goes; what is left is counted. A device that was not there before, or is another now, is found here at the latest.
    async fn sweep(&mut self) -> Result<(), Fatal> {
        let now_s = now_s();
        let flows = u32::try_from(self.tables.flows(now_s).len()).unwrap_or(u32::MAX);
        self.tables.free_ports(now_s);
        let not_carried = self.tables.not_carried()?;
        self.publish(|state| {
            state.flows = flows;
            state.not_carried = not_carried;
        });
        if self.is_told { self.bring_about().await } else { Ok(()) }
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

fn told(uplink: &patronus_datapath::desired::Uplink, address: Ipv4Addr, mtu: u32) -> Uplink {
    Uplink { name: uplink.name.clone(), port: uplink.port.clone(), address, mtu }
}

fn prefix(net: Ipv4Net) -> abi::Lan {
    abi::Lan { network: net.network().into(), mask: net.netmask().into() }
}

/// The clock of the programs (`bpf_ktime_get_coarse_ns`).
fn now_s() -> u32 {
    u32::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap_or(u32::MAX)
}

fn memory_bytes() -> u64 {
    let said = rustix::system::sysinfo();
    said.totalram.saturating_mul(u64::from(said.mem_unit.max(1)))
}
