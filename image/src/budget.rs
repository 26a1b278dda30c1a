//! How large the image may be, from `budgets.toml`.
//!
//! *Does*: says by how much a figure is over its limit. *Never does*: round in our favour.

use anyhow::{Result, ensure};
use serde::Deserialize;

/// The file itself, also read by the tests that measure the running box.
pub const BUDGETS_TOML: &str = include_str!("../budgets.toml");

/// All limits of the appliance.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// EROFS image with its verity tree, as it lies in a slot.
    pub root_bytes: u64,
    /// One slot's UKI.
    pub uki_bytes: u64,
    /// What one downloads (`.raw.zst`).
    pub download_bytes: u64,
    /// `MemTotal - MemAvailable` of the idle box with 256 MiB.
    pub idle_memory_bytes: u64,
    /// User processes of the idle box, PID 1 included.
    pub idle_processes: u32,
    /// Setuid and setgid files in the root.
    pub setuid_files: u32,
}

impl Budgets {
    /// # Errors
    /// When the file has unknown or missing fields.
    pub fn of_this_version() -> Result<Self> {
        Ok(toml::from_str(BUDGETS_TOML)?)
    }
}

/// Compares a size with its limit.
///
/// # Errors
/// When it is over; the message says by how much and where the limit stands.
pub fn check(what: &str, bytes: u64, limit_bytes: u64) -> Result<()> {
    ensure!(
        bytes <= limit_bytes,
        "{what} is {bytes} bytes, {} over its budget of {limit_bytes} (image/budgets.toml)",
        bytes.saturating_sub(limit_bytes)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_at_its_limit_passes_and_one_byte_more_does_not() {
        assert!(check("root image", 16, 16).is_ok());
        let error = check("root image", 17, 16).unwrap_err().to_string();
        assert!(error.contains("root image") && error.contains("1 over"), "{error}");
    }

    #[test]
    fn the_budgets_hold_the_promises_of_the_design() {
        let budgets = Budgets::of_this_version().unwrap();
        assert!(budgets.root_bytes <= 16 << 20);
        assert!(budgets.idle_memory_bytes <= 64 << 20);
        assert_eq!(budgets.setuid_files, 0);
    }
}
