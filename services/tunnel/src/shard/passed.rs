//! What a relay passes on between two of its slots: sites that no provider connects meet in it.
//!
//! *Does*: hand a datagram to a peer that this slot hears, or else to the next slot of the site, once round.
//! *Never does*: open it; hold more than [`limit::PASSED`].

use std::time::Duration;

use patronus_types::{SiteId, UplinkSlot};

use crate::{
    Shard, limit,
    noise::Engine,
    note::{Note, Parcel},
    reject::Reject,
};

/// A datagram on its way through the slots of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Whose it is.
    pub(super) from: (SiteId, UplinkSlot),
    /// Whom it is for.
    pub(super) to: (SiteId, UplinkSlot),
    /// How many slots have had it.
    pub(super) slots: usize,
    /// As it came.
    pub(super) datagram: Vec<u8>,
}

impl<E: Engine> Shard<E> {
    /// Takes what another slot of this site could not hand over.
    pub fn handle_passed(&mut self, now: Duration, passed: Passed) {
        let handed = self.hand_over(now, passed.from, passed.to, &passed.datagram);
        let result = match handed {
            Ok(true) => Ok(()),
            Ok(false) => self.pass_round(Passed { slots: passed.slots + 1, ..passed }),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = result {
            self.rejects.count(reason);
        }
    }

    /// The next datagram for the site's next slot; `None` when all were polled.
    pub fn poll_passed(&mut self) -> Option<Passed> {
        self.passed.pop_front()
    }

    /// Sends it to its peer, if this slot hears that; `false` if not.
    pub(super) fn hand_over(
        &mut self,
        now: Duration,
        (site, slot): (SiteId, UplinkSlot),
        to: (SiteId, UplinkSlot),
        datagram: &[u8],
    ) -> Result<bool, Reject> {
        let heard = |index: &u32| self.paths.get(index).is_some_and(|path| path.is_heard_directly(now));
        let Some(index) = self.by_slot.get(&to).copied().filter(heard) else { return Ok(false) };
        self.send_note(now, index, Note::Carried(Parcel { site, slot, datagram }))?;
        Ok(true)
    }

    pub(super) fn pass_round(&mut self, passed: Passed) -> Result<(), Reject> {
        (passed.slots < self.slots).then_some(()).ok_or(Reject::RelayNoPath)?;
        (self.passed.len() < limit::PASSED).then_some(()).ok_or(Reject::Overflow)?;
        self.passed.push_back(passed);
        Ok(())
    }
}
