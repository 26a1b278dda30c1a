//! Names of boot entries on the boot partition, and what counting does to them.
//!
//! *Does*: parse and write `p<sequence><slot>[+left[-done]].efi`.
//! *Never does*: I/O.
//! *Spec*: UAPI.1 Boot Loader Specification, section "Boot counting"; `docs/ARCHITECTURE.md`, section "Boot".

use std::fmt;

use patronus_ipc::init::Slot;

/// Directory of boot entries on their partition.
pub const DIRECTORY: &str = "EFI/Linux";

/// Name of a slot's boot entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The higher one is preferred by the boot loader.
    pub sequence: u32,
    /// The slot that it starts.
    pub slot: Slot,
    /// Tries left and done; a blessed entry has none.
    pub tries: Option<Tries>,
}

/// Boot counting, by the boot loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that the boot loader may still make.
    pub left: u32,
    /// Attempts that it made.
    pub done: u32,
}

impl Name {
    /// Parses a file name, or a path with either kind of slash; the loader may have left out `.efi`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let file = text.rsplit(['\\', '/']).next()?.to_ascii_lowercase();
        let stem = file.strip_suffix(".efi").unwrap_or(&file);
        let (name, tries) = match stem.split_once('+') {
            Some((name, tries)) => (name, Some(Tries::parse(tries)?)),
            None => (stem, None),
        };
        let name = name.strip_prefix('p')?;
        let (digits, slot) = (name.get(..name.len().checked_sub(1)?)?, name.chars().last()?);
        let slot = match slot {
            'a' => Slot::A,
            'b' => Slot::B,
            _ => return None,
        };
        Some(Self { sequence: number(digits)?, slot, tries })
    }

    /// The same entry, good for ever.
    #[must_use]
    pub fn blessed(self) -> Self {
        Self { tries: None, ..self }
    }

    /// The same entry, to be started only if nothing else is left.
    #[must_use]
    pub fn exhausted(self) -> Self {
        Self { tries: Some(Tries { left: 0, done: 3 }), ..self }
    }

    /// Whether the boot loader would rather start something else.
    #[must_use]
    pub fn is_exhausted(self) -> bool {
        self.tries.is_some_and(|tries| tries.left == 0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}{}", self.sequence, slot_letter(self.slot))?;
        match self.tries {
            Some(Tries { left, done: 0 }) => write!(f, "+{left}")?,
            Some(Tries { left, done }) => write!(f, "+{left}-{done}")?,
            None => {}
        }
        f.write_str(".efi")
    }
}

impl Tries {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some((left, done)) => Some(Self { left: number(left)?, done: number(done)? }),
            None => Some(Self { left: number(text)?, done: 0 }),
        }
    }
}

/// `a` or `b`.
#[must_use]
pub fn slot_letter(slot: Slot) -> char {
    match slot {
        Slot::A => 'a',
        Slot::B => 'b',
    }
}

/// Up to nine digits and nothing else; `str::parse` would take a sign.
fn number(digits: &str) -> Option<u32> {
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_of_the_firmware_is_understood() {
        let name = Name::parse("\\EFI\\Linux\\p2a+2-1.efi").unwrap();
        assert_eq!(name, Name { sequence: 2, slot: Slot::A, tries: Some(Tries { left: 2, done: 1 }) });
        assert_eq!(name.blessed().to_string(), "p2a.efi");
        assert_eq!(name.exhausted().to_string(), "p2a+0-3.efi");
    }

    #[test]
    fn other_names_are_not_slots() {
        for other in ["recovery.efi", "p.efi", "pa.efi", "p2c.efi", "p2a+.efi", "p2a+1-.efi", "p+2a.efi", "", "p2é"] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(sequence in 0u32..1_000_000_000, b: bool, tries in proptest::option::of((0u32..9, 0u32..9))) {
            let name = Name {
                sequence,
                slot: if b { Slot::B } else { Slot::A },
                tries: tries.map(|(left, done)| Tries { left, done }),
            };
            prop_assert_eq!(Name::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Name::parse(&text);
        }
    }
}
