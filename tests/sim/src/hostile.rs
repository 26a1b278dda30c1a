//! Who has the network's key and means ill: a member gone bad, or one that was revoked.
//!
//! *Does*: replay what was captured, forge, alter, flood; from any address of the LAN.
//! *Never does*: have another site's or a signer's secret key.

use std::rc::Rc;

use patronus_wire::{
    Announcement, Body, BucketSet, Bundle, Capabilities, IdentityKey, Message, Revocation, Roles, SiteRecord, Validity,
    network_id,
};

use crate::{charter, fleet::Fleet, site::Site};

/// Captured datagrams that are kept for a replay.
const CAPTURED: usize = 512;
/// One in so many is captured.
const CAPTURE_EVERY: u64 = 7;
/// Nobody's number: its key signs what no roster vouches for.
const NOBODY: u32 = 1_000_000;

impl Fleet {
    /// Somebody may be listening.
    pub(crate) fn capture(&mut self, site: u32, bytes: &Rc<[u8]>) {
        if !self.step.is_multiple_of(CAPTURE_EVERY) {
            return;
        }
        if self.captured.len() >= CAPTURED {
            let place = self.dice.below(CAPTURED as u64) as usize;
            self.captured.swap_remove(place);
        }
        self.captured.push((site, Rc::clone(bytes)));
    }

    /// Sends captured datagrams again, to anybody, in anybody's name.
    pub fn replay(&mut self, count: u64) {
        for _ in 0..count {
            if self.captured.is_empty() {
                return;
            }
            let place = self.dice.below(self.captured.len() as u64) as usize;
            let (_, bytes) = self.captured[place].clone();
            self.attack(&bytes);
        }
    }

    /// Sends what nobody has said: forged objects, altered and cut bytes, noise.
    pub fn forge(&mut self, count: u64) {
        for _ in 0..count {
            let message = match self.dice.below(4) {
                0 => self.forged_announcement(),
                1 => self.forged_record(),
                2 => self.forged_revocation(),
                _ => Message::Observed(charter::lan_address(0)),
            };
            let mut bytes = charter::network_key().seal(&message, self.dice.bytes()).expect("it fits");
            match self.dice.below(4) {
                0 => bytes.truncate(self.dice.below(bytes.len() as u64) as usize),
                1 => {
                    let place = self.dice.below(bytes.len() as u64) as usize;
                    bytes[place] ^= 1 << self.dice.below(8);
                }
                _ => {}
            }
            self.attack(&bytes.into());
        }
    }

    /// Asks everybody on the LANs for everything.
    pub fn flood(&mut self, count: u64) {
        for _ in 0..count {
            let all = BucketSet(u64::MAX);
            let message = match self.dice.below(2) {
                0 => Message::Pull { members: all, announcements: all },
                _ => Message::Bundle(Bundle::default()),
            };
            let bytes = charter::network_key().seal(&message, self.dice.bytes()).expect("it fits");
            self.attack(&bytes.into());
        }
    }

    fn attack(&mut self, bytes: &Rc<[u8]>) {
        let sites = self.sites.len() as u64;
        let (victim, in_name_of) = (self.dice.below(sites) as u32, self.dice.below(sites) as u32);
        self.deliver(victim, victim, charter::lan_address(in_name_of), bytes);
    }

    /// In the name of a real site, newer than anything it has said, with a key that is not its own.
    fn forged_announcement(&mut self) -> Message {
        let victim = self.dice.below(self.sites.len() as u64) as u32;
        let announcement = Announcement {
            network: network_id(&charter::root()),
            site: charter::id(victim),
            boot_epoch: 1_000_000,
            sequence: 1,
            capabilities: Capabilities::default(),
            roster_digest: self.dice.bytes(),
            uplinks: charter::uplinks(NOBODY, 1),
        };
        Message::Announce(announcement.sign(&charter::key(NOBODY)).expect("by the rules").into_unverified())
    }

    /// Makes a stranger a member, with a signer's name and a stranger's signature, or by a signer that is none.
    fn forged_record(&mut self) -> Message {
        let signer = if self.dice.per_mille(500) { charter::signer(0) } else { charter::key(NOBODY) };
        let record = SiteRecord {
            network: network_id(&charter::root()),
            signer: IdentityKey::from(&signer),
            identity: IdentityKey::from(&charter::key(NOBODY)),
            serial: 1,
            member_since_s: 0,
            validity: Validity { not_before_s: charter::BEGIN_S, not_after_s: charter::BEGIN_S + 86_400 },
            roles: Roles::SITE,
            name: "nobody".parse().expect("a name"),
            prefixes: vec![charter::prefix(NOBODY)],
        };
        let records = vec![record.sign(&charter::key(NOBODY)).expect("by the rules").into_unverified()];
        Message::Bundle(Bundle { records, ..Bundle::default() })
    }

    fn forged_revocation(&mut self) -> Message {
        let signer = if self.dice.per_mille(500) { charter::signer(0) } else { charter::key(NOBODY) };
        let victim: &Site = &self.sites[self.dice.below(self.sites.len() as u64) as usize];
        let revocation = Revocation {
            network: network_id(&charter::root()),
            signer: IdentityKey::from(&signer),
            site: victim.id,
            revoked_s: charter::BEGIN_S,
        };
        let revocations = vec![revocation.sign(&charter::key(NOBODY)).expect("by the rules").into_unverified()];
        Message::Bundle(Bundle { revocations, ..Bundle::default() })
    }
}
