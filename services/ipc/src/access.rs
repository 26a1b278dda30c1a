//! Who may call what, as `init` read it from the manifest.
//!
//! *Does*: look up (user id, operation).
//! *Never does*: grant anything that is not written down; an empty table refuses everybody.
//! *Spec*: `docs/ipc.md`, section "Callers".

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use thiserror::Error;

/// For each user id the operations that it may call. Text form: `10006=watch,apply 10007=watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access(BTreeMap<u32, BTreeSet<String>>);

/// A text that is not an access table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("access table: \"{0}\" is not of the form UID=OPERATION,...")]
pub struct InvalidAccess(String);

impl Access {
    /// Grants one operation to one user.
    pub fn grant(&mut self, uid: u32, operation: &str) {
        self.0.entry(uid).or_default().insert(operation.to_owned());
    }

    /// Whether the user may call the operation.
    #[must_use]
    pub fn allows(&self, uid: u32, operation: &str) -> bool {
        self.0.get(&uid).is_some_and(|operations| operations.contains(operation))
    }

    /// Whether the user may call anything at all; if not, its connection is closed unread.
    #[must_use]
    pub fn knows(&self, uid: u32) -> bool {
        self.0.contains_key(&uid)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (uid, operations)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
            write!(f, "{separator}{uid}={}", operations.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Access {
    type Err = InvalidAccess;

    fn from_str(text: &str) -> Result<Self, InvalidAccess> {
        let mut access = Self::default();
        for word in text.split_whitespace() {
            let invalid = || InvalidAccess(word.to_owned());
            let (uid, operations) = word.split_once('=').ok_or_else(invalid)?;
            let uid = uid.parse().map_err(|_| invalid())?;
            for operation in operations.split(',') {
                if operation.is_empty() {
                    return Err(invalid());
                }
                access.grant(uid, operation);
            }
        }
        Ok(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_is_granted() {
        let access: Access = "10006=watch,apply 10007=watch".parse().unwrap();
        assert!(access.allows(10006, "apply"));
        assert!(!access.allows(10007, "apply"));
        assert!(!access.allows(0, "watch"));
        assert!(!access.knows(0));
        assert_eq!(access.to_string().parse(), Ok(access));
    }

    #[test]
    fn nonsense_is_refused_as_a_whole() {
        for bad in ["10006", "x=watch", "1=", "1=a,,b", "-1=a"] {
            assert!(bad.parse::<Access>().is_err(), "{bad}");
        }
        assert_eq!("".parse(), Ok(Access::default()));
    }
}
