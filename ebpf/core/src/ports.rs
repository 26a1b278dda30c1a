//! Which port a flow has outside.
//!
//! *Does*: endpoint-independent mapping: whoever has a port keeps it for all he talks to; otherwise his own number if it is free, else a few guesses.
//! *Never does*: share a port between two, or take one of the box's own.
//! *Spec*: RFC 4787 REQ-1 (mapping), REQ-3 (no overloading); RFC 6056 (ports that strangers cannot guess).

use core::cell::Cell;

use patronus_ebpf_abi::{Endpoint, FIRST_PORT, Inside, LAST_PORT, Outside, Owner};

use crate::tables::Tables;

/// Ports that are tried before a flow is refused. With half of the range taken, one flow in 65,536 is.
pub(crate) const TRIES: u32 = 16;
/// How many there are.
const PORTS: u32 = (LAST_PORT - FIRST_PORT) as u32 + 1;

/// The port that `inside` has at `address` until `ends_s` at least, if there is one for it.
#[inline(always)]
pub(crate) fn choose(tables: &impl Tables, inside: Endpoint, address: u32, protocol: u32, ends_s: u32) -> Option<u16> {
    let way = Inside { endpoint: inside, outside: address, protocol };
    let known = tables.port(&way);
    if let Some(port) = known
        && hold(tables, inside, &outside(address, port, protocol), ends_s)
    {
        return Some(port);
    }
    let owner = Owner { inside, ends_s: Cell::new(ends_s), zero: 0 };
    let mut port = if is_ours(inside.port) { inside.port } else { guess(tables) };
    for _ in 0..TRIES {
        if !tables.is_forwarded(protocol, port) && tables.claim(&outside(address, port, protocol), &owner) {
            tables.keep_port(&way, port);
            return Some(port);
        }
        port = guess(tables);
    }
    None
}

/// Whether `inside` still has `outside`, or has it again, now until `ends_s`.
#[inline(always)]
pub(crate) fn hold(tables: &impl Tables, inside: Endpoint, outside: &Outside, ends_s: u32) -> bool {
    match tables.owner(outside) {
        Some(owner) => {
            let is_his = owner.inside == inside;
            if is_his && owner.ends_s.get() < ends_s {
                owner.ends_s.set(ends_s);
            }
            is_his
        }
        None => tables.claim(outside, &Owner { inside, ends_s: Cell::new(ends_s), zero: 0 }),
    }
}

/// Whether translated flows may leave with this port.
#[inline(always)]
pub(crate) const fn is_ours(port: u16) -> bool {
    FIRST_PORT <= port && port <= LAST_PORT
}

#[inline(always)]
pub(crate) const fn outside(address: u32, port: u16, protocol: u32) -> Outside {
    Outside { endpoint: Endpoint::new(address, port), protocol }
}

#[inline(always)]
fn guess(tables: &impl Tables) -> u16 {
    FIRST_PORT + (tables.random() % PORTS) as u16
}
