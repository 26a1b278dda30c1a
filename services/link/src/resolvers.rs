//! Resolvers that router advertisements name.
//!
//! *Does*: keep the first few of each port for as long as they were promised; what the kernel hands on comes in as bytes.
//! *Never does*: let newcomers displace anybody, or keep an address that cannot be a resolver: anybody on the WAN cable can claim to be a router.
//! *Spec*: RFC 8106 sections 5.1 and 5.3.1; RFC 4861 section 4.6; `struct nduseroptmsg` of `linux/rtnetlink.h`.

use std::{collections::BTreeMap, net::Ipv6Addr};

use crate::limit;

/// `RTM_NEWNDUSEROPT`.
const USER_OPTION: u16 = 68;
/// Of `struct nlmsghdr`, and of `struct nduseroptmsg`, which follows it.
const HEADER_BYTES: usize = 16;
/// `ND_ROUTER_ADVERT`: RFC 4861 section 4.2.
const ROUTER_ADVERTISEMENT: u8 = 134;
/// RFC 8106 section 5.1.
const RDNSS: u8 = 25;
/// The option's length counts units of so many bytes.
const UNIT_BYTES: usize = 8;

/// By the kernel's number of the port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolvers {
    by_port: BTreeMap<u32, Vec<Entry>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    address: Ipv6Addr,
    expires_ms: u64,
}

/// One option as it was advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advertised {
    index: u32,
    lifetime_s: u32,
    addresses: Vec<Ipv6Addr>,
}

impl Resolvers {
    /// A notification of the kernel, one message or several; those about something else are passed over. Whether the resolvers of any port
    /// have changed.
    pub fn handle_notification(&mut self, mut bytes: &[u8], now_ms: u64) -> bool {
        let mut has_changed = false;
        while let Some((message, rest)) = next_message(bytes) {
            if let Some(advertised) = parse(message) {
                has_changed |= self.advertise(&advertised, now_ms);
            }
            bytes = rest;
        }
        has_changed
    }

    /// Forgets what was promised only until now. Whether there was any.
    pub fn handle_timeout(&mut self, now_ms: u64) -> bool {
        let count = |by_port: &BTreeMap<u32, Vec<Entry>>| by_port.values().map(Vec::len).sum::<usize>();
        let before = count(&self.by_port);
        self.by_port.values_mut().for_each(|entries| entries.retain(|entry| entry.expires_ms > now_ms));
        self.by_port.retain(|_, entries| !entries.is_empty());
        count(&self.by_port) < before
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.by_port.values().flatten().map(|entry| entry.expires_ms).min()
    }

    /// Forgets ports that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.by_port.retain(|index, _| is_there(*index));
    }

    /// The resolvers of a port in order of arrival, at most [`limit::ADVERTISED_DNS`].
    pub fn of(&self, index: u32) -> impl Iterator<Item = Ipv6Addr> {
        self.by_port.get(&index).into_iter().flatten().map(|entry| entry.address)
    }

    fn advertise(&mut self, advertised: &Advertised, now_ms: u64) -> bool {
        let entries = self.by_port.entry(advertised.index).or_default();
        let before: Vec<Ipv6Addr> = entries.iter().map(|entry| entry.address).collect();
        let expires_ms = now_ms.saturating_add(u64::from(advertised.lifetime_s).saturating_mul(1000));
        for address in &advertised.addresses {
            let known = entries.iter_mut().find(|entry| entry.address == *address);
            if let Some(known) = known {
                known.expires_ms = expires_ms;
            } else if entries.len() < limit::ADVERTISED_DNS {
                entries.push(Entry { address: *address, expires_ms });
            }
        }
        // Lifetime 0: not to be used any more.
        entries.retain(|entry| entry.expires_ms > now_ms);
        let has_changed = !before.into_iter().eq(entries.iter().map(|entry| entry.address));
        if entries.is_empty() {
            self.by_port.remove(&advertised.index);
        }
        has_changed
    }
}

/// The first netlink message, and what is behind it.
fn next_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok().filter(|length| *length >= HEADER_BYTES)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((bytes.get(..length)?, rest))
}

/// One message, if it is an RDNSS option of a router advertisement.
fn parse(message: &[u8]) -> Option<Advertised> {
    if u16::from_ne_bytes(array(message, 4)?) != USER_OPTION {
        return None;
    }
    let body = message.get(HEADER_BYTES..)?;
    // family, options_length at 2, index at 4, ICMP type at 8.
    if *body.get(8)? != ROUTER_ADVERTISEMENT {
        return None;
    }
    let index = u32::from_ne_bytes(array(body, 4)?);
    let option = body.get(HEADER_BYTES..)?;
    let length = usize::from(*option.get(1)?).checked_mul(UNIT_BYTES)?;
    let option = option.get(..length).filter(|option| option.first() == Some(&RDNSS))?;
    let lifetime_s = u32::from_be_bytes(array(option, 4)?);
    let addresses = option.get(UNIT_BYTES..)?.chunks_exact(16);
    let addresses = addresses.filter_map(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(Ipv6Addr::from);
    Some(Advertised { index, lifetime_s, addresses: addresses.filter(can_be_asked).collect() })
}

/// A link-local address would need its port beside it wherever it is used.
fn can_be_asked(address: &Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests;
