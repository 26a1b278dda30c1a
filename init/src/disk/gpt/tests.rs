use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const DISK_BYTES: u64 = 8 << 20;
const SECTOR: u64 = 512;

fn entry(kind: u128, first: u64, last: u64) -> Entry {
    let mut name = [0; 72];
    name[0] = b'd';
    Entry { kind: Uuid::from_u128(kind), id: Uuid::from_u128(7), first, last, attributes: [0; 8], name }
}

fn table() -> Table {
    let mut entries = vec![entry(0, 0, 0); 128];
    entries[0] = entry(1, 2048, 4095);
    entries[1] = entry(2, 4096, 6143);
    Table {
        disk: Uuid::from_u128(9),
        sector_bytes: SECTOR,
        first_usable: 34,
        last_usable: DISK_BYTES / SECTOR - 34,
        from_backup: false,
        entries,
    }
}

fn put(disk: &mut [u8], writes: &[(u64, Vec<u8>)]) {
    for (offset, bytes) in writes {
        disk[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }
}

fn disk_with(table: &Table) -> Vec<u8> {
    let mut disk = vec![0; DISK_BYTES as usize];
    let copies = table.copies(DISK_BYTES);
    put(&mut disk, &copies.backup);
    put(&mut disk, &copies.primary);
    disk
}

fn read(disk: &[u8]) -> Result<Table, TableError> {
    Table::read(&mut Cursor::new(disk), disk.len() as u64, SECTOR)
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(read(&disk_with(&table())).unwrap(), table());
}

#[test]
fn a_broken_primary_copy_is_answered_by_the_backup() {
    let mut disk = disk_with(&table());
    disk[600] ^= 1;
    let found = read(&disk).unwrap();
    assert!(found.is_from_backup());
    assert_eq!(found.entries(), table().entries());
}

#[test]
fn entries_that_fail_their_checksum_are_answered_by_the_backup() {
    let mut disk = disk_with(&table());
    disk[1024 + 40] ^= 1;
    assert!(read(&disk).unwrap().is_from_backup());
}

#[test]
fn a_disk_without_both_copies_is_not_ours() {
    let mut disk = disk_with(&table());
    disk[600] ^= 1;
    let at = disk.len() - 512 + 20;
    disk[at] ^= 1;
    assert!(matches!(read(&disk), Err(TableError::None)));
}

#[test]
fn only_the_last_partition_grows() {
    assert!(table().grown(0, DISK_BYTES).is_none());
    assert_eq!(table().grown(1, DISK_BYTES).unwrap().entries()[1].last, 14335);
}

#[test]
fn less_than_a_mebibyte_of_room_is_no_growth() {
    let grown = table().grown(1, DISK_BYTES).unwrap();
    assert!(grown.grown(1, DISK_BYTES).is_none());
}

#[test]
fn a_disk_is_cut_when_its_last_usable_sector_is_not_there() {
    let end = (table().last_usable + 1) * SECTOR;
    assert!(!table().is_cut(end));
    assert!(table().is_cut(end - SECTOR));
    let mut long = table();
    long.entries[1].last = long.last_usable + 1;
    assert!(long.is_cut(end), "an entry reaches further than the table allows");
}

#[test]
fn the_table_of_a_cut_disk_is_read_from_its_primary_copy() {
    let mut disk = disk_with(&table());
    disk.truncate(3 << 20);
    assert_eq!(read(&disk).unwrap(), table());
}

#[test]
fn a_cut_disk_holds_what_lies_before_its_end() {
    let table = table();
    assert_eq!(table.part_on(0, DISK_BYTES), Some((2048, 4095)));
    assert_eq!(table.part_on(1, 6144 * SECTOR), Some((4096, 6143)));
    assert_eq!(table.part_on(0, 4096 * SECTOR), Some((2048, 4095)));
    assert_eq!(table.part_on(0, 4095 * SECTOR), None, "its rest would be less than a mebibyte");
    assert_eq!(table.part_on(1, 4096 * SECTOR), None);
    assert_eq!(table.part_on(2, DISK_BYTES), None, "an unused entry");
}

#[test]
fn a_cut_entry_ends_at_a_whole_mebibyte() {
    let mut table = table();
    table.entries[1].last = 16383;
    assert_eq!(table.part_on(1, (8192 + 5) * SECTOR), Some((4096, 8191)));
}

#[test]
fn a_cut_at_any_sector_of_a_rewrite_leaves_the_old_or_the_new_table() {
    let old = table();
    let new = old.grown(1, DISK_BYTES).unwrap();
    let mut disk = disk_with(&old);
    let copies = new.copies(DISK_BYTES);
    for (offset, bytes) in copies.backup.iter().chain(&copies.primary) {
        for (index, sector) in bytes.chunks(512).enumerate() {
            disk[*offset as usize + index * 512..][..512].copy_from_slice(sector);
            let found = read(&disk).unwrap();
            assert!(found.entries() == old.entries() || found.entries() == new.entries());
        }
    }
    assert_eq!(read(&disk).unwrap(), new);
}

proptest! {
    #[test]
    fn no_bytes_make_a_header_panic(noise in proptest::collection::vec(any::<u8>(), 512), length in 92u32..512) {
        let mut sector = noise;
        sector[..8].copy_from_slice(b"EFI PART");
        sector[12..16].copy_from_slice(&length.to_le_bytes());
        sector[16..20].fill(0);
        let crc = crc32fast::hash(&sector[..length as usize]);
        sector[16..20].copy_from_slice(&crc.to_le_bytes());
        let _ = Header::parse(&sector, 1, 1 << 20);
    }
}
