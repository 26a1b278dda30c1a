//! The recovery file: the root's secret as a person keeps it.
//!
//! *Never does*: keep the secret anywhere.
//! *Spec*: `docs/membership.md`, section "Keys".

use ed25519_dalek::SigningKey;
use patronus_types::{NetworkId, RootSecret};

use crate::{IdentityKey, network_id};

/// The network that this root is the root of.
#[must_use]
pub fn network_of(root: &RootSecret) -> NetworkId {
    network_id(&IdentityKey::from(&SigningKey::from_bytes(&root.0)))
}

/// The whole file. It begins with the network's id, so that two files can be told apart.
#[must_use]
pub fn recovery_text(root: &RootSecret) -> String {
    format!(
        "Patronus recovery key\n\n\
         network  {}\n\
         key      {}\n\n\
         This is the only copy. Keep it off line and in two places, such as on paper and on a stick in a safe.\n\
         It is needed when the box that makes tokens is lost, and in ten years to prolong that box's right to make them.\n\
         Whoever has it can admit sites to the network and throw sites out of it.\n",
        network_of(root),
        root.to_hex()
    )
}

/// The key in a recovery file, or the key alone.
#[must_use]
pub fn parse_recovery(text: &str) -> Option<RootSecret> {
    let named = text.lines().find_map(|line| line.trim().strip_prefix("key "));
    named.unwrap_or(text).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_file_names_the_network_and_holds_the_key() {
        let root = RootSecret([7; 32]);
        let text = recovery_text(&root);
        let word = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!(word("key"), Some("07".repeat(32).as_str()));
        assert_eq!(word("network"), Some(network_of(&root).to_string().as_str()));
        let read = |text: &str| parse_recovery(text).map(|root| root.0);
        assert_eq!((read(&text), read(&root.to_hex()), read("key")), (Some(root.0), Some(root.0), None));
    }
}
