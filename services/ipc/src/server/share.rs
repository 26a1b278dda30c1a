//! How many connections each caller has.
//!
//! *Does*: give every user the same share, so that one service that opens connections without end locks out itself only.
//! *Never does*: wait for a place.
//! *Spec*: `docs/ipc.md`, section "Callers".

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;

/// Connections of one service at a time; there are fewer than ten services, each with a few connections.
pub(super) const MAX_CLIENTS: usize = 64;
/// Connections of one user id among them.
pub(super) const MAX_CLIENTS_PER_UID: usize = 16;

/// Why there is no place. The connection is closed unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Full {
    /// The caller has [`MAX_CLIENTS_PER_UID`] connections.
    #[error("too many connections of this user")]
    Caller,
    /// All callers together have [`MAX_CLIENTS`].
    #[error("too many connections")]
    Service,
}

/// The connections of one service, by user id.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients(Arc<Mutex<BTreeMap<u32, usize>>>);

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    uid: u32,
    clients: Clients,
}

impl Clients {
    /// A place for one more connection of this user.
    pub(super) fn admit(&self, uid: u32) -> Result<Place, Full> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.values().sum::<usize>() >= MAX_CLIENTS {
            return Err(Full::Service);
        }
        let count = counts.entry(uid).or_default();
        if *count >= MAX_CLIENTS_PER_UID {
            return Err(Full::Caller);
        }
        *count = count.saturating_add(1);
        Ok(Place { uid, clients: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count = count.saturating_sub(1);
        }
        counts.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_its_share_and_not_one_more_and_others_get_theirs() {
        let clients = Clients::default();
        let mut places: Vec<Place> = (0..MAX_CLIENTS_PER_UID).map(|_| clients.admit(1).unwrap()).collect();
        assert_eq!(clients.admit(1).map(drop), Err(Full::Caller));
        clients.admit(2).unwrap();
        places.pop();
        clients.admit(1).unwrap();
    }

    #[test]
    fn all_users_together_get_as_much_as_there_is_and_not_one_more() {
        let clients = Clients::default();
        let uids = (0_u32..).flat_map(|uid| [uid; MAX_CLIENTS_PER_UID]);
        let places: Vec<Place> = uids.take(MAX_CLIENTS).map(|uid| clients.admit(uid).unwrap()).collect();
        assert_eq!(clients.admit(99).map(drop), Err(Full::Service));
        drop(places);
        clients.admit(99).unwrap();
    }
}
