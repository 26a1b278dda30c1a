//! Sections of a PE32+ program, as far as a UKI needs them.
//!
//! *Does*: lists sections, reads one, appends some. *Never does*: relocate or sign.
//! *Spec*: Microsoft PE format (COFF header, optional header PE32+, section table).

use anyhow::{Context as _, Result, bail, ensure};

const COFF_BYTES: usize = 20;
const SECTION_HEADER_BYTES: usize = 40;
const PE32_PLUS: u16 = 0x20b;
/// Initialised data, readable.
const READABLE_DATA: u32 = 0x4000_0040;

/// A program in memory whose headers were checked.
#[derive(Debug, Clone)]
pub struct Program {
    bytes: Vec<u8>,
    coff: usize,
    section_table: usize,
}

/// One section as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Up to eight characters.
    pub name: String,
    virtual_bytes: u32,
    address: u32,
    file_bytes: u32,
    file_offset: u32,
}

impl Program {
    /// # Errors
    /// When the bytes are not a 64-bit PE program with whole headers.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        ensure!(bytes.get(..2) == Some(b"MZ"), "no DOS header");
        let signature = usize::try_from(u32_at(&bytes, 0x3c)?)?;
        ensure!(bytes.get(signature..signature + 4) == Some(b"PE\0\0"), "no PE signature");
        let coff = signature + 4;
        ensure!(u16_at(&bytes, coff + COFF_BYTES)? == PE32_PLUS, "not a 64-bit program");
        let section_table = coff + COFF_BYTES + usize::from(u16_at(&bytes, coff + 16)?);
        let program = Self { bytes, coff, section_table };
        program.sections()?;
        Ok(program)
    }

    /// # Errors
    /// When the section table is cut off.
    pub fn sections(&self) -> Result<Vec<Section>> {
        (0..self.section_count()?)
            .map(|index| self.section_at(self.section_table + index * SECTION_HEADER_BYTES))
            .collect()
    }

    /// The bytes of a section, without padding.
    ///
    /// # Errors
    /// When there is none of that name or it lies outside the file.
    pub fn contents(&self, name: &str) -> Result<&[u8]> {
        let section = self.sections()?.into_iter().find(|section| section.name == name);
        let section = section.with_context(|| format!("no section {name}"))?;
        let start = usize::try_from(section.file_offset)?;
        let length = usize::try_from(section.virtual_bytes.min(section.file_bytes))?;
        self.bytes.get(start..start + length).with_context(|| format!("{name} lies outside the file"))
    }

    /// Appends sections behind all others, in memory and in the file.
    ///
    /// # Errors
    /// When the header has no room for them or the program carries a signature, which this would break.
    pub fn append(&mut self, sections: &[(&str, &[u8])]) -> Result<()> {
        let directories = self.optional() + 112;
        ensure!(u32_at(&self.bytes, directories + 4 * 8)? == 0, "the program is signed already");
        let file_align = u32_at(&self.bytes, self.optional() + 36)?;
        let memory_align = u32_at(&self.bytes, self.optional() + 32)?;
        ensure!(file_align.is_power_of_two() && memory_align.is_power_of_two(), "alignment is not a power of two");
        for (name, contents) in sections {
            self.append_one(name, contents, file_align, memory_align)
                .with_context(|| format!("append section {name}"))?;
        }
        self.put_u32(self.optional() + 64, 0)
    }

    /// The finished file.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn append_one(&mut self, name: &str, contents: &[u8], file_align: u32, memory_align: u32) -> Result<()> {
        let count = self.section_count()?;
        let header = self.section_table + count * SECTION_HEADER_BYTES;
        let headers_bytes = usize::try_from(u32_at(&self.bytes, self.optional() + 60)?)?;
        ensure!(header + SECTION_HEADER_BYTES <= headers_bytes, "no room in the section table");
        ensure!(!contents.is_empty() && name.len() <= 8, "empty, or a name of more than eight characters");

        let taken = self.sections()?.iter().map(|section| section.address.saturating_add(section.virtual_bytes)).max();
        let address = taken.unwrap_or(0).checked_next_multiple_of(memory_align).context("address space is full")?;
        let length = u32::try_from(contents.len())?;
        let offset = u32::try_from(self.bytes.len())?.next_multiple_of(file_align);
        let file_bytes = length.next_multiple_of(file_align);
        self.bytes.resize(usize::try_from(offset)?, 0);
        self.bytes.extend_from_slice(contents);
        self.bytes.resize(usize::try_from(offset + file_bytes)?, 0);

        let mut padded_name = [0; 8];
        for (to, from) in padded_name.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        self.put(header, &padded_name)?;
        for (index, value) in [length, address, file_bytes, offset, 0, 0, 0, READABLE_DATA].into_iter().enumerate() {
            self.put_u32(header + 8 + index * 4, value)?;
        }
        self.put(self.coff + 2, &u16::try_from(count + 1)?.to_le_bytes())?;
        let image_bytes = (address + length).next_multiple_of(memory_align);
        self.put_u32(self.optional() + 56, image_bytes)
    }

    fn section_count(&self) -> Result<usize> {
        u16_at(&self.bytes, self.coff + 2).map(usize::from)
    }

    fn section_at(&self, header: usize) -> Result<Section> {
        let name = self.bytes.get(header..header + 8).context("the section table is cut off")?;
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        let field = |index: usize| u32_at(&self.bytes, header + 8 + index * 4);
        Ok(Section {
            name,
            virtual_bytes: field(0)?,
            address: field(1)?,
            file_bytes: field(2)?,
            file_offset: field(3)?,
        })
    }

    fn optional(&self) -> usize {
        self.coff + COFF_BYTES
    }

    fn put_u32(&mut self, at: usize, value: u32) -> Result<()> {
        self.put(at, &value.to_le_bytes())
    }

    fn put(&mut self, at: usize, value: &[u8]) -> Result<()> {
        let Some(place) = self.bytes.get_mut(at..at + value.len()) else {
            bail!("a header field lies outside the file")
        };
        place.copy_from_slice(value);
        Ok(())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk).context("a header field lies outside the file")?;
    Ok(u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk).context("a header field lies outside the file")?;
    Ok(u32::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest header that parses: no sections, room for a few.
    fn empty_program() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        bytes[0x44 + 16] = 240;
        bytes[0x58..0x5a].copy_from_slice(&PE32_PLUS.to_le_bytes());
        bytes[0x58 + 32..0x58 + 36].copy_from_slice(&4096_u32.to_le_bytes());
        bytes[0x58 + 36..0x58 + 40].copy_from_slice(&512_u32.to_le_bytes());
        bytes[0x58 + 60..0x58 + 64].copy_from_slice(&1024_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn appended_sections_read_back_unchanged_and_do_not_overlap() {
        let mut program = Program::parse(empty_program()).unwrap();
        let (small, large) = (vec![7; 3], vec![9; 5000]);
        program.append(&[(".one", &small), (".two", &large)]).unwrap();
        let program = Program::parse(program.into_bytes()).unwrap();
        assert_eq!(program.contents(".one").unwrap(), small);
        assert_eq!(program.contents(".two").unwrap(), large);
        let sections = program.sections().unwrap();
        assert!(sections[0].address + sections[0].virtual_bytes <= sections[1].address);
        assert!(sections[0].file_offset + sections[0].file_bytes <= sections[1].file_offset);
    }

    #[test]
    fn a_full_section_table_and_a_signed_program_are_refused() {
        let mut program = Program::parse(empty_program()).unwrap();
        let room = (1024 - program.section_table) / SECTION_HEADER_BYTES;
        for _ in 0..room {
            program.append(&[(".x", b"x")]).unwrap();
        }
        assert!(program.append(&[(".x", b"x")]).is_err());

        let mut signed = empty_program();
        signed[0x58 + 112 + 32] = 1;
        assert!(Program::parse(signed).unwrap().append(&[(".x", b"x")]).is_err());
    }

    #[test]
    fn cut_headers_are_refused() {
        let whole = empty_program();
        for length in [0, 1, 0x3c, 0x43, 0x58] {
            assert!(Program::parse(whole[..length].to_vec()).is_err(), "{length}");
        }
    }
}
