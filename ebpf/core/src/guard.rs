//! What an uplink does not let in, whoever it is for: decided before anything else looks at a packet.
//!
//! *Does*: refuse sources that cannot be, that are nobody's, or that a person has listed; and more openings of one source than it may make.
//! *Never does*: know a flow. What passes is let in to be judged; packets without an opening are never counted.
//! *Spec*: RFC 1122 section 3.2.1.3, RFC 6890 (addresses with a special meaning), RFC 2827; `docs/datapath.md`, section "The guard".

use core::cell::Cell;

use patronus_ebpf_abi::{
    Lan, Reason,
    guard::{ALLOWED, BOGONS_FOUR, BOGONS_SIX, BURST_NS, Guard, LISTED_FOUR, LISTED_SIX, Opening, Source},
    six::Lan6,
};

use crate::packet::{ACK, Frame, ICMP, SYN, TCP, UDP};

/// Ports of `tunnel`, one for each slot here.
const TUNNELS: core::ops::RangeInclusive<u16> = 51_830..=51_845;
/// The first number of a handshake initiation, as it lies in the packet (WireGuard, section 5.4.2).
const INITIATION: u32 = 0x0100_0000;
const ICMPV6: u32 = 58;
/// DHCP, from server to client: providers' servers have private addresses.
const DHCP: u32 = 67 << 16 | 68;

/// What it looks into.
pub trait Watch {
    /// Nanoseconds of the monotonic clock.
    fn now_ns(&self) -> u64;
    /// What a person has decided.
    fn told(&self) -> Guard;
    /// [`BOGONS_FOUR`] and [`BOGONS_SIX`] of the uplink by which the packet came.
    fn bogons(&self) -> u32;
    /// The LAN.
    fn lan(&self) -> Lan;
    /// The same for IPv6.
    fn lan_six(&self) -> Lan6;
    /// The list with the longest prefix that holds this address.
    fn list_of(&self, address: u32) -> Option<u32>;
    /// The same for IPv6, with the address as four numbers.
    fn list_of_six(&self, address: [u32; 4]) -> Option<u32>;
    /// When this source may open the next, if it has opened one.
    fn due_of(&self, source: &Source) -> Option<&Cell<u64>>;
    /// It has opened its first.
    fn begin(&self, source: &Source, due_ns: u64);
    /// The same for all sources together.
    fn due_of_all(&self, opening: Opening) -> Option<&Cell<u64>>;
    /// A packet from this list was dropped.
    fn count_list(&self, list: u32);
}

/// Whether a packet of IPv4 is let in, and if not, why.
#[inline(always)]
pub fn let_in(frame: &impl Frame, watch: &impl Watch) -> Result<(), Reason> {
    // What is too short is the kernel's.
    let Some(source) = frame.word(12) else { return Ok(()) };
    let Some(protocol) = frame.byte(9) else { return Ok(()) };
    let (told, lan) = (watch.told(), watch.lan());
    if is_nobody(source) || (lan.mask != 0 && source & lan.mask == lan.network) {
        return Err(Reason::Martian);
    }
    let list = if told.listed & LISTED_FOUR == 0 { None } else { watch.list_of(source) };
    if let Some(list) = list {
        return listed(list, watch);
    }
    let protocol = u32::from(protocol);
    if is_special(source) && watch.bogons() & BOGONS_FOUR != 0 && !may_be_private(frame, protocol) {
        return Err(Reason::Bogon);
    }
    let Some(opening) = opening(frame, protocol) else { return Ok(()) };
    within(opening, Source { address: source.into(), opening: opening as u32, family: 4 }, &told, watch)
}

/// The same of IPv6.
#[inline(always)]
pub fn let_in_six(frame: &impl Frame, watch: &impl Watch) -> Result<(), Reason> {
    let Some(a) = frame.word(8) else { return Ok(()) };
    let Some(b) = frame.word(12) else { return Ok(()) };
    let Some(c) = frame.word(16) else { return Ok(()) };
    let Some(d) = frame.word(20) else { return Ok(()) };
    let Some(next) = frame.byte(6) else { return Ok(()) };
    let (source, next) = ([a, b, c, d], u32::from(next));
    let (told, lan) = (watch.told(), watch.lan_six());
    let [high, low] = [u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d)];
    let is_lans = lan.mask_high != 0 && high & lan.mask_high == lan.high && low & lan.mask_low == lan.low;
    if is_nobody_six(source, next) || is_lans {
        return Err(Reason::Martian);
    }
    let list = if told.listed & LISTED_SIX == 0 { None } else { watch.list_of_six(source) };
    if let Some(list) = list {
        return listed(list, watch);
    }
    if is_special_six(source) && watch.bogons() & BOGONS_SIX != 0 && !is_error_six(frame, next) {
        return Err(Reason::Bogon);
    }
    let Some(opening) = opening_six(frame, next) else { return Ok(()) };
    within(opening, Source { address: high, opening: opening as u32, family: 6 }, &told, watch)
}

#[inline(always)]
fn listed(list: u32, watch: &impl Watch) -> Result<(), Reason> {
    if list == ALLOWED {
        return Ok(());
    }
    watch.count_list(list);
    Err(Reason::Blocked)
}

/// Whether no machine can have sent this: "this network", loopback, groups, and what is reserved.
#[must_use]
#[inline(always)]
pub const fn is_nobody(source: u32) -> bool {
    let first = source >> 24;
    first == 0 || first == 127 || first >= 224
}

/// The same for IPv6. Who has no address yet asks for neighbours and groups without one.
#[inline(always)]
const fn is_nobody_six([a, b, c, d]: [u32; 4], next: u32) -> bool {
    // ICMPv6, or the hop-by-hop header before it.
    let is_asking = next == ICMPV6 || next == 0;
    let holds_four = a == 0 && b == 0 && (c == 0 || c == 0xffff);
    a >> 24 == 0xff || (holds_four && !(c == 0 && d == 0 && is_asking))
}

/// Whether this is an address that nobody has on the Internet, though a provider's own machines may.
#[must_use]
#[inline(always)]
pub const fn is_special(source: u32) -> bool {
    let [is_8, is_10, is_12] = [source >> 24, source >> 22, source >> 20];
    let [is_15, is_16, is_24] = [source >> 17, source >> 16, source >> 8];
    // 10/8, 100.64/10, 172.16/12, 198.18/15, 169.254/16, 192.168/16, 192.0.0/24, 192.0.2/24, 198.51.100/24, 203.0.113/24
    is_8 == 10
        || is_10 == 0x191
        || is_12 == 0xac1
        || is_15 == 0x6309
        || is_16 == 0xa9fe
        || is_16 == 0xc0a8
        || is_24 == 0xc0_0000
        || is_24 == 0xc0_0002
        || is_24 == 0xc6_3364
        || is_24 == 0xcb_0071
}

/// The same for IPv6: neither 2000::/3 without what is for documents, nor a neighbour.
#[must_use]
#[inline(always)]
pub const fn is_special_six([a, ..]: [u32; 4]) -> bool {
    let is_global = a >> 29 == 1 && a != 0x2001_0db8 && a >> 12 != 0x3_fff0;
    !is_global && a >> 22 != 0x3fa && a != 0
}

/// Errors come from wherever they happen, also from a provider's own machines.
#[inline(always)]
fn may_be_private(frame: &impl Frame, protocol: u32) -> bool {
    if is_later_part(frame) {
        return false;
    }
    match protocol {
        ICMP => matches!(frame.byte(20), Some(3 | 11 | 12)),
        UDP => frame.word(20) == Some(DHCP),
        _ => false,
    }
}

#[inline(always)]
fn is_error_six(frame: &impl Frame, next: u32) -> bool {
    next == ICMPV6 && matches!(frame.byte(40), Some(1..=4))
}

#[inline(always)]
fn is_later_part(frame: &impl Frame) -> bool {
    frame.half(6).is_none_or(|flags| flags & 0x1fff != 0)
}

/// What the packet opens. One with options opens nothing here: the datapath lets none pass.
#[inline(always)]
fn opening(frame: &impl Frame, protocol: u32) -> Option<Opening> {
    if frame.byte(0) != Some(0x45) || is_later_part(frame) {
        return None;
    }
    match protocol {
        TCP => is_syn(frame.byte(33)?),
        UDP => is_handshake(frame.half(22)?, frame.word(28)?),
        _ => None,
    }
}

#[inline(always)]
fn opening_six(frame: &impl Frame, next: u32) -> Option<Opening> {
    match next {
        TCP => is_syn(frame.byte(53)?),
        UDP => is_handshake(frame.half(42)?, frame.word(48)?),
        _ => None,
    }
}

#[inline(always)]
const fn is_syn(flags: u8) -> Option<Opening> {
    if flags & (SYN | ACK) == SYN { Some(Opening::Syn) } else { None }
}

#[inline(always)]
fn is_handshake(port: u16, first: u32) -> Option<Opening> {
    (TUNNELS.contains(&port) && first == INITIATION).then_some(Opening::Handshake)
}

/// Whether it may open one more: first the source, so that one that opens too many takes nothing from the others.
///
/// By the generic cell rate algorithm (ITU-T I.371): one number, when the next is due. Two processors that write it at a time lose one of two, which is an opening more.
#[inline(always)]
fn within(opening: Opening, source: Source, told: &Guard, watch: &impl Watch) -> Result<(), Reason> {
    let [of_syn, of_handshakes] = told.spacing_ns;
    let (spacing_ns, reason) = match opening {
        Opening::Syn => (of_syn, Reason::SynRate),
        Opening::Handshake => (of_handshakes, Reason::HandshakeRate),
    };
    if spacing_ns == 0 {
        return Ok(());
    }
    let now_ns = watch.now_ns();
    let due = watch.due_of(&source);
    let next = next_due(due.map_or(0, Cell::get), now_ns, spacing_ns).ok_or(reason)?;
    match due {
        Some(due) => due.set(next),
        None => watch.begin(&source, next),
    }
    let Some(due) = watch.due_of_all(opening) else { return Ok(()) };
    due.set(next_due(due.get(), now_ns, opening.spacing_of_all_ns()).ok_or(reason)?);
    Ok(())
}

#[inline(always)]
fn next_due(due_ns: u64, now_ns: u64, spacing_ns: u64) -> Option<u64> {
    let due_ns = if due_ns > now_ns { due_ns } else { now_ns };
    (due_ns - now_ns <= BURST_NS.saturating_sub(spacing_ns)).then(|| due_ns.saturating_add(spacing_ns))
}
