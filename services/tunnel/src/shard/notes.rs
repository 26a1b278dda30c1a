//! What other services say inside their sessions, and what this one passes on for them.
//!
//! *Does*: answer probes, hear where this slot is seen, pass datagrams on if this site is a relay.
//! *Never does*: pass on what was passed on; open what it passes on; queue for a path that is not there.
//! *Spec*: `docs/tunnel.md`, sections "Notes" and "Relays".

use std::{net::IpAddr, time::Duration};

use super::Passed;
use crate::{
    Shard, limit,
    noise::Engine,
    note::{self, Note, Parcel},
    reject::Reject,
    way::{Index, Via, Way},
};

impl<E: Engine> Shard<E> {
    /// Takes a note that came along this way inside the session of a path.
    pub(super) fn hear_note(&mut self, now: Duration, from: Way, index: Index, packet: &[u8]) -> Result<(), Reject> {
        let note = Note::parse(packet).ok_or(Reject::NoteMalformed)?;
        let path = self.paths.get_mut(&index).ok_or(Reject::UnknownSession)?;
        match note {
            // Where a relay is seen is nobody's question.
            Note::Probe => match from.direct() {
                Some(address) => path.tell(now, from, Note::Seen(address), &mut self.outbox),
                None => Ok(()),
            },
            Note::Seen(address) => {
                self.seen.handle(now, index, path.wanted.peer, address);
                Ok(())
            }
            Note::Here(address) => {
                path.handle_hint(address);
                Ok(())
            }
            Note::Carry(_) | Note::Carried(_) if from.direct().is_none() => Err(Reject::RelayNested),
            Note::Carry(parcel) => self.pass_on(now, index, parcel),
            Note::Carried(parcel) if path.wanted.is_relay => {
                let via = Via { relay: index, peer: parcel.site, slot: parcel.slot };
                self.hear(now, Way::Via(via), parcel.datagram)
            }
            Note::Carried(_) => Err(Reject::RelayNotGranted),
            Note::Long(_) => {
                let came = Note::Came(u16::try_from(packet.len()).unwrap_or(u16::MAX));
                path.tell(now, from, came, &mut self.outbox)
            }
            Note::Came(bytes) => {
                path.handle_length(now, bytes.into());
                Ok(())
            }
        }
    }

    /// Sends the packets by which a path learns how long they may be.
    pub(super) fn try_lengths(&mut self, now: Duration, index: Index) {
        let Some(path) = self.paths.get_mut(&index) else { return };
        for bytes in path.lengths_to_try(now, self.underlay).into_iter().flatten() {
            let filling = vec![0; bytes.saturating_sub(note::HEADERS_BYTES)];
            let written = Note::Long(&filling).write(&mut self.scratch);
            if let Some(packet) = written.and_then(|length| self.scratch.get(..length)) {
                // One that has no room counts as one that did not come.
                let _ = path.send_uncut(now, packet, &mut self.outbox);
            }
        }
    }

    /// Passes a datagram on: from a session to a session of this slot, or to another slot.
    fn pass_on(&mut self, now: Duration, from: Index, parcel: Parcel<'_>) -> Result<(), Reject> {
        if !self.is_relay {
            return Err(Reject::RelayNotHere);
        }
        let source = self.paths.get(&from).map(|path| (path.wanted.peer, path.wanted.remote));
        let (site, slot) = source.ok_or(Reject::UnknownSession)?;
        if !self.shares.take(now, site, parcel.datagram.len()) {
            return Err(Reject::RelayShare);
        }
        let to = (parcel.site, parcel.slot);
        self.by_slot.contains_key(&to).then_some(()).ok_or(Reject::RelayUnknownSite)?;
        if self.hand_over(now, (site, slot), to, parcel.datagram)? {
            return Ok(());
        }
        self.pass_round(Passed { from: (site, slot), to, slots: 1, datagram: parcel.datagram.to_vec() })
    }

    /// Wraps what waits for relays.
    pub(super) fn send_relayed(&mut self, now: Duration) {
        while let Some((via, datagram)) = self.outbox.poll_relayed() {
            let note = Note::Carry(Parcel { site: via.peer, slot: via.slot, datagram: &datagram });
            if let Err(reason) = self.send_note(now, via.relay, note) {
                self.rejects.count(reason);
            }
        }
    }

    pub(super) fn send_note(&mut self, now: Duration, to: Index, note: Note<'_>) -> Result<(), Reject> {
        let bytes = note.write(&mut self.scratch).ok_or(Reject::Overflow)?;
        let padded = bytes.next_multiple_of(limit::PADDING_BYTES);
        self.scratch.get_mut(bytes..padded).ok_or(Reject::Overflow)?.fill(0);
        let packet = self.scratch.get(..padded).ok_or(Reject::Overflow)?;
        let path = self.paths.get_mut(&to).filter(|path| path.is_direct()).ok_or(Reject::NoSession)?;
        path.send(now, packet, 0, &mut self.outbox)
    }

    /// Whose address a datagram came from: of a relayed one the relay's.
    pub(super) fn source_of(&self, way: Way) -> IpAddr {
        let relay = way.relay().and_then(|relay| self.paths.get(&relay)?.endpoint?.direct());
        way.direct().or(relay).map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip())
    }

    /// The paths to relays that can be used now, and those that cannot any more are left by whoever uses them.
    pub(super) fn look_at_relays(&mut self) {
        let usable = |(index, path): (&Index, &crate::Path<E::Session>)| {
            (path.wanted.is_relay && path.is_direct()).then_some((path.wanted.peer, *index))
        };
        let mut relays: Vec<_> = self.paths.iter().filter_map(usable).collect();
        relays.sort_unstable();
        self.relays = relays.into_iter().map(|(_, index)| index).collect();
        let relayed = self.paths.values_mut().filter_map(|path| Some((path.endpoint?.relay()?, path)));
        relayed.filter(|(relay, _)| !self.relays.contains(relay)).for_each(|(_, path)| path.leave_relay());
        self.relays.truncate(limit::RELAYS);
    }
}
