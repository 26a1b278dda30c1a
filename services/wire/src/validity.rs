//! From when until when something holds.

use crate::{
    Refused,
    bytes::{Reader, Writer},
};

/// Both ends belong to it, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before_s: u64,
    /// The last second.
    pub not_after_s: u64,
}

impl Validity {
    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u64(self.not_before_s);
        writer.u64(self.not_after_s);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, longest_s: u64) -> Result<Self, Refused> {
        let validity = Self { not_before_s: reader.time_s()?, not_after_s: reader.time_s()? };
        let Some(length_s) = validity.not_after_s.checked_sub(validity.not_before_s) else {
            return Err(Refused::ValidityInverted);
        };
        if length_s > longest_s { Err(Refused::ValidityTooLong) } else { Ok(validity) }
    }
}
