//! Finished answers: what became of a flow's last packets, so that the next needs no look into its tables.

use core::cell::Cell;

use crate::policy::Zone;

/// For how many ticks of the kernel's clock an answer is good: 2 s where it ticks 1,000 times a second, 8 s with 250, 20 s with 100.
pub const GOOD_FOR_TICKS: u32 = 2048;
/// For how many seconds at most. So much longer than promised a flow lasts in its table, which hears of it no more often.
pub const GOOD_FOR_S: u32 = 21;

/// An answer, of one direction of a flow. Each processor has its own, in as much memory as it takes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Answer {
    /// Who sends these packets.
    pub source: Cell<u32>,
    /// To whom.
    pub destination: Cell<u32>,
    /// The ports of both, in two halves.
    pub ports: Cell<u32>,
    /// Protocol, and where they come from: see [`kind`].
    pub kind: Cell<u32>,
    /// What the service's tables were when it was found.
    pub epoch: Cell<u32>,
    /// The policy by which the flow was judged.
    pub generation: Cell<u32>,
    /// It is good until this tick.
    pub until: Cell<u32>,
    /// When its flow began: another with the same ends is another.
    pub began_s: Cell<u32>,
    /// What the end becomes that is translated: its address.
    pub address: Cell<u32>,
    /// And its port.
    pub port: Cell<u32>,
    /// Slot of the flow's uplink.
    pub slot: Cell<u32>,
    /// Always 0.
    pub zero: u32,
    /// Packets that the flow's entry has not counted yet.
    pub packets: Cell<u64>,
    /// Their bytes.
    pub bytes: Cell<u64>,
}

impl Answer {
    /// Where it stands: [`place`].
    #[must_use]
    pub const fn place(&self) -> u32 {
        place(self.source.get(), self.destination.get(), self.ports.get(), self.kind.get())
    }
}

/// [`Answer::kind`].
#[inline(always)]
#[must_use]
pub const fn kind(protocol: u32, from: Zone) -> u32 {
    protocol | (from as u32) << 8
}

/// [`Answer::ports`].
#[inline(always)]
#[must_use]
pub const fn ports(source: u16, destination: u16) -> u32 {
    (source as u32) << 16 | destination as u32
}

/// Where the answer stands, before it is cut to the size of the table. Who finds ports that meet another's place makes his own way the slow one: nobody is
/// driven from a place while his answer is good.
#[inline(always)]
#[must_use]
pub const fn place(source: u32, destination: u32, ports: u32, kind: u32) -> u32 {
    let addresses = ((source as u64) << 32 | destination as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let rest = ((ports as u64) << 32 | kind as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let mixed = addresses.rotate_left(29) ^ rest;
    ((mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}
