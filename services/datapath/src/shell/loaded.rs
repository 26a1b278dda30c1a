//! What is in the kernel: programs, tables, rules.
//!
//! *Does*: bring about that devices have their programs and the programs know LAN, uplinks and tunnels.
//! *Never does*: change rules: other rules are loaded anew.

use std::net::Ipv4Addr;

use patronus_datapath::{
    Desired, explain, forwards,
    ipfix::Interfaces,
    policy::{Book, Compiled},
};
use patronus_ebpf_abi::{
    self as abi,
    forward::Forward,
    guard::{BOGONS_FOUR, BOGONS_SIX},
};
use patronus_ebpf_core::Route;
use patronus_ipc::datapath::{self, Explanation, Guarded, Listed, Question, Uplink};
use patronus_types::{Guard, GuardHook, Ipv4Net, Ipv6Net, UplinkName};
use rtnetlink::Handle;

use super::{
    Fatal, Places,
    devices::{self, Seen, Way},
    export::Export,
    guard::GuardTables,
    hooks::{Hooks, Side},
    rules::Rules,
    six::Six,
    steer::Steer,
    tables::Tables,
    told::All,
};

/// A device with a program on it or to be put on it.
type Wanted = Vec<(super::hooks::Device, Side)>;

pub(crate) struct Loaded {
    hooks: Hooks,
    pub(crate) tables: Tables,
    pub(crate) six: Six,
    pub(crate) guard: GuardTables,
    /// Where each uplink's hangs.
    pub(crate) guards: Vec<GuardPlace>,
    pub(crate) rules: Rules,
    pub(crate) policy: Compiled,
    pub(crate) book: Book,
    /// Why newer rules are not in force.
    pub(crate) problem: Option<String>,
    /// What the programs know.
    lan: abi::Lan,
    lan_index: u32,
    uplinks: Vec<abi::Uplink>,
    mesh: Vec<u32>,
    forwards: Option<Vec<Forward>>,
    /// What they were told of when all of it was written the last time.
    told: Option<Told>,
}

/// Where packets are judged, to be told to others.
pub(crate) struct Judged {
    pub(crate) lan: Option<Ipv4Net>,
    pub(crate) uplinks: Vec<Uplink>,
    pub(crate) tunnels: u32,
}

/// Where an uplink's guard hangs.
pub(crate) struct GuardPlace {
    pub(crate) uplink: UplinkName,
    device: u32,
    /// Sources that are nobody's there.
    pub(crate) bogons: u32,
    pub(crate) side: Side,
    /// Why it hangs where it should not.
    pub(crate) problem: Option<String>,
}

/// LAN, uplinks and tunnels.
type Told = (abi::Lan, Option<Ipv6Net>, Vec<abi::Uplink>, Vec<u32>);

impl Loaded {
    /// Programs that look into these rules; nothing hangs anywhere yet.
    pub(crate) fn new(places: &Places, flows_max: u32, policy: Compiled, book: Book) -> Result<Self, Fatal> {
        let rules = u32::try_from(book.rules().len()).unwrap_or(u32::MAX);
        let mut hooks = Hooks::load(places, flows_max, &policy, rules)?;
        let rules = Rules::of(hooks.object(), &policy)?;
        let answers_of_one = hooks.answers_of_one;
        let (tables, six) = (Tables::of(hooks.object(), answers_of_one)?, Six::of(hooks.object())?);
        let guard = GuardTables::of(hooks.object())?;
        let (lan, uplinks, mesh) = (abi::Lan::default(), Vec::new(), Vec::new());
        Ok(Self {
            hooks,
            tables,
            six,
            guard,
            guards: Vec::new(),
            rules,
            policy,
            book,
            problem: None,
            lan,
            lan_index: 0,
            uplinks,
            mesh,
            forwards: None,
            told: None,
        })
    }

    /// The steering tables, for whom asks first. They are pinned: programs that are loaded later look into the same.
    pub(crate) fn steer(&mut self, handle: &Handle) -> Result<Steer, Fatal> {
        Steer::of(self.hooks.object(), handle.clone())
    }

    /// Port forwards are those of the document; what came by one that is gone, ends.
    pub(crate) fn forward(&mut self, list: &[Forward], now_s: u32, export: &mut Export) -> Result<(), Fatal> {
        if self.forwards.as_deref() != Some(list) {
            self.tables.set_forwards(list)?;
            self.tables.sweep(now_s, |key, flow| forwards::may_go_on(key, flow, list), export)?;
            self.tables.is_changed()?;
            self.forwards = Some(list.to_vec());
        }
        Ok(())
    }

    /// Devices have their programs, and the programs know what is where. The LAN last: with it, flows begin.
    pub(crate) async fn bring_about(
        &mut self,
        handle: &Handle,
        desired: &Desired,
        guard: &Guard,
    ) -> Result<Judged, Fatal> {
        let before = self.told.take();
        let mut wanted = Wanted::new();
        self.guards.clear();
        let published = self.uplinks(handle, desired, guard, &mut wanted).await?;
        let bogons = self.guards.iter().filter(|_| guard.bogons).map(|guard| (guard.device, guard.bogons)).collect();
        self.guard.set_bogons(&bogons)?;
        let tunnels = devices::tunnels(handle).await?;
        self.mesh = tunnels.iter().map(|(index, _)| *index).take(abi::MESH_DEVICES as usize).collect();
        self.tables.set_mesh(&self.mesh)?;
        wanted.extend(tunnels.into_iter().take(abi::MESH_DEVICES as usize).map(|device| (device, Side::Mesh)));
        let mut lan = None;
        self.lan_index = 0;
        if let Some((device, net)) = &desired.lan
            && let Some(Seen { index, .. }) = devices::look(handle, device.as_str()).await?
        {
            self.lan_index = index;
            let device = (index, device.to_string());
            wanted.extend(
                [Side::Lan, Side::LanAround, Side::LanToSites, Side::LanSix].map(|side| (device.clone(), side)),
            );
            lan = Some(*net);
        }
        self.lan = lan.map_or_else(abi::Lan::default, prefix);
        self.tables.set_lan(self.lan)?;
        let lan_six = desired.lan_six.filter(|_| lan.is_some());
        self.six.set_lan(lan_six)?;
        let told = (self.lan, lan_six, self.uplinks.clone(), self.mesh.clone());
        // Behind all that was written: what a program has found by half of it is not believed.
        if before.as_ref() != Some(&told) {
            self.tables.is_changed()?;
        }
        self.told = Some(told);
        self.hooks.hang(&wanted)?;
        let tunnels = u32::try_from(self.mesh.len()).unwrap_or(u32::MAX);
        Ok(Judged { lan: lan.map(|net| net.trunc()), uplinks: published, tunnels })
    }

    async fn uplinks(
        &mut self,
        handle: &Handle,
        desired: &Desired,
        guard: &Guard,
        wanted: &mut Wanted,
    ) -> Result<Vec<Uplink>, Fatal> {
        let mut published = Vec::new();
        self.uplinks.clear();
        for slot in 0..abi::UPLINKS {
            let known = usize::try_from(slot).ok().and_then(|slot| desired.uplinks.get(slot));
            let mut value = abi::Uplink::default();
            if let Some(uplink) = known
                && let Some(Seen { index, mtu, is_card }) = devices::look(handle, uplink.port.as_str()).await?
            {
                value = abi::Uplink { address: uplink.address.map_or(0, u32::from), index, mtu, zero: 0 };
                let device = (index, uplink.port.to_string());
                let in_driver = guard.hook == GuardHook::Xdp || (guard.hook == GuardHook::Auto && is_card);
                let (side, problem) = self.hooks.guard(&device, in_driver);
                let (name, bogons) = (uplink.name.clone(), uplink.bogons);
                self.guards.push(GuardPlace { uplink: name, device: index, bogons, side, problem });
                wanted.extend([side, Side::Wan, Side::WanSix].map(|side| (device.clone(), side)));
                let used = uplink.address.map(|address| (uplink, address));
                published.extend(used.map(|(uplink, address)| told(uplink, address, mtu)));
            }
            self.tables.set_uplink(slot, value)?;
            self.uplinks.push(value);
        }
        Ok(published)
    }

    /// The guard, to be told to others.
    pub(crate) fn guard(&self, bogons: bool) -> datapath::Guard {
        let uplink = |place: &GuardPlace| Guarded {
            name: place.uplink.clone(),
            in_driver: place.side == Side::Guard,
            bogons: bogons && place.bogons & BOGONS_FOUR != 0,
            bogons_v6: bogons && place.bogons & BOGONS_SIX != 0,
            problem: place.problem.clone(),
        };
        let list = |(name, prefixes, hits)| Listed { name, prefixes, hits };
        datapath::Guard {
            uplinks: self.guards.iter().map(uplink).collect(),
            lists: self.guard.lists().into_iter().map(list).collect(),
        }
    }

    /// Devices as collectors are told of them.
    pub(crate) fn interfaces(&self) -> Interfaces {
        Interfaces { lan: self.lan_index, uplinks: self.uplinks.iter().map(|uplink| uplink.index).collect() }
    }

    /// What would become of a packet.
    pub(crate) async fn explain(
        &mut self,
        handle: &Handle,
        question: &Question,
        all: &All<'_>,
        now_s: u32,
    ) -> Result<Explanation, Fatal> {
        let route = match devices::way(handle, question.destination).await {
            Way::By(device) if self.mesh.contains(&device) => Route::Mesh,
            Way::By(device) => self.uplink_on(device).map_or(Route::Elsewhere, Route::Uplink),
            Way::Closed => Route::Mesh,
            Way::Own => Route::Own,
            Way::None => Route::Elsewhere,
        };
        let (policy, book, lan, uplinks) = (&self.policy, &self.book, self.lan, self.uplinks.as_slice());
        let flows = self.tables.count_flows(question, now_s)?;
        let (desired, sites, guard) = (all.desired, all.sites, &all.configured.guarded);
        let bits = desired.uplinks.iter().fold(0, |bits, uplink| bits | uplink.bogons);
        let bogons = if all.configured.guard.bogons { bits } else { 0 };
        let now = explain::Now { policy, book, desired, lan, uplinks, sites, guard, bogons, route, flows };
        Ok(explain::explain(question, &now))
    }

    fn uplink_on(&self, device: u32) -> Option<u32> {
        let slot = self.uplinks.iter().position(|uplink| uplink.index == device && device != 0)?;
        u32::try_from(slot).ok()
    }
}

fn told(uplink: &patronus_datapath::desired::Uplink, address: Ipv4Addr, mtu: u32) -> Uplink {
    Uplink { name: uplink.name.clone(), port: uplink.port.clone(), address, mtu }
}

fn prefix(net: Ipv4Net) -> abi::Lan {
    abi::Lan { network: net.network().into(), mask: net.netmask().into(), address: net.addr().into(), zero: 0 }
}
