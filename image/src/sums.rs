//! `SHA256SUMS`, and the hashes that pins and cache keys are made of.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

/// SHA-256 of bytes in memory, in hexadecimal.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Checks a file against its pin.
///
/// # Errors
/// When the hash differs; the message names both.
pub fn check(path: &Path, expected_hex: &str) -> Result<()> {
    let found = of_file(path)?;
    ensure!(found == expected_hex, "{} has SHA-256 {found}, but {expected_hex} is pinned", path.display());
    Ok(())
}

/// Writes `SHA256SUMS` beside the named files, in the format of `sha256sum -c`.
///
/// # Errors
/// When one of them is missing.
pub fn write(directory: &Path, names: &[String]) -> Result<()> {
    let mut lines = String::new();
    for name in names {
        lines.push_str(&format!("{}  {name}\n", of_file(&directory.join(name))?));
    }
    std::fs::write(directory.join("SHA256SUMS"), lines).context("write SHA256SUMS")
}
