//! The devices and routes of the tunnels in the kernel.
//!
//! *Does*: bring devices up with their MTU, route granted prefixes to them, remove devices and routes of earlier wishes.
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
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol},
};
use patronus_types::IpNet;
use rtnetlink::{Error, Handle, LinkUnspec, RouteMessageBuilder};

/// The beginning of the names of all tunnel devices.
const PREFIX: &str = "mesh";
/// Marks our routes; not in `/etc/iproute2/rt_protos`, and not `link`'s.
const PROTOCOL: u8 = 187;
/// Behind the routes of LAN and uplinks.
const METRIC: u32 = 1024;

/// The index of `lo`, in every network namespace.
const LOOPBACK: u32 = 1;

/// Routes with their devices and the box's own address on packets that it sends itself.
pub(crate) type Routes = BTreeMap<IpNet, (String, Option<IpAddr>)>;

/// The kernel's network.
#[derive(Debug)]
pub(crate) struct Devices {
    handle: Handle,
    routes: Routes,
    /// The box's own address inside tunnels.
    address: Option<Ipv6Addr>,
}

impl Devices {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, routes: Routes::new(), address: None }
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

    /// Makes the routes those that are wanted.
    pub(crate) async fn route(&mut self, wanted: Routes) -> Result<(), Error> {
        if wanted == self.routes {
            return Ok(());
        }
        let devices = self.own_devices().await?;
        for (prefix, (device, source)) in &wanted {
            let Some(index) = devices.get(device) else { continue };
            let request = self.handle.route().add(message(*prefix, *index, *source)).replace();
            request.execute().await?;
        }
        for message in self.own_routes().await? {
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

    async fn own_routes(&self) -> Result<Vec<RouteMessage>, Error> {
        let mut own = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut all = RouteMessage::default();
            all.header.address_family = family;
            let mut routes = self.handle.route().get(all).execute();
            while let Some(route) = routes.try_next().await? {
                if route.header.protocol == RouteProtocol::Other(PROTOCOL) {
                    own.push(route);
                }
            }
        }
        Ok(own)
    }
}

fn message(prefix: IpNet, device: u32, source: Option<IpAddr>) -> RouteMessage {
    let mut message = match prefix {
        IpNet::V4(net) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(net.network(), net.prefix_len()).build()
        }
        IpNet::V6(net) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(net.network(), net.prefix_len()).build()
        }
    };
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.attributes.push(RouteAttribute::Oif(device));
    message.attributes.push(RouteAttribute::Priority(METRIC));
    message.attributes.extend(source.map(|address| RouteAttribute::PrefSource(address.into())));
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
