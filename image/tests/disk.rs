//! Whole file systems and disks, looked at with tools that did not make them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use patronus_image::fat::FatPartition;
use patronus_image::layout::Layout;
use patronus_image::tree::Tree;
use patronus_image::verity::RootHash;
use patronus_image::{disk, erofs, fat, sums, template, verity};

const EPOCH_S: u64 = 1_767_225_600;

#[test]
fn the_same_tree_gives_the_same_root_hash_and_bytes_from_any_directory() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = make_root(&one.path().join("root"));
    let second = make_root(&two.path().join("root"));
    assert_eq!(first, second);
    assert_eq!(sums::of_file(&one.path().join("root")).unwrap(), sums::of_file(&two.path().join("root")).unwrap());
    succeeds(Command::new("fsck.erofs").arg(one.path().join("root")));
}

#[test]
fn one_flipped_bit_anywhere_in_the_root_fails_verification() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let root_hash = make_root(&root);
    verity::verify(&root, &root_hash).unwrap();
    for block in 0..root_hash.data_blocks {
        flip(&root, block * erofs::BLOCK_BYTES + 1000);
        assert!(verity::verify(&root, &root_hash).is_err(), "block {block}");
        flip(&root, block * erofs::BLOCK_BYTES + 1000);
    }
    verity::verify(&root, &root_hash).unwrap();
}

#[test]
fn the_data_template_is_sound_small_and_reproducible() {
    let packed = template::packed(EPOCH_S).unwrap();
    assert_eq!(packed, template::packed(EPOCH_S).unwrap());
    assert!(packed.len() < 64 << 10, "{} bytes: what is zero belongs left out", packed.len());
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(template::TEMPLATE_BYTES).unwrap();
    for entry in packed.chunks(4 + 4096) {
        let (number, block) = entry.split_first_chunk().unwrap();
        assert_eq!(block.len(), 4096);
        file.as_file().write_all_at(block, u64::from(u32::from_le_bytes(*number)) * 4096).unwrap();
    }
    succeeds(Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(file.path()));
}

#[test]
fn a_disk_passes_the_checks_of_other_tools_and_holds_what_was_put_in() {
    let directory = tempfile::tempdir().unwrap();
    let (root, esp, raw) = (directory.path().join("root"), directory.path().join("esp"), directory.path().join("raw"));
    let root_hash = make_root(&root);
    let layout = Layout::of_this_version().unwrap();
    let files: [(&str, &[u8]); 2] = [("EFI/Linux/p2a+3.efi", b"uki"), ("EFI/Linux/p1b+3.efi", b"uki")];
    let content = FatPartition { label: "ESP", serial: "5a7e0001", files: &files };
    fat::make(&content, &esp, layout.partition("esp").unwrap().size_bytes, EPOCH_S).unwrap();
    disk::write_raw(&raw, &layout, &[("esp", &esp), ("root-a", &root), ("root-b", &root)]).unwrap();

    let report = succeeds(Command::new("/sbin/sgdisk").arg("-v").arg(&raw));
    assert!(report.contains("No problems found"), "{report}");
    let listing = succeeds(Command::new("/sbin/sgdisk").args(["-i", "3"]).arg(&raw));
    assert!(listing.to_lowercase().contains("5a7e0a6e-7061-5472-8f6e-757300000003"), "{listing}");
    for slot in ["root-a", "root-b"] {
        let copy = directory.path().join(slot);
        cut_out(&raw, layout.partition(slot).unwrap().offset_bytes, std::fs::metadata(&root).unwrap().len(), &copy);
        verity::verify(&copy, &root_hash).unwrap();
    }
    let on_disk = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&raw).unwrap()) * 512;
    assert!(on_disk < 16 << 20, "the file is not sparse: {on_disk} bytes");
}

#[test]
fn a_root_larger_than_its_slot_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::of_this_version().unwrap();
    let large = directory.path().join("large");
    let slot = layout.partition("root-a").unwrap();
    File::create(&large).unwrap().set_len(slot.size_bytes).unwrap();
    disk::write_raw(&directory.path().join("raw"), &layout, &[("root-a", &large)]).unwrap();
    File::create(&large).unwrap().set_len(slot.size_bytes + 1).unwrap();
    assert!(disk::write_raw(&directory.path().join("raw"), &layout, &[("root-a", &large)]).is_err());
}

fn make_root(image: &Path) -> RootHash {
    let mut tree = Tree::default();
    for path in ["bin", "etc", "dev"] {
        tree.directory(path, 0o755).unwrap();
    }
    tree.program("init", vec![7; 9000]).unwrap();
    tree.program("bin/web", (0..20_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    tree.data("etc/version", "0.1.0\n").unwrap();
    let data_bytes = erofs::make(&tree, image, EPOCH_S).unwrap();
    verity::append(image, data_bytes).unwrap()
}

fn flip(path: &Path, offset: u64) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn cut_out(disk: &Path, offset: u64, length: u64, to: &Path) {
    let mut from = File::open(disk).unwrap();
    from.seek(SeekFrom::Start(offset)).unwrap();
    std::io::copy(&mut from.take(length), &mut File::create(to).unwrap()).unwrap();
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
