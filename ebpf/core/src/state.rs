//! How long a flow lasts.
//!
//! *Does*: note what its packets have said; say for how long silence does not end it.
//! *Spec*: RFC 5382 REQ-5 (TCP: 2 h 4 min, in transition 4 min), RFC 4787 REQ-5 (UDP: 5 min, never less than 2), RFC 5508 REQ-2 (pings: 60 s).

pub use patronus_ebpf_abi::state::*;

use patronus_ebpf_abi::answer::GOOD_FOR_S;

use crate::packet::{FIN, RST, SYN, TCP, UDP};

const TCP_ESTABLISHED_S: u32 = 2 * 3600 + 4 * 60;
const TCP_TRANSITORY_S: u32 = 240;
const UDP_S: u32 = 300;
const UDP_UNANSWERED_S: u32 = 120;
const PING_S: u32 = 60;

/// The state after a packet from inside with these TCP flags.
#[inline(always)]
#[must_use]
pub const fn after_out(state: u32, flags: u8) -> u32 {
    let answered = if state & FORWARDED != 0 { REPLIED } else { 0 };
    if answered == 0 && is_anew(state, flags) {
        return state & LASTING;
    }
    after(state, flags, FIN_OUT) | answered
}

/// The state after a packet from outside.
#[inline(always)]
#[must_use]
pub const fn after_in(state: u32, flags: u8) -> u32 {
    let answered = if state & FORWARDED == 0 { REPLIED } else { 0 };
    if answered == 0 && is_anew(state, flags) {
        return state & LASTING;
    }
    after(state, flags, FIN_IN) | answered
}

/// The same ports are used anew by him who began.
#[inline(always)]
const fn is_anew(state: u32, flags: u8) -> bool {
    flags & (SYN | RST) == SYN && state & (FIN_OUT | FIN_IN | RESET) != 0
}

#[inline(always)]
const fn after(state: u32, flags: u8, fin: u32) -> u32 {
    if flags & RST != 0 {
        return state | RESET;
    }
    // Whoever goes on talking was not cut off by that reset, which may have been a stranger's.
    (state & !RESET) | if flags & FIN != 0 { fin } else { 0 }
}

/// For how many seconds silence does not end the flow: as long as promised, and as long as packets may go by without its entry.
#[inline(always)]
#[must_use]
pub const fn lifetime_s(protocol: u32, state: u32) -> u32 {
    let is_answered = state & REPLIED != 0;
    let is_over = state & RESET != 0 || state & (FIN_OUT | FIN_IN) == FIN_OUT | FIN_IN;
    let promised_s = match protocol {
        TCP if is_answered && !is_over => TCP_ESTABLISHED_S,
        TCP => TCP_TRANSITORY_S,
        UDP if is_answered => UDP_S,
        UDP => UDP_UNANSWERED_S,
        _ => PING_S,
    };
    promised_s + GOOD_FOR_S
}
