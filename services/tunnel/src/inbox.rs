//! What came out of the tunnel and waits for its TUN device.
//!
//! *Does*: lend room to decrypt into, keep packets where they were decrypted, hand them out as frames.
//! *Never does*: hold more than [`limit::ARENA_BYTES`]; copy a packet.

use patronus_types::{UplinkSlot, ports::INNER_PORTS};

use crate::{
    coalesce::Coalescer,
    limit,
    packet::{UDP, u16_at},
    vnet::{HEADER_BYTES, Header},
};

/// Which super-frames the TUN devices take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coalesce {
    /// None: one packet at a time.
    #[default]
    Nothing,
    /// Of TCP.
    Tcp,
    /// Of TCP and of UDP.
    TcpAndUdp,
}

/// Decrypted packets, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Inbox {
    arena: Box<[u8]>,
    used: usize,
    coalescer: Option<Coalescer>,
    single: Vec<(UplinkSlot, std::ops::Range<usize>)>,
    next: usize,
}

/// A frame for a TUN device: the header, then the parts one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The device, by the slot at the far end.
    pub remote: UplinkSlot,
    /// What stands before the packet.
    pub header: [u8; HEADER_BYTES],
    first: &'a [u8],
    rest: &'a [std::ops::Range<usize>],
    arena: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Whether sites say it to each other: UDP over IPv6 without extension headers, to one of their ports.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.first.first().is_some_and(|byte| byte >> 4 == 6)
            && self.first.get(6) == Some(&UDP)
            && u16_at(self.first, 42).is_some_and(|port| INNER_PORTS.contains(&port))
    }

    /// Parts of the frame behind the header.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        let arena = self.arena;
        let rest = self.rest.iter().filter_map(move |range| arena.get(range.clone()));
        std::iter::once(self.first).chain(rest)
    }
}

impl Inbox {
    pub(crate) fn new(coalesce: Coalesce) -> Self {
        let arena = vec![0; limit::ARENA_BYTES].into_boxed_slice();
        let mut inbox = Self { arena, used: 0, coalescer: None, single: Vec::new(), next: 0 };
        inbox.set_coalesce(coalesce);
        inbox
    }

    /// What waits is forgotten: to be called while nothing does.
    pub(crate) fn set_coalesce(&mut self, coalesce: Coalesce) {
        self.clear();
        self.coalescer = match coalesce {
            Coalesce::Nothing => None,
            Coalesce::Tcp => Some(Coalescer::new(false)),
            Coalesce::TcpAndUdp => Some(Coalescer::new(true)),
        };
    }

    /// Room for a packet of at most this length.
    pub(crate) fn room(&mut self, bytes: usize) -> Option<&mut [u8]> {
        self.arena.get_mut(self.used..self.used + bytes)
    }

    /// Whether there is room for a whole batch of packets.
    pub(crate) fn has_room(&self) -> bool {
        self.arena.len() - self.used > limit::FRAME_BYTES
    }

    /// Keeps the packet that was written to the beginning of the room.
    pub(crate) fn keep(&mut self, bytes: usize, remote: UplinkSlot) {
        let place = self.used..self.used + bytes;
        self.used = place.end;
        match &mut self.coalescer {
            Some(coalescer) => coalescer.push(&self.arena, place, remote),
            None => self.single.push((remote, place)),
        }
    }

    /// The next frame, or `None`, and then all room is free again.
    pub(crate) fn poll_frame(&mut self) -> Option<Frame<'_>> {
        let next = self.next;
        let count = self.coalescer.as_ref().map_or(self.single.len(), |coalescer| coalescer.groups().len());
        if next >= count {
            self.clear();
            return None;
        }
        self.next += 1;
        let Some(coalescer) = &self.coalescer else {
            let (remote, place) = self.single.get(next)?.clone();
            let first = self.arena.get(place)?;
            return Some(Frame { remote, header: Header::default().emit(), first, rest: &[], arena: &self.arena });
        };
        let group = coalescer.groups().get(next)?;
        let header = group.seal(&mut self.arena).emit();
        let first = self.arena.get(group.first.clone())?;
        Some(Frame { remote: group.remote?, header, first, rest: &group.rest, arena: &self.arena })
    }

    fn clear(&mut self) {
        (self.used, self.next) = (0, 0);
        self.single.clear();
        if let Some(coalescer) = &mut self.coalescer {
            coalescer.clear();
        }
    }
}
