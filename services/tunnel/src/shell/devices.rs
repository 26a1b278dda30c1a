//! The devices and routes of the tunnels in the kernel.
//!
//! *Does*: bring devices up with their MTU, route granted prefixes to them and close those that no path leads to, remove devices and routes of
//! earlier wishes.
//! *Never does*: touch a device or a route that is not the tunnel's own: devices by name, routes by protocol number.
//! *Spec*: rtnetlink(7).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    link::LinkAttribute,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType},
};
use patronus_types::{IpNet, Ipv6Net};
use rtnetlink::{Error, Handle, LinkUnspec, RouteMessageBuilder};

/// The beginning of the names of all tunnel devices.
const PREFIX: &str = "mesh";
/// Marks our routes. No routing daemon has this number (`linux/rtnetlink.h`), and `link` has the one before.
const PROTOCOL: u8 = 81;
/// Behind the routes of LAN and uplinks.
const METRIC: u32 = 1024;

/// Behind these: the way to every site over each device, the oldest device first.
const REACH_METRIC: u32 = 4096;

/// Behind all others: what is another site's never leaves by an uplink, also while no path leads there.
const CLOSED_METRIC: u32 = 0x1_0000;

/// The index of `lo`, in every network namespace.
const LOOPBACK: u32 = 1;

/// Routes with their devices and the box's own address on packets that it sends itself.
pub(crate) type Routes = BTreeMap<IpNet, (String, Option<IpAddr>)>;

/// The kernel's network.
#[derive(Debug)]
pub(crate) struct Devices {
    handle: Handle,
    routes: Routes,
    /// Prefixes that are unreachable but for their routes. Nothing is known of what an earlier run has left.
    closed: Option<BTreeSet<IpNet>>,
    /// The box's own address inside tunnels.
    address: Option<Ipv6Addr>,
    /// The network that devices lead to, and these.
    reached: (Option<Ipv6Net>, BTreeSet<u32>),
}

impl Devices {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, routes: Routes::new(), closed: None, address: None, reached: Default::default() }
    }

    /// Removes what an earlier run left and nobody wants any more, and all its routes: the next ones are set anew.
    pub(crate) async fn tidy(&mut self, wanted: &BTreeSet<String>) -> Result<(), Error> {
        for (name, index) in self.own_devices().await? {
            if !wanted.contains(&name) {
                self.handle.link().del(index).execute().await?;
            }
        }
        Ok(())
    }

    /// Brings a device up.
    pub(crate) async fn bring_up(&self, name: &str, mtu: u32) -> Result<(), Error> {
        // No addresses of its own: neighbours to solicit there are none.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/addr_gen_mode"), "1");
        let Some(index) = self.own_devices().await?.get(name).copied() else { return Ok(()) };
        let link = LinkUnspec::new_with_index(index).mtu(mtu).up();
        self.handle.link().set(link.build()).execute().await
    }

    /// Gives the box this address inside tunnels. It is the loopback device's, so it does not depend on any tunnel.
    pub(crate) async fn hold(&mut self, address: Option<Ipv6Addr>) -> Result<(), Error> {
        let Some(address) = address.filter(|wanted| self.address != Some(*wanted)) else { return Ok(()) };
        let request = self.handle.address().add(LOOPBACK, address.into(), 128);
        request.replace().execute().await?;
        self.address = Some(address);
        Ok(())
    }

    /// Lets each device lead to every address of this network: for who binds a socket to one device, because he means that very path. All
    /// others find a better route, if there is one.
    pub(crate) async fn reach(&mut self, network: Option<Ipv6Net>) -> Result<(), Error> {
        let wanted = (network, self.own_devices().await?.into_values().collect());
        if wanted == self.reached {
            return Ok(());
        }
        for message in self.own_routes(is_reach).await? {
            if destination(&message) != network.map(IpNet::V6) {
                self.handle.route().del(message).execute().await?;
            }
        }
        for (network, device) in
            network.iter().flat_map(|network| wanted.1.iter().map(move |device| (*network, *device)))
        {
            let message = message(network.into(), device, self.address.map(IpAddr::V6), REACH_METRIC + device);
            self.handle.route().add(message).replace().execute().await?;
        }
        self.reached = wanted;
        Ok(())
    }

    /// Makes these prefixes unreachable, and no others, wherever no better route is.
    pub(crate) async fn close(&mut self, wanted: BTreeSet<IpNet>) -> Result<(), Error> {
        if self.closed.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let known = self.closed.clone().unwrap_or_default();
        for prefix in wanted.difference(&known) {
            self.handle.route().add(closed(*prefix)).replace().execute().await?;
        }
        for message in self.own_routes(is_closed).await? {
            if destination(&message).is_none_or(|prefix| !wanted.contains(&prefix)) {
                self.handle.route().del(message).execute().await?;
            }
        }
        self.closed = Some(wanted);
        Ok(())
    }

    /// Makes the routes those that are wanted.
    pub(crate) async fn route(&mut self, wanted: Routes) -> Result<(), Error> {
        if wanted == self.routes {
            return Ok(());
        }
        let devices = self.own_devices().await?;
        for (prefix, (device, source)) in &wanted {
            let Some(index) = devices.get(device) else { continue };
            let request = self.handle.route().add(message(*prefix, *index, *source, METRIC)).replace();
            request.execute().await?;
        }
        for message in self.own_routes(|message| !is_reach(message) && !is_closed(message)).await? {
            if destination(&message).is_none_or(|prefix| !wanted.contains_key(&prefix)) {
                self.handle.route().del(message).execute().await?;
            }
        }
        self.routes = wanted;
        Ok(())
    }

    async fn own_devices(&self) -> Result<BTreeMap<String, u32>, Error> {
        let mut links = self.handle.link().get().execute();
        let mut own = BTreeMap::new();
        while let Some(link) = links.try_next().await? {
            let name = link.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name.clone()),
                _ => None,
            });
            if let Some(name) = name.filter(|name| name.starts_with(PREFIX)) {
                own.insert(name, link.header.index);
            }
        }
        Ok(own)
    }

    async fn own_routes(&self, wanted: impl Fn(&RouteMessage) -> bool) -> Result<Vec<RouteMessage>, Error> {
        let mut own = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut all = RouteMessage::default();
            all.header.address_family = family;
            let mut routes = self.handle.route().get(all).execute();
            while let Some(route) = routes.try_next().await? {
                if route.header.protocol == RouteProtocol::Other(PROTOCOL) && wanted(&route) {
                    own.push(route);
                }
            }
        }
        Ok(own)
    }
}

fn is_reach(message: &RouteMessage) -> bool {
    let is_behind =
        |attribute: &RouteAttribute| matches!(attribute, RouteAttribute::Priority(metric) if *metric >= REACH_METRIC);
    !is_closed(message) && message.attributes.iter().any(is_behind)
}

fn is_closed(message: &RouteMessage) -> bool {
    message.header.kind == RouteType::Unreachable
}

fn message(prefix: IpNet, device: u32, source: Option<IpAddr>, metric: u32) -> RouteMessage {
    let mut message = to(prefix, metric);
    message.attributes.push(RouteAttribute::Oif(device));
    message.attributes.extend(source.map(|address| RouteAttribute::PrefSource(address.into())));
    message
}

fn closed(prefix: IpNet) -> RouteMessage {
    let mut message = to(prefix, CLOSED_METRIC);
    message.header.kind = RouteType::Unreachable;
    message
}

fn to(prefix: IpNet, metric: u32) -> RouteMessage {
    let mut message = match prefix {
        IpNet::V4(net) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(net.network(), net.prefix_len()).build()
        }
        IpNet::V6(net) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(net.network(), net.prefix_len()).build()
        }
    };
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.attributes.push(RouteAttribute::Priority(metric));
    message
}

fn destination(message: &RouteMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    });
    IpNet::new(address?, message.header.destination_prefix_length).ok()
}
