//! What the boot loader says of this boot, through EFI variables.
//!
//! *Does*: read which entry was started, and from which partition.
//! *Never does*: write a variable: the file system is mounted read-only.
//! *Spec*: systemd "Boot Loader Interface"; Linux `Documentation/filesystems/efivarfs.rst`.

use std::{fs, path::Path};

use uuid::Uuid;

use crate::uki::Name;

/// Where the variables are mounted.
pub const MOUNT_POINT: &str = "/sys/firmware/efi/efivars";
const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// A variable that is longer is not ours.
const VALUE_BYTES_MAX: usize = 4096;

/// The partition that the boot entry was loaded from; else the boot loader's own.
#[must_use]
pub fn loader_partition() -> Option<Uuid> {
    ["StubDevicePartUUID", "LoaderDevicePartUUID"].into_iter().find_map(|name| Uuid::parse_str(read(name)?.trim()).ok())
}

/// The slot's boot entry that was started, with its counter as it stands on the disk now.
#[must_use]
pub fn entry() -> Option<Name> {
    // The path that the loader counted is the file's name after counting; the other two may lack the counter.
    ["LoaderBootCountPath", "StubImageIdentifier", "LoaderEntrySelected"]
        .into_iter()
        .find_map(|name| Name::parse(&read(name)?))
}

/// Path of the boot entry on its partition, with slashes.
#[must_use]
pub fn entry_path() -> Option<String> {
    Some(read("StubImageIdentifier")?.replace('\\', "/").trim_start_matches('/').to_owned())
}

fn read(name: &str) -> Option<String> {
    decode(&fs::read(Path::new(MOUNT_POINT).join(format!("{name}-{VENDOR}"))).ok()?)
}

/// Four bytes of attributes, then UTF-16 that may end with a zero.
fn decode(bytes: &[u8]) -> Option<String> {
    let (_attributes, value) = bytes.split_first_chunk::<4>()?;
    let value = value.get(..value.len().min(VALUE_BYTES_MAX))?;
    let units = value.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
    char::decode_utf16(units.take_while(|unit| *unit != 0)).collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_attributes_and_utf_16() {
        assert_eq!(decode(b"\x06\0\0\0p\x002\0a\0\0\0x\0").as_deref(), Some("p2a"));
        assert_eq!(decode(b"\x06\0\0\0").as_deref(), Some(""));
        assert_eq!(decode(b"\x06\0\0"), None);
        assert_eq!(decode(b"\x06\0\0\0\x00\xd8x\0"), None);
    }
}
