//! What uplinks do not let in: from the document to what the programs search.
//!
//! *Does*: number the lists, choose the devices' bits; answer for the programs what they would do with a packet.
//! *Never does*: decide: `ebpf/core` does.
//! *Spec*: `docs/datapath.md`, section "The guard".

use std::{cell::Cell, collections::BTreeMap, net::Ipv4Addr};

use patronus_ebpf_abi::{
    Lan, Reason,
    guard::{self as abi, ALLOWED, BOGONS_FOUR, BOGONS_SIX, BURST_NS, LISTED_FOUR, LISTED_SIX, LISTS, Opening, Source},
    six::Lan6,
};
use patronus_ebpf_core::{
    Frame,
    guard::{Watch, is_nobody, is_special, is_special_six, let_in},
};
use patronus_types::{Guard, IpNet, RuleName};

/// Prefixes of one family, as length and numbers, with the number of their list.
pub type Prefixes<A> = BTreeMap<(u32, A), u32>;

/// What the programs are to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Rates, and whether there are lists.
    pub told: abi::Guard,
    /// Prefixes of IPv4.
    pub four: Prefixes<u32>,
    /// Of IPv6.
    pub six: Prefixes<[u32; 4]>,
    /// Names of the lists from number 1 on, each with how many prefixes it has.
    pub lists: Vec<(RuleName, u32)>,
}

impl Desired {
    /// What a person has decided. Of a prefix in two lists the first has it; what is allowed is in none.
    #[must_use]
    pub fn of(guard: &Guard) -> Self {
        let mut desired = Self::default();
        for prefix in &guard.allow {
            desired.add(prefix, ALLOWED);
        }
        for (number, list) in (1..LISTS).zip(&guard.block) {
            for prefix in &list.prefixes {
                desired.add(prefix, number);
            }
            desired.lists.push((list.name.clone(), u32::try_from(list.prefixes.len()).unwrap_or(u32::MAX)));
        }
        let listed = if desired.four.is_empty() { 0 } else { LISTED_FOUR };
        let listed = listed | if desired.six.is_empty() { 0 } else { LISTED_SIX };
        let spacing_ns = [guard.syn_per_second, guard.handshakes_per_second].map(spacing_ns);
        desired.told = abi::Guard { listed, zero: 0, spacing_ns };
        desired
    }

    fn add(&mut self, prefix: &IpNet, list: u32) {
        match prefix.trunc() {
            IpNet::V4(net) => {
                self.four.entry((net.prefix_len().into(), net.addr().into())).or_insert(list);
            }
            IpNet::V6(net) => {
                self.six.entry((net.prefix_len().into(), words(net.addr().to_bits()))).or_insert(list);
            }
        }
    }

    /// What becomes of the first packet of such a flow on an uplink, and the list that says so.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn let_in(&self, packet: &Packet, bogons: u32, lan: Lan) -> Result<(), (Reason, Option<&RuleName>)> {
        let asked = Asked { desired: self, bogons, lan, list: Cell::new(ALLOWED) };
        let name = |list: u32| self.lists.get(usize::try_from(list).ok()?.checked_sub(1)?).map(|(name, _)| name);
        let_in(packet, &asked).map_err(|reason| (reason, name(asked.list.get())))
    }
}

fn spacing_ns(per_second: u32) -> u64 {
    BURST_NS.checked_div(per_second.into()).map_or(0, |spacing| spacing.max(1))
}

fn words(address: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (address >> shift) as u32)
}

/// Which sources are refused on an uplink with these addresses: where it has itself an address that nobody has on the Internet, so have others.
#[must_use]
pub fn bogons<'a>(addresses: impl Iterator<Item = &'a IpNet> + Clone) -> u32 {
    let four = addresses.clone().find_map(|net| match net {
        IpNet::V4(net) => Some(u32::from(net.addr())),
        IpNet::V6(_) => None,
    });
    let is_public = four.is_some_and(|address| !is_special(address) && !is_nobody(address));
    let mut global = addresses.filter_map(|net| match net {
        IpNet::V6(net) if !net.addr().is_unicast_link_local() => Some(words(net.addr().to_bits())),
        _ => None,
    });
    let is_public_six = global.any(|address| !is_special_six(address));
    (if is_public { BOGONS_FOUR } else { 0 }) | if is_public_six { BOGONS_SIX } else { 0 }
}

/// The first 40 bytes of a packet that nobody has sent.
#[derive(Clone, Debug)]
pub struct Packet([u8; 40]);

impl Packet {
    /// From here, of this protocol.
    #[must_use]
    pub fn new(source: Ipv4Addr, protocol: u8) -> Self {
        let mut bytes = [0; 40];
        let [a, b, c, d] = source.octets();
        (bytes[0], bytes[9], bytes[33]) = (0x45, protocol, 2);
        (bytes[12], bytes[13], bytes[14], bytes[15]) = (a, b, c, d);
        Self(bytes)
    }
}

impl Frame for Packet {
    fn byte(&self, at: u32) -> Option<u8> {
        self.bytes(at).map(u8::from_be_bytes)
    }

    fn half(&self, at: u32) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    fn word(&self, at: u32) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn head(&self) -> Option<[u32; 6]> {
        None
    }

    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
    }
}

/// The tables, for such a packet: it is the first of its source.
struct Asked<'a> {
    desired: &'a Desired,
    bogons: u32,
    lan: Lan,
    list: Cell<u32>,
}

impl Watch for Asked<'_> {
    fn now_ns(&self) -> u64 {
        0
    }

    fn told(&self) -> abi::Guard {
        self.desired.told
    }

    fn bogons(&self) -> u32 {
        self.bogons
    }

    fn lan(&self) -> Lan {
        self.lan
    }

    fn lan_six(&self) -> Lan6 {
        Lan6::default()
    }

    fn list_of(&self, address: u32) -> Option<u32> {
        let holds = |length: u32| {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            self.desired.four.get(&(length, address & mask)).copied()
        };
        (0..=32).rev().find_map(holds)
    }

    fn list_of_six(&self, _: [u32; 4]) -> Option<u32> {
        None
    }

    fn due_of(&self, _: &Source) -> Option<&Cell<u64>> {
        None
    }

    fn begin(&self, _: &Source, _: u64) {}

    fn due_of_all(&self, _: Opening) -> Option<&Cell<u64>> {
        None
    }

    fn count_list(&self, list: u32) {
        self.list.set(list);
    }
}

#[cfg(test)]
mod tests {
    use patronus_types::BlockList;

    use super::*;

    fn guard(allow: &[&str], block: &[(&str, &[&str])]) -> Guard {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let list =
            |(name, prefixes): &(&str, &[&str])| BlockList { name: name.parse().unwrap(), prefixes: nets(prefixes) };
        Guard { allow: nets(allow), block: block.iter().map(list).collect(), ..Guard::default() }
    }

    fn said(desired: &Desired, source: &str, bogons: u32) -> String {
        let packet = Packet::new(source.parse().unwrap(), 6);
        let lan = Lan { network: 0xc0a8_2a00, mask: 0xffff_ff00, address: 0xc0a8_2a01, zero: 0 };
        match desired.let_in(&packet, bogons, lan) {
            Ok(()) => "in".to_owned(),
            Err((reason, list)) => {
                format!("{}{}", reason.name(), list.map(|name| format!(" {name}")).unwrap_or_default())
            }
        }
    }

    #[test]
    fn of_all_prefixes_that_hold_an_address_the_longest_decides_and_of_equals_the_first() {
        let desired = Desired::of(&guard(
            &["198.51.100.7/32"],
            &[
                ("wide", &["198.51.0.0/16", "9.9.9.0/24"]),
                ("narrow", &["198.51.100.0/24", "9.9.9.9/24", "2001:db8::/32"]),
            ],
        ));
        for (source, expected) in [
            ("198.51.1.1", "blocked wide"),
            ("198.51.100.1", "blocked narrow"),
            ("198.51.100.7", "in"),
            ("9.9.9.9", "blocked wide"),
            ("9.9.8.9", "in"),
        ] {
            assert_eq!(said(&desired, source, 0), expected, "{source}");
        }
        assert_eq!(desired.told.listed, LISTED_FOUR | LISTED_SIX);
        assert_eq!(Desired::of(&Guard::default()).told.listed, 0);
    }

    #[test]
    fn sources_that_cannot_be_and_those_that_nobody_has_are_told_apart() {
        let desired = Desired::of(&Guard::default());
        for source in ["0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.168.42.9"] {
            assert_eq!(said(&desired, source, 0), "martian", "{source}");
        }
        for source in
            ["10.1.2.3", "100.64.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "198.19.0.1", "203.0.113.1"]
        {
            assert_eq!(said(&desired, source, BOGONS_FOUR), "bogon", "{source}");
            assert_eq!(said(&desired, source, BOGONS_SIX), "in", "{source}");
        }
        for source in [
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "1.1.1.1",
        ] {
            assert_eq!(said(&desired, source, BOGONS_FOUR | BOGONS_SIX), "in", "{source}");
        }
    }

    #[test]
    fn an_uplink_among_private_addresses_takes_private_sources() {
        let of = |addresses: &[&str]| {
            let nets: Vec<IpNet> = addresses.iter().map(|net| net.parse().unwrap()).collect();
            bogons(nets.iter())
        };
        assert_eq!(of(&["10.0.2.15/24", "fe80::1/64"]), 0);
        assert_eq!(of(&["100.64.3.4/10", "2a00:1450::7/64"]), BOGONS_SIX);
        assert_eq!(of(&["2001:db8::1/64", "fd00::1/64", "9.8.7.6/24"]), BOGONS_FOUR);
        assert_eq!(of(&[]), 0);
    }

    #[test]
    fn rates_become_distances() {
        assert_eq!([0, 1, 200, 1_000_000, u32::MAX].map(spacing_ns), [0, 1_000_000_000, 5_000_000, 1000, 1]);
    }
}
