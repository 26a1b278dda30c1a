//! The kernel command line, as far as it is ours.
//!
//! *Does*: read and parse it.
//! *Never does*: take a second `patronus.root`.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

use std::fs;

use crate::{efi, verity::Root};

/// What the boot entry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The root to run.
    pub root: Root,
    /// Whether this is the recovery entry.
    pub recovery: bool,
}

impl CommandLine {
    /// Reads the whole line; `None` if it names no root, or several.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut roots = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix("patronus.root="));
        let root = Root::parse(roots.next()?)?;
        let recovery = text.split_ascii_whitespace().any(|word| word == "patronus.recovery");
        roots.next().is_none().then_some(Self { root, recovery })
    }

    /// The line of this boot. A copy of the recovery entry under a slot's name is that slot's entry.
    #[must_use]
    pub fn of_this_boot() -> Option<Self> {
        let line = Self::parse(&fs::read_to_string("/proc/cmdline").ok()?)?;
        Some(Self { recovery: line.recovery && efi::entry().is_none(), ..line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_among_other_words_is_found() {
        let hash = "0f".repeat(32);
        let line = CommandLine::parse(&format!("console=ttyS0 patronus.root={hash}:900 quiet\n")).unwrap();
        assert_eq!((line.root.data_blocks, line.recovery), (900, false));
        assert!(CommandLine::parse(&format!("patronus.recovery patronus.root={hash}:900")).unwrap().recovery);
    }

    #[test]
    fn no_root_or_two_are_refused() {
        let root = format!("patronus.root={}:900", "0f".repeat(32));
        assert_eq!(CommandLine::parse("quiet"), None);
        assert_eq!(CommandLine::parse(&format!("{root} {root}")), None);
    }
}
