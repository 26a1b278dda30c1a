//! Packets to other sites: `core`'s tables for them, and the way out.
//!
//! *Does*: send a packet into the tunnel's device that `core` names, or the two, after its time to live was counted.
//! *Never does*: send what is too long for that device: the kernel says so to the sender.

use core::ops::Deref;

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, TC_ACT_SHOT, TC_ACT_UNSPEC},
    helpers::{bpf_check_mtu, bpf_clone_redirect, bpf_ktime_get_coarse_ns, bpf_redirect},
    macros::map,
    maps::{Array, LpmTrie, LruHashMap, lpm_trie::Key},
};
use patronus_ebpf_abi::{
    FlowKey, Reason,
    steer::{
        CLASSES, Group, HALVES, MARKS, PATHS as MOST_PATHS, PORT_ENTRIES, PORTS_OF_ENTRY, PREFIXES, RULE_PREFIXES,
        RULE_SETS, RULE_WORDS, RULES, RuleSet, SITES as MOST_SITES, STEER_FIRST, Stuck, rule_prefix,
    },
};
use patronus_ebpf_core::{
    Checksum, Edit, Frame, Parsed,
    steer::{Steered, Steering, steer},
    twins::mark,
};

use crate::{
    frame::{ETHERNET, Skb},
    maps::count,
    twins,
};

#[map(name = "SITES")]
static SITES: LpmTrie<[u8; 4], u32> = LpmTrie::pinned(PREFIXES, BPF_F_NO_PREALLOC);
#[map(name = "STEERING")]
static STEERING: Array<u32> = Array::pinned(1, 0);
#[map(name = "PORT_RULES")]
static PORT_RULES: Array<[u16; PORTS_OF_ENTRY as usize]> = Array::pinned(PORT_ENTRIES * HALVES, 0);
#[map(name = "PREFIX_RULES")]
static PREFIX_RULES: LpmTrie<[u8; 5], u32> = LpmTrie::pinned(RULE_PREFIXES, BPF_F_NO_PREALLOC);
#[map(name = "MARK_RULES")]
static MARK_RULES: Array<u32> = Array::pinned(MARKS * HALVES, 0);
#[map(name = "RULE_SETS")]
static SETS: Array<RuleSet> = Array::pinned(RULE_SETS * HALVES, 0);
#[map(name = "RULE_CLASS")]
static RULE_CLASS: Array<u32> = Array::pinned(RULES * HALVES, 0);
#[map(name = "GROUPS")]
static GROUPS: Array<Group> = Array::pinned(MOST_SITES * CLASSES, 0);
#[map(name = "PATHS")]
static PATHS: Array<u64> = Array::pinned(MOST_PATHS, BPF_F_MMAPABLE);
#[map(name = "PATH_FLOWS")]
static PATH_FLOWS: Array<u32> = Array::pinned(MOST_PATHS, 0);
#[map(name = "ROWS")]
static ROWS: Array<u32> = Array::pinned(MOST_SITES * CLASSES, 0);
#[map(name = "STUCK")]
static STUCK: LruHashMap<FlowKey, Stuck> = LruHashMap::pinned(1024, 0);

/// `BPF_MTU_CHK_SEGS`.
const CHECK_SEGMENTS: u64 = 1;
/// Where time to live and protocol stand, and the checksum over them.
const TTL_AT: u32 = 8;
const CHECKSUM_AT: u32 = 10;

/// A packet from the LAN that the kernel would have.
#[inline(always)]
pub fn send(skb: &mut Skb<ETHERNET>, parsed: &Parsed) -> i32 {
    match steer(parsed, &Maps) {
        Steered::Kernel => TC_ACT_UNSPEC,
        Steered::Drop => TC_ACT_SHOT,
        Steered::By(device) => out(skb, device, None),
        Steered::Twice(device, second) => out(skb, device, Some(second)),
    }
}

#[inline(always)]
fn out(skb: &mut Skb<ETHERNET>, device: u32, second: Option<u32>) -> i32 {
    if !skb.is_for_us() || !fits(skb, device) {
        return TC_ACT_UNSPEC;
    }
    let second = second.filter(|second| fits(skb, *second));
    let Some(before) = skb.half(TTL_AT) else { return TC_ACT_UNSPEC };
    let after = before - 0x0100;
    skb.mend_half(CHECKSUM_AT, before, after, Checksum::Ip, false);
    skb.write_half(TTL_AT, after);
    if let Some(second) = second {
        mark(skb, twins::numbers(skb.segments()));
        // What the second takes no more is sent once. SAFETY: the context is this packet's.
        unsafe { bpf_clone_redirect(skb.context().cast(), second, 0) };
    }
    // SAFETY: takes numbers.
    (unsafe { bpf_redirect(device, 0) }) as i32
}

/// A redirect does not look at the size of what it sends.
#[inline(always)]
fn fits(skb: &Skb<ETHERNET>, device: u32) -> bool {
    let mut mtu = 0_u32;
    // Segments are measured without their Ethernet header; of a packet in one piece, which the device takes without it, it must be taken off.
    let (difference, flags) = if skb.is_cut_later() { (0, CHECK_SEGMENTS) } else { (-(ETHERNET as i32), 0) };
    // SAFETY: the context is this packet's; the number lives until the call returns.
    let said = unsafe { bpf_check_mtu(skb.context(), device, &raw mut mtu, difference, flags) };
    said == 0
}

struct Maps;

impl Steering for Maps {
    #[inline(always)]
    fn now_s(&self) -> u32 {
        // SAFETY: takes nothing, returns a number.
        (unsafe { bpf_ktime_get_coarse_ns() } / 1_000_000_000) as u32
    }

    #[inline(always)]
    fn half(&self) -> Option<u32> {
        let half = STEERING.get(0)?.wrapping_sub(STEER_FIRST);
        (half < HALVES).then_some(half)
    }

    #[inline(always)]
    fn site(&self, address: u32) -> Option<u32> {
        SITES.get(&Key::new(32, address.to_be_bytes())).copied()
    }

    #[inline(always)]
    fn rules_of_port(&self, half: u32, port: u16) -> u32 {
        let port = u32::from(port);
        let Some(entry) = PORT_RULES.get(half * PORT_ENTRIES + port / PORTS_OF_ENTRY) else { return 0 };
        u32::from(entry[(port % PORTS_OF_ENTRY) as usize])
    }

    #[inline(always)]
    fn rules_of_address(&self, half: u32, address: u32) -> Option<u32> {
        PREFIX_RULES.get(&Key::new(40, rule_prefix(half, address.to_be_bytes()))).copied()
    }

    #[inline(always)]
    fn rules_of_mark(&self, half: u32, mark: u32) -> u32 {
        MARK_RULES.get(half * MARKS + mark).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn rules(&self, half: u32, set: u32, word: u32) -> u64 {
        SETS.get(half * RULE_SETS + set).map_or(0, |set| set[word as usize % RULE_WORDS])
    }

    #[inline(always)]
    fn class(&self, half: u32, rule: u32) -> u32 {
        RULE_CLASS.get(half * RULES + rule).copied().unwrap_or(CLASSES - 1)
    }

    #[inline(always)]
    fn group(&self, site: u32, class: u32) -> Option<impl Deref<Target = Group>> {
        GROUPS.get(site * CLASSES + class)
    }

    #[inline(always)]
    fn path(&self, path: u32) -> u64 {
        // SAFETY: a number that the service may change at any time.
        PATHS.get(path).map_or(0, |word| unsafe { core::ptr::read_volatile(word) })
    }

    #[inline(always)]
    fn stuck(&self, key: &FlowKey) -> Option<Stuck> {
        // SAFETY: three numbers.
        unsafe { STUCK.get(key) }.copied()
    }

    #[inline(always)]
    fn stick(&self, key: &FlowKey, stuck: &Stuck, is_new: bool) {
        // A flow that does not fit chooses anew with each packet.
        let _ = STUCK.insert(key, stuck, 0);
        if is_new && let Some(flows) = PATH_FLOWS.get_ptr_mut(stuck.path) {
            // SAFETY: a number; the service counts anew every few seconds, so one that is lost does not matter.
            unsafe { *flows += 1 };
        }
    }

    #[inline(always)]
    fn flows_on(&self, path: u32) -> u32 {
        PATH_FLOWS.get(path).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn next(&self, site: u32, class: u32) -> u32 {
        let Some(row) = ROWS.get_ptr_mut(site * CLASSES + class) else { return 0 };
        // SAFETY: a number; two processors at once get the same, which does not matter.
        unsafe {
            *row = (*row).wrapping_add(1);
            *row
        }
    }

    #[inline(always)]
    fn count_refused(&self, reason: Reason) {
        count(reason);
    }
}
