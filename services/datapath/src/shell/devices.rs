//! What the kernel says of devices and ways.

use std::net::Ipv4Addr;

use futures_util::TryStreamExt;
use netlink_packet_route::{
    link::{LinkAttribute, LinkMessage},
    route::{RouteAttribute, RouteType},
};
use patronus_datapath::limit::TUNNEL_DEVICES;
use rtnetlink::{Error, Handle, RouteMessageBuilder};
use rustix::io::Errno;

use super::{Fatal, hooks::Device};

/// A device as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) index: u32,
    /// The largest packet, in bytes.
    pub(crate) mtu: u32,
    /// Whether it is a card of its own, on PCI: not virtio, nor what exists in the kernel alone.
    pub(crate) is_card: bool,
}

/// What there is to know of it; `None` if there is no such device.
///
/// # Errors
/// If the kernel does not answer, or with something else: then nothing is known of the device.
pub(crate) async fn look(handle: &Handle, name: &str) -> Result<Option<Seen>, Fatal> {
    let link = match handle.link().get().match_name(name.to_owned()).execute().try_next().await {
        Ok(link) => link,
        Err(Error::NetlinkError(said)) if said.raw_code() == -Errno::NODEV.raw_os_error() => None,
        Err(error) => return Err(Fatal::Device(name.to_owned(), error)),
    };
    Ok(link.and_then(|link| {
        let mtu = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(bytes) => Some(*bytes),
            _ => None,
        });
        let is_card = link.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::ParentDevBusName(bus) => bus == "pci",
            _ => false,
        });
        Some(Seen { index: link.header.index, mtu: mtu?, is_card })
    }))
}

/// All devices of tunnels.
///
/// # Errors
/// If the kernel does not tell all of them: then nothing is known of any.
pub(crate) async fn tunnels(handle: &Handle) -> Result<Vec<Device>, Fatal> {
    let mut links = handle.link().get().execute();
    let mut found = Vec::new();
    let failed = |error| Fatal::Device(TUNNEL_DEVICES.to_owned(), error);
    while let Some(link) = links.try_next().await.map_err(failed)? {
        if let Some(name) = name(&link).filter(|name| name.starts_with(TUNNEL_DEVICES)) {
            found.push((link.header.index, name.to_owned()));
        }
    }
    Ok(found)
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Where the kernel's routing leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Out by the device with this number.
    By(u32),
    /// To this very machine.
    Own,
    /// To another site, if there was a path.
    Closed,
    /// Nowhere.
    None,
}

/// Where it would send a packet for this address.
pub(crate) async fn way(handle: &Handle, destination: Ipv4Addr) -> Way {
    let asked = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(destination, 32).build();
    let route = match handle.route().get(asked).execute().try_next().await {
        Ok(Some(route)) => route,
        Err(Error::NetlinkError(said)) if said.raw_code() == -Errno::HOSTUNREACH.raw_os_error() => {
            return Way::Closed;
        }
        _ => return Way::None,
    };
    if route.header.kind == RouteType::Local {
        return Way::Own;
    }
    let device = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    device.map_or(Way::None, Way::By)
}
