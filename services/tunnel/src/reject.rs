//! What is not carried on, and why.
//!
//! *Does*: give each reason one name, for counters, log, page and tests.

use std::{collections::BTreeMap, fmt};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a datagram or a packet is dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reject { $($(#[doc = $doc])+ $name,)+ }

        impl Reject {
            const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

reasons! {
    /// No message of WireGuard: kind or length.
    NotWireGuard = "not-wireguard",
    /// The first check value is not made with this slot's public key: a stranger.
    Stranger = "stranger",
    /// Too many handshakes a second; the sender was asked to prove its address.
    Cookie = "cookie",
    /// This address has used up its budget of handshakes.
    SourceBudget = "source-budget",
    /// A handshake of a key that is nobody's.
    UnknownPeer = "unknown-peer",
    /// A handshake that does not fit: wrong key, or an answer to no question.
    BadHandshake = "bad-handshake",
    /// A handshake message that was seen before.
    HandshakeReplayed = "handshake-replayed",
    /// Data for a session that does not exist.
    UnknownSession = "unknown-session",
    /// Data that was altered on its way.
    NotAuthentic = "not-authentic",
    /// Data that was received before, or is too late to tell.
    Replayed = "replayed",
    /// A decrypted packet that is not IP, or longer than it says.
    NotIp = "not-ip",
    /// A decrypted packet from an address that is not granted to its site.
    ForeignSource = "foreign-source",
    /// A frame of the device that cannot be cut into packets.
    BadFrame = "bad-frame",
    /// A packet to an address that no peer has.
    NoPeer = "no-peer",
    /// A packet to a peer with which there is no session now.
    NoSession = "no-session",
    /// More packets at once than there is room for.
    Overflow = "overflow",
    /// A packet too long for a relayed path; its sender was told.
    TooLong = "too-long",
    /// A note of another service that is none of those there are, or a device's packet that looks like one.
    NoteMalformed = "note-malformed",
    /// A datagram to be passed on, and this site has not the role.
    RelayNotHere = "relay-not-here",
    /// A datagram that somebody without the role has passed on.
    RelayNotGranted = "relay-not-granted",
    /// A datagram to be passed on that was passed on once already.
    RelayNested = "relay-nested",
    /// A datagram to be passed on to nobody's slot.
    RelayUnknownSite = "relay-unknown-site",
    /// A datagram to be passed on to a slot with which there is no direct session.
    RelayNoPath = "relay-no-path",
    /// More to be passed on than this site's share.
    RelayShare = "relay-share",
    /// A message of STUN to which there was no question.
    StunUnasked = "stun-unasked",
    /// A STUN server's answer without an address.
    StunMalformed = "stun-malformed",
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each reason has occurred.
#[derive(Clone, Debug)]
pub struct Rejects([u64; Reject::ALL.len()]);

impl Default for Rejects {
    fn default() -> Self {
        Self([0; Reject::ALL.len()])
    }
}

impl Rejects {
    /// Counts one.
    pub fn count(&mut self, reason: Reject) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Adds those of another shard.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Those that have occurred, by name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let named = Reject::ALL.iter().zip(self.0).filter(|(_, count)| *count > 0);
        named.map(|(reason, count)| (reason.name().to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_name_and_a_counter_of_its_own() {
        let mut rejects = Rejects::default();
        for reason in Reject::ALL {
            rejects.count(*reason);
        }
        rejects.count(Reject::Replayed);
        assert_eq!(rejects.by_name().len(), Reject::ALL.len());
        assert_eq!(rejects.by_name()["replayed"], 2);
        assert_eq!(rejects.by_name().values().sum::<u64>(), Reject::ALL.len() as u64 + 1);
    }
}
