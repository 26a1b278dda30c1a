//! Turns each planned change into one request to the kernel.
//!
//! *Does*: exactly one request for one change; afterwards, one question for each device, which makes the kernel catch up.
//! *Never does*: retry: the next look at the kernel plans what is still missing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::LinkAttribute,
    route::{RouteMessage, RouteProtocol, RouteScope},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use patronus_link::{
    Change,
    network::{Address, LAN_DEVICE, PROTOCOL, Route, Rule, lan_device},
};
use patronus_types::PortName;
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};

use super::{kernel::Picture, sysfs};

/// Why one change did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The device went away between looking and acting.
    #[error("no such device")]
    Gone,
    /// The kernel refused.
    #[error(transparent)]
    Netlink(#[from] rtnetlink::Error),
    /// The kernel refused a setting.
    #[error(transparent)]
    Setting(#[from] io::Error),
}

/// Does one change.
pub(crate) async fn apply(handle: &Handle, picture: &Picture, change: &Change) -> Result<(), ApplyError> {
    let index = |name: &PortName| picture.indexes.get(name).copied().ok_or(ApplyError::Gone);
    let set = |link: LinkMessageBuilder<LinkUnspec>| handle.link().set(link.build()).execute();
    match change {
        Change::AddBridge(mac) => {
            let bridge = LinkBridge::new(LAN_DEVICE).down().address(mac.0.to_vec());
            handle.link().add(bridge.build()).execute().await?;
        }
        Change::SetBridgeMac(mac) => {
            let address = LinkAttribute::Address(mac.0.to_vec());
            set(LinkUnspec::new_with_index(index(&lan_device())?).append_extra_attribute(address)).await?;
        }
        Change::LeaveLan(name) => set(LinkUnspec::new_with_index(index(name)?).nocontroller()).await?,
        Change::JoinLan(name) => {
            set(LinkUnspec::new_with_index(index(name)?).controller(index(&lan_device())?)).await?;
        }
        Change::SetDown(name) => set(LinkUnspec::new_with_index(index(name)?).down()).await?,
        Change::SetUp(name) => {
            // Not when it is made: who ended in between would find it made, and never say so again.
            if *name == lan_device() {
                sysfs::take_translated(LAN_DEVICE)?;
            }
            set(LinkUnspec::new_with_index(index(name)?).up()).await?;
        }
        Change::SetMtu(name, mtu) => set(LinkUnspec::new_with_index(index(name)?).mtu(*mtu)).await?,
        Change::SetIpv6(name, mode) => sysfs::set_ipv6_mode(name.as_str(), *mode)?,
        Change::AddAddress(address) => {
            let net = address.net;
            handle.address().add(index(&address.device)?, net.addr(), net.prefix_len()).execute().await?;
        }
        Change::RemoveAddress(address) => {
            let message = address_message(address, index(&address.device)?);
            handle.address().del(message).execute().await?;
        }
        Change::AddRoute(route) => handle.route().add(route_message(route, index(&route.device)?)).execute().await?,
        Change::RemoveRoute(route) => handle.route().del(route_message(route, index(&route.device)?)).execute().await?,
        Change::AddRule(rule) => {
            let mut request = handle.rule().add();
            *request.message_mut() = rule_message(rule);
            request.execute().await?;
        }
        Change::RemoveRule(rule) => handle.rule().del(rule_message(rule)).execute().await?,
    }
    Ok(())
}

/// Makes the kernel act on new carriers now. It handles them once a second (`net/core/link_watch.c`), so of two ports that come up one after
/// the other the second would wait for most of a second until the bridge forwards through it; but a question about a single device brings that
/// device up to date first (`rtnl_getlink` in `net/core/rtnetlink.c`). Ports first: the bridge's carrier follows from theirs.
pub(crate) async fn settle(handle: &Handle, picture: &Picture) {
    let (bridge, ports): (Vec<_>, Vec<_>) = picture.indexes.iter().partition(|(name, _)| **name == lan_device());
    for (_, index) in ports.into_iter().chain(bridge) {
        // What the answer says is read with the next picture; a device that has gone meanwhile is missing there.
        let _ = handle.link().get().match_index(*index).execute().try_next().await;
    }
}

fn address_message(address: &Address, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.net.addr());
    message.header.prefix_len = address.net.prefix_len();
    message.header.index = index;
    message.header.flags = AddressHeaderFlags::empty();
    message.attributes.push(AddressAttribute::Local(address.net.addr()));
    message
}

fn route_message(route: &Route, index: u32) -> RouteMessage {
    let scope = if route.gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
    let (address, length) = (route.prefix.addr(), route.prefix.prefix_len());
    let mut message = match (address, route.gateway) {
        (IpAddr::V4(address), Some(IpAddr::V4(gateway))) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(address, length).gateway(gateway).build()
        }
        (IpAddr::V4(address), _) => RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(address, length).build(),
        (IpAddr::V6(address), Some(IpAddr::V6(gateway))) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(address, length).gateway(gateway).build()
        }
        (IpAddr::V6(address), _) => RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(address, length).build(),
    };
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.header.scope = scope;
    if route.onlink {
        message.header.flags.insert(netlink_packet_route::route::RouteFlags::Onlink);
    }
    let attributes = &mut message.attributes;
    attributes.push(netlink_packet_route::route::RouteAttribute::Oif(index));
    attributes.push(netlink_packet_route::route::RouteAttribute::Priority(route.metric));
    attributes.push(netlink_packet_route::route::RouteAttribute::Table(route.table));
    message.header.table = u8::try_from(route.table).unwrap_or(0);
    message
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.source);
    message.header.action = RuleAction::ToTable;
    message.header.src_len = if rule.source.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RuleAttribute::Source(rule.source));
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    message.attributes.push(RuleAttribute::Table(rule.table));
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
