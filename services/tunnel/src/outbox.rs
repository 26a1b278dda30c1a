//! Datagrams that wait to be sent, in batches that the kernel takes in one call.
//!
//! *Does*: put datagrams of one size to one address side by side, as UDP segmentation wants them.
//! *Never does*: reorder datagrams to one address; hold more than [`limit::BATCHES`] batches.

use std::{collections::VecDeque, net::SocketAddr};

use crate::{
    limit,
    way::{Via, Way},
};

/// Room in a batch that a datagram of any kind needs.
const SLACK_BYTES: usize = limit::HANDSHAKE_BYTES;

/// Datagrams to one address; all but the last have `segment_bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The datagrams, one behind the other.
    pub bytes: &'a [u8],
    /// Length of each but the last.
    pub segment_bytes: usize,
    /// It is one datagram, and may not be cut on its way.
    pub is_uncut: bool,
}

#[derive(Debug)]
struct Batch {
    to: SocketAddr,
    bytes: Box<[u8]>,
    length: usize,
    segment_bytes: usize,
    count: usize,
    closed: bool,
    is_uncut: bool,
}

/// The batches since the last flush. Those behind `used` are kept for their memory.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    batches: Vec<Batch>,
    used: usize,
    next: usize,
    relayed: VecDeque<(Via, Vec<u8>)>,
}

impl Outbox {
    /// Lets `write` put one datagram of at most `bytes` where those of its way wait. `None` if it wrote none, or there is no room.
    pub(crate) fn push(&mut self, to: Way, bytes: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        match to {
            Way::Direct(address) => self.push_direct(address, bytes, write),
            Way::Via(via) => self.push_relayed(via, bytes, write),
        }
    }

    /// Lets `write` put a datagram alone, which arrives in one piece or not at all.
    pub(crate) fn push_uncut(&mut self, to: SocketAddr, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        let index = self.new_batch(to)?;
        let written = self.write_to(index, write);
        let batch = self.batches.get_mut(index)?;
        (batch.closed, batch.is_uncut) = (true, true);
        written
    }

    fn push_relayed(&mut self, via: Via, bytes: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        (self.relayed.len() < limit::RELAYED).then_some(())?;
        let mut datagram = vec![0; bytes.max(SLACK_BYTES)];
        let written = write(&mut datagram)?;
        datagram.truncate(written);
        self.relayed.push_back((via, datagram));
        Some(())
    }

    /// The next datagram that a relay is to pass on.
    pub(crate) fn poll_relayed(&mut self) -> Option<(Via, Vec<u8>)> {
        self.relayed.pop_front()
    }

    fn push_direct(
        &mut self,
        to: SocketAddr,
        bytes: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<()> {
        let index = self.batch_for(to, bytes)?;
        self.write_to(index, write)
    }

    fn write_to(&mut self, index: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        let batch = self.batches.get_mut(index)?;
        let room = batch.bytes.get_mut(batch.length..)?;
        let written = write(room)?;
        if batch.count == 0 {
            batch.segment_bytes = written;
        }
        batch.length += written;
        batch.count += 1;
        batch.closed = written < batch.segment_bytes || batch.count == limit::BATCH_SEGMENTS;
        Some(())
    }

    /// Whether so little is left that the batches should be sent first.
    pub(crate) fn is_crowded(&self) -> bool {
        self.used * 4 >= limit::BATCHES
    }

    /// The next batch to send, or `None`, and then all room is free again.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        while self.next < self.used {
            let next = self.next;
            self.next += 1;
            if self.batches.get(next).is_some_and(|batch| batch.count > 0) {
                let batch = self.batches.get(next)?;
                let bytes = batch.bytes.get(..batch.length)?;
                let (to, segment_bytes, is_uncut) = (batch.to, batch.segment_bytes, batch.is_uncut);
                return Some(Transmit { to, bytes, segment_bytes, is_uncut });
            }
        }
        (self.used, self.next) = (0, 0);
        None
    }

    /// The last batch to this address if the datagram fits into it, or a new one.
    fn batch_for(&mut self, to: SocketAddr, bytes: usize) -> Option<usize> {
        let used = self.batches.get(..self.used)?;
        let last = used.iter().rposition(|batch| batch.to == to);
        if let Some(index) = last.filter(|index| used.get(*index).is_some_and(|batch| batch.takes(bytes))) {
            return Some(index);
        }
        self.new_batch(to)
    }

    fn new_batch(&mut self, to: SocketAddr) -> Option<usize> {
        (self.used < limit::BATCHES).then_some(())?;
        let index = self.used;
        self.used += 1;
        if index == self.batches.len() {
            let bytes = vec![0; limit::BATCH_BYTES + SLACK_BYTES].into_boxed_slice();
            let (length, segment_bytes, count) = (0, 0, 0);
            self.batches.push(Batch { to, bytes, length, segment_bytes, count, closed: false, is_uncut: false });
        }
        let batch = self.batches.get_mut(index)?;
        (batch.to, batch.length, batch.segment_bytes, batch.count) = (to, 0, 0, 0);
        (batch.closed, batch.is_uncut) = (false, false);
        Some(index)
    }
}

impl Batch {
    fn takes(&self, bytes: usize) -> bool {
        self.count == 0 || !self.closed && bytes <= self.segment_bytes && self.length + bytes <= limit::BATCH_BYTES
    }
}
