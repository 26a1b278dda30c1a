use std::io::Write;

use proptest::prelude::*;

use super::*;

const SALT: &[u8] = b"salt";

/// The naive tree: level by level, padded to whole blocks.
fn image(data_blocks: u64) -> (Vec<u8>, Root) {
    let data: Vec<u8> = (0..data_blocks * BLOCK_BYTES).map(|at| (at / 7) as u8).collect();
    let hash = |block: &[u8]| -> Hash { Sha256::new().chain_update(SALT).chain_update(block).finalize().into() };
    let mut tree = Vec::new();
    let mut level = data.clone();
    while level.len() > BLOCK_BYTES as usize {
        let mut above: Vec<u8> = level.chunks(BLOCK_BYTES as usize).flat_map(hash).collect();
        above.resize(above.len().next_multiple_of(BLOCK_BYTES as usize), 0);
        tree.splice(0..0, above.iter().copied());
        level = above;
    }
    let mut superblock = b"verity\0\0\x01\0\0\0\x01\0\0\0".to_vec();
    superblock.extend([0; 16]);
    superblock.extend(b"sha256");
    superblock.resize(64, 0);
    superblock.extend(4096u32.to_le_bytes());
    superblock.extend(4096u32.to_le_bytes());
    superblock.extend(data_blocks.to_le_bytes());
    superblock.extend((SALT.len() as u16).to_le_bytes());
    superblock.extend([0; 6]);
    superblock.extend(SALT);
    superblock.resize(BLOCK_BYTES as usize, 0);
    ([data, superblock, tree].concat(), Root { hash: hash(&level), data_blocks })
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn a_whole_image_passes_at_every_depth() {
    for blocks in [2, 127, 128, 129, 300] {
        let (bytes, root) = image(blocks);
        Tree::open(&file(&bytes), &root).unwrap().check_all().unwrap();
    }
}

#[test]
fn a_second_level_begins_one_block_above_the_fanout() {
    assert_eq!(levels(128), [Level { first: 129, blocks: 1 }]);
    assert_eq!(levels(129), [Level { first: 131, blocks: 2 }, Level { first: 130, blocks: 1 }]);
}

#[test]
fn another_image_is_told_by_its_top() {
    let (bytes, root) = image(130);
    let other = Root { hash: [1; 32], ..root };
    assert!(matches!(Tree::open(&file(&bytes), &other), Err(Mismatch::Top)));
}

#[test]
fn a_slot_without_superblock_is_named_so() {
    let (_, root) = image(2);
    let empty = file(&[0; 8 * BLOCK_BYTES as usize]);
    assert!(matches!(Tree::open(&empty, &root), Err(Mismatch::Superblock(SuperblockError::Missing))));
}

#[test]
fn the_command_line_names_a_hash_and_a_length() {
    let hash = "ab".repeat(32);
    assert_eq!(Root::parse(&format!("{hash}:131072")).unwrap().data_blocks, 131_072);
    for wrong in ["", ":5", "ab:5", &format!("{hash}:1"), &format!("{hash}:131073"), &format!("{hash}:x"), &hash] {
        assert_eq!(Root::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn one_flipped_bit_in_data_or_tree_is_found(at in 0..(130 + 4) * BLOCK_BYTES, bit in 0u8..8) {
        let (mut bytes, root) = image(130);
        // The rest of the superblock's block is not covered: nothing in it is used.
        prop_assume!(at / BLOCK_BYTES != 130);
        bytes[at as usize] ^= 1 << bit;
        let file = file(&bytes);
        let found = Tree::open(&file, &root).and_then(|tree| tree.check_all());
        // Padding behind the last hash of a level is covered by the level above.
        prop_assert!(found.is_err());
    }
}
