//! What becomes of a packet.
//!
//! *Never does*: leave a field without a value: an enum would, for what is not translated, and the kernel takes no program that copies what was
//! never written.

use patronus_ebpf_abi::Endpoint;

use crate::{
    packet::Frame,
    translate::{Edit, Translation},
};

/// What becomes of a packet, and how it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub fate: Fate,
    first: Translation,
    then: Translation,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel has it, as it came.
    Kernel,
    /// Rewritten and marked, then the kernel forwards it.
    Translate,
    /// The same twice: it leaves, and comes in again.
    Hairpin,
    /// Nobody has it any more; the reason has been counted.
    Drop,
}

impl Verdict {
    /// The kernel has it.
    pub const KERNEL: Self = Self { fate: Fate::Kernel, first: Translation::NONE, then: Translation::NONE };
    /// Nobody has it.
    pub const DROP: Self = Self { fate: Fate::Drop, ..Self::KERNEL };

    #[inline(always)]
    pub(crate) const fn translate(first: Translation) -> Self {
        Self { fate: Fate::Translate, first, ..Self::KERNEL }
    }

    /// The same, and then this.
    #[inline(always)]
    pub(crate) const fn and(self, then: Translation) -> Self {
        Self { fate: Fate::Hairpin, then, ..self }
    }

    /// What a translated packet is seen as.
    #[inline(always)]
    pub(crate) const fn outside(&self) -> Endpoint {
        self.first.to()
    }

    /// Makes the changes; whether there were any.
    #[inline(always)]
    pub fn apply(&self, packet: &mut (impl Frame + Edit)) -> bool {
        match self.fate {
            Fate::Kernel | Fate::Drop => return false,
            Fate::Translate => self.first.apply(packet),
            Fate::Hairpin => {
                self.first.apply(packet);
                self.then.apply(packet);
            }
        }
        true
    }
}
