//! Fields out of bytes and into bytes. Numbers are big-endian.
//!
//! *Never does*: read past the end, or leave bytes unread unnoticed.

use crate::Refused;

/// Bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'b [u8], Refused> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Refused::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Refused::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refused> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Refused> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of things in one byte, at most `limit`.
    pub(crate) fn count(&mut self, limit: usize, above: Refused) -> Result<usize, Refused> {
        let count = usize::from(self.u8()?);
        if count > limit { Err(above) } else { Ok(count) }
    }

    /// A number from 1 to [`crate::limit::COUNTER_MAX`].
    pub(crate) fn counter(&mut self, outside: Refused) -> Result<u64, Refused> {
        let number = self.u64()?;
        if (1..=crate::limit::COUNTER_MAX).contains(&number) { Ok(number) } else { Err(outside) }
    }

    /// A time in seconds since 1970.
    pub(crate) fn time_s(&mut self) -> Result<u64, Refused> {
        let time_s = self.u64()?;
        if time_s > crate::limit::TIME_MAX_S { Err(Refused::TimeOutOfRange) } else { Ok(time_s) }
    }

    pub(crate) const fn finish(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(Refused::TrailingBytes) }
    }
}

/// Bytes that grow.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// How many things follow. More than a byte can say become a number that every reader refuses.
    pub(crate) fn count(&mut self, count: usize) {
        self.u8(u8::try_from(count).unwrap_or(u8::MAX));
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
