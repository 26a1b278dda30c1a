//! The initramfs inside the UKI: `/init` and the empty directories it mounts on.
//!
//! *Does*: writes a `newc` archive, byte for byte the same for the same tree.
//! *Never does*: compress; the caller does.
//! *Spec*: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`.

use anyhow::{Result, ensure};

use crate::tree::{Entry, Tree};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// The archive of `tree`, every time stamp zero.
///
/// # Errors
/// When a file is larger than the format's 32-bit sizes.
pub fn archive(tree: &Tree) -> Result<Vec<u8>> {
    let mut out = Vec::new();

    for (inode, (path, entry)) in (1..).zip(tree.iter()) {
        match entry {
            Entry::Directory { mode } => push(&mut out, inode, path, DIRECTORY | mode, &[])?,
            Entry::File { mode, bytes } => push(&mut out, inode, path, REGULAR | mode, bytes)?,
        }
    }
    push(&mut out, 0, "TRAILER!!!", 0, &[])?;
    Ok(out)
}

/// One member: a header of thirteen 8-digit hexadecimal fields, the name, the bytes, each part padded to 4 bytes.
fn push(out: &mut Vec<u8>, inode: u32, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let size = u32::try_from(bytes.len());
    ensure!(size.is_ok(), "{name} is too large for an initramfs");
    let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
    let name_size = u32::try_from(name.len() + 1)?;
    out.extend_from_slice(b"070701");
    for field in [inode, mode, 0, 0, links, 0, size?, 0, 0, 0, 0, name_size, 0] {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(bytes);
    pad(out);
    Ok(())
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_gives_the_golden_bytes() {
        let mut tree = Tree::default();
        tree.program("init", *b"abc").unwrap();
        let archive = archive(&tree).unwrap();
        let expected = "070701\
            00000001\
            0000816D\
            00000000\
            00000000\
            00000001\
            00000000\
            00000003\
            00000000\
            00000000\
            00000000\
            00000000\
            00000005\
            00000000";
        assert_eq!(&archive[..110], expected.as_bytes());
        assert_eq!(&archive[110..120], b"init\0\0abc\0");
        assert!(archive.windows(10).any(|window| window == b"TRAILER!!!"));
        assert_eq!(archive.len() % 4, 0);
    }
}
