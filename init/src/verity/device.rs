//! The device-mapper device that checks every block of the root as it is read.
//!
//! *Does*: make, load and start one device; a block that does not match, or cannot be read, ends the kernel.
//! *Never does*: remove or change a device.
//! *Spec*: Linux `include/uapi/linux/dm-ioctl.h`, `Documentation/admin-guide/device-mapper/verity.rst`.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use super::{
    superblock::Salt,
    tree::{BLOCK_BYTES, Root},
};
use crate::sys;

/// The first device of the device mapper, and the only one here.
pub const DEVICE: &str = "/dev/dm-0";
const CONTROL: &str = "/dev/mapper/control";
const NAME: &[u8] = b"root";

/// Commands of the device mapper.
const DEV_CREATE: u8 = 3;
const DEV_SUSPEND: u8 = 6;
const TABLE_LOAD: u8 = 9;
const READ_ONLY: u32 = 1;
/// Bytes of `struct dm_ioctl` and `struct dm_target_spec`.
const HEAD_BYTES: usize = 312;
const TARGET_BYTES: usize = 40;

/// Sets up [`DEVICE`] over `partition`.
///
/// # Errors
/// What the kernel says.
pub fn create(partition: &Path, root: &Root, salt: &Salt) -> io::Result<()> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    send(&control, DEV_CREATE, 0, &[])?;
    send(&control, TABLE_LOAD, 1, &target(root, &parameters(partition, root, salt)))?;
    // Without its flag, "suspend" means "resume".
    send(&control, DEV_SUSPEND, 0, &[])
}

fn parameters(partition: &Path, root: &Root, salt: &Salt) -> String {
    let device = partition.display();
    let salt = if salt.is_empty() { "-".to_owned() } else { hex::encode(salt) };
    let (blocks, tree, hash) = (root.data_blocks, root.data_blocks + 1, root.hash_text());
    format!(
        "1 {device} {device} {BLOCK_BYTES} {BLOCK_BYTES} {blocks} {tree} sha256 {hash} {salt} \
         2 panic_on_corruption panic_on_error"
    )
}

fn target(root: &Root, parameters: &str) -> Vec<u8> {
    let mut spec = Vec::with_capacity(TARGET_BYTES + parameters.len() + 8);
    spec.extend(0u64.to_ne_bytes());
    spec.extend((root.data_blocks * BLOCK_BYTES / 512).to_ne_bytes());
    spec.extend([0; 8]);
    spec.extend(b"verity");
    spec.resize(TARGET_BYTES, 0);
    spec.extend(parameters.as_bytes());
    spec.resize((spec.len() + 1).next_multiple_of(8), 0);
    spec
}

fn send(control: &File, command: u8, targets: u32, payload: &[u8]) -> io::Result<()> {
    let length = HEAD_BYTES + payload.len();
    let mut buffer = Vec::with_capacity(length);
    for number in [4, 0, 0, u32::try_from(length).unwrap_or(0), HEAD_BYTES as u32, targets, 0, READ_ONLY, 0, 0] {
        buffer.extend(number.to_ne_bytes());
    }
    buffer.extend([0; 8]);
    buffer.extend(NAME);
    buffer.resize(HEAD_BYTES, 0);
    buffer.extend(payload);
    sys::boot::device_mapper(control, command, &mut buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_block_and_a_bad_read_both_end_the_kernel() {
        let root = Root { hash: [0xab; 32], data_blocks: 5 };
        let text = parameters(Path::new("/dev/vda3"), &root, &vec![1, 2]);
        let hash = "ab".repeat(32);
        let wanted =
            format!("1 /dev/vda3 /dev/vda3 4096 4096 5 6 sha256 {hash} 0102 2 panic_on_corruption panic_on_error");
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_target_is_a_whole_number_of_words_and_ends_with_zero() {
        let spec = target(&Root { hash: [0; 32], data_blocks: 5 }, "12345678");
        assert_eq!((spec.len(), spec.last()), (TARGET_BYTES + 16, Some(&0)));
    }
}
