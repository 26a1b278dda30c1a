//! The place of an uplink.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Limit;

/// The place of an uplink in its site's document: 0 is the first. Below [`Limit::UPLINKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct UplinkSlot(u8);

impl UplinkSlot {
    /// The slot with this number, if there can be one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < Limit::UPLINKS { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for UplinkSlot {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("an uplink slot is a number from 0 to 15")
    }
}

impl From<UplinkSlot> for u8 {
    fn from(slot: UplinkSlot) -> Self {
        slot.0
    }
}

impl fmt::Display for UplinkSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slot_exists_and_the_next_does_not() {
        let last = Limit::UPLINKS as u8 - 1;
        assert_eq!(UplinkSlot::new(last).map(UplinkSlot::number), Some(last));
        assert_eq!(UplinkSlot::new(last + 1), None);
    }
}
