//! What the packet filter lets through.
//!
//! *Does*: the LAN reaches the box and, through tunnels, other sites' LANs; from WAN come tunnels, discovery, the calls of sites to a seed,
//! and answers. Between the LAN and WAN passes what the datapath has translated.
//! *Never does*: answer a stranger: what is not accepted is dropped, and of what the kernel itself would say to him (a reset, an ICMP error)
//! nothing leaves, also where a port is open and its service is away; let anything out by WAN that has not that very port's address as its
//! source, whatever the datapath does.
//! *Spec*: RFC 4861 sections 6.1 and 7.1 (hop limit 255); RFC 4890 section 4.4; RFC 1122 section 3.3.4.2 (strong host); RFC 3704.

use std::ops::RangeInclusive;

use netlink_packet_netfilter::nftables::MetaKey;
use patronus_ebpf_abi::MARK;
use patronus_link::{
    datagram::CLIENT_PORT,
    network::{LAN_DEVICE, TUNNEL_DEVICES},
};
use patronus_types::ports::{DISCOVERY_PORT, INNER_PORTS, SEED_PORT, WIREGUARD_PORTS};

use super::expression::{
    ACCEPT, DROP, Devices, NETWORK_HEADER, Rule, TRANSPORT_HEADER, came_by, destination_is, established_or_related,
    leaves_by, meta_is, payload_has, payload_in, payload_is, source_is, source_there_is, untracked, verdict,
};

const LO: Devices = Devices::One("lo");
const LAN: Devices = Devices::One(LAN_DEVICE);
const TUNNELS: Devices = Devices::Beginning(TUNNEL_DEVICES);
/// `NFPROTO_IPV6`.
const IPV6: u8 = 10;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// RFC 792, RFC 4443 section 4.1.
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
/// RFC 4861 section 4: router advertisement, neighbour solicitation, neighbour advertisement.
const NEIGHBOUR_DISCOVERY: [u8; 2] = [134, 136];
/// RFC 792: destination unreachable; time exceeded and parameter problem.
const UNREACHABLE: u8 = 3;
const OTHER_ERRORS: [u8; 2] = [11, 12];
/// RFC 4443 section 2.1.
const ERRORS_V6: [u8; 2] = [0, 127];
/// Offset of the flags in a TCP header, and the reset among them (RFC 9293 section 3.1).
const TCP_FLAGS: u32 = 13;
const RST: u8 = 4;
/// `RTN_LOCAL` and `RTN_MULTICAST` of `linux/rtnetlink.h`.
const LOCAL: u32 = 2;
const MULTICAST: u32 = 5;
/// `PACKET_HOST` of `linux/if_packet.h`: it came by a wire, for this very machine.
const HOST: u8 = 0;

/// What comes from WAN is for the address of that very port, or for a group, or for nobody: it is neither forwarded nor for the LAN's address,
/// unless the datapath has made it so. It has flows of its own; the kernel notes none of these.
pub(super) fn prerouting() -> Vec<Rule> {
    // The datapath's packets from the LAN have an address of ours as their source, which the bridge lets in for them alone.
    let posing = [came_by(LAN), meta_is(MetaKey::PacketType, &[HOST]), source_is(LOCAL), verdict(DROP)].concat();
    let mut rules = vec![[translated(), untracked(), verdict(ACCEPT)].concat(), posing];
    rules.extend([LO, LAN, TUNNELS].map(|devices| [came_by(devices), verdict(ACCEPT)].concat()));
    rules.extend([LOCAL, MULTICAST].map(|kind| [destination_is(kind), verdict(ACCEPT)].concat()));
    rules.push(verdict(DROP));
    rules
}

pub(super) fn input() -> Vec<Rule> {
    // A hop limit of 255 shows that the sender is on this very link.
    let on_link = payload_is(NETWORK_HEADER, 7, &[255]);
    let [first, last] = NEIGHBOUR_DISCOVERY;
    let neighbours = [is_v6(ICMPV6), on_link, payload_in(TRANSPORT_HEADER, 0, &[first], &[last])].concat();
    vec![
        [came_by(LO), verdict(ACCEPT)].concat(),
        // A computer on the LAN is no site.
        [came_by(LAN), is(UDP), to_ports(INNER_PORTS), verdict(DROP)].concat(),
        [came_by(LAN), verdict(ACCEPT)].concat(),
        [came_by(TUNNELS), is(UDP), to_ports(INNER_PORTS), verdict(ACCEPT)].concat(),
        // Another site may see whether this box is there; its page is for the LAN.
        [came_by(TUNNELS), icmp(ECHO_REQUEST), verdict(ACCEPT)].concat(),
        [came_by(TUNNELS), icmp_v6(ECHO_REQUEST_V6), verdict(ACCEPT)].concat(),
        [came_by(TUNNELS), established_or_related(), verdict(ACCEPT)].concat(),
        [came_by(TUNNELS), verdict(DROP)].concat(),
        // The DHCP client reads below this filter. Without this rule the kernel would answer a server's reply with "port
        // unreachable", because no UDP socket is open.
        [is(UDP), to_port(CLIENT_PORT), verdict(DROP)].concat(),
        [is(UDP), to_ports(WIREGUARD_PORTS), verdict(ACCEPT)].concat(),
        [is(UDP), to_port(DISCOVERY_PORT), verdict(ACCEPT)].concat(),
        [is(TCP), to_port(SEED_PORT), verdict(ACCEPT)].concat(),
        [established_or_related(), verdict(ACCEPT)].concat(),
        [neighbours, verdict(ACCEPT)].concat(),
    ]
}

/// Between this LAN and those of other sites; between this LAN and WAN what the datapath has translated, and that towards WAN only with the
/// address of the port by which it leaves, which of IPv6 is one that the world knows (RFC 4291 section 2.4). Which addresses a site may send from, `tunnel` checks.
pub(super) fn forward() -> Vec<Rule> {
    vec![
        [translated(), leaves_by(LAN), verdict(ACCEPT)].concat(),
        [translated(), came_by(LAN), source_there_is(LOCAL), verdict(ACCEPT)].concat(),
        [translated(), came_by(LAN), global_v6(), verdict(ACCEPT)].concat(),
        // With this site's own address as its source it would be taken for this site.
        [is(UDP), to_ports(INNER_PORTS), verdict(DROP)].concat(),
        [came_by(LAN), leaves_by(TUNNELS), verdict(ACCEPT)].concat(),
        [came_by(TUNNELS), leaves_by(LAN), verdict(ACCEPT)].concat(),
    ]
}

/// Open ports without a service behind them say nothing either.
pub(super) fn output() -> Vec<Rule> {
    let mut rules: Vec<Rule> = [LO, LAN, TUNNELS].map(|devices| [leaves_by(devices), verdict(ACCEPT)].concat()).into();
    let [first, last] = OTHER_ERRORS;
    let [first_v6, last_v6] = ERRORS_V6;
    rules.extend([
        [is(TCP), payload_has(TRANSPORT_HEADER, TCP_FLAGS, RST), verdict(DROP)].concat(),
        [icmp(UNREACHABLE), verdict(DROP)].concat(),
        [is(ICMP), payload_in(TRANSPORT_HEADER, 0, &[first], &[last]), verdict(DROP)].concat(),
        [is_v6(ICMPV6), payload_in(TRANSPORT_HEADER, 0, &[first_v6], &[last_v6]), verdict(DROP)].concat(),
    ]);
    rules
}

/// The mark is a number in host order, and nothing that comes by a wire has one.
fn translated() -> Rule {
    meta_is(MetaKey::Mark, &MARK.to_ne_bytes())
}

fn is(protocol: u8) -> Rule {
    meta_is(MetaKey::L4Proto, &[protocol])
}

fn is_v6(protocol: u8) -> Rule {
    [meta_is(MetaKey::Nfproto, &[IPV6]), is(protocol)].concat()
}

/// From 2000::/3.
fn global_v6() -> Rule {
    [meta_is(MetaKey::Nfproto, &[IPV6]), payload_in(NETWORK_HEADER, 8, &[0x20], &[0x3f])].concat()
}

fn icmp(kind: u8) -> Rule {
    [is(ICMP), payload_is(TRANSPORT_HEADER, 0, &[kind])].concat()
}

fn icmp_v6(kind: u8) -> Rule {
    [is_v6(ICMPV6), payload_is(TRANSPORT_HEADER, 0, &[kind])].concat()
}

fn to_port(port: u16) -> Rule {
    payload_is(TRANSPORT_HEADER, 2, &port.to_be_bytes())
}

fn to_ports(ports: RangeInclusive<u16>) -> Rule {
    payload_in(TRANSPORT_HEADER, 2, &ports.start().to_be_bytes(), &ports.end().to_be_bytes())
}
