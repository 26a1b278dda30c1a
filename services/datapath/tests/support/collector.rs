//! A collector that knows of IPFIX what RFC 7011 and RFC 5103 say, and nothing of who sends.
//!
//! *Never does*: trust a length.

use std::collections::BTreeMap;

/// What one flow is told by: element to value; a reverse element is 100,000 more.
pub type Record = BTreeMap<u32, u128>;

pub const REVERSE: u32 = 100_000;

/// What one exporter has said so far.
#[derive(Debug, Default)]
pub struct Collector {
    templates: BTreeMap<u16, Vec<(u32, usize)>>,
    next_sequence: u32,
    pub domain: u32,
    pub records: Vec<Record>,
    pub templates_heard: usize,
}

impl Collector {
    /// One datagram.
    pub fn hear(&mut self, message: &[u8]) -> Result<(), String> {
        let (header, mut sets) = message.split_at_checked(16).ok_or("no header")?;
        let (version, length) = (number(&header[..2]), number(&header[2..4]));
        if version != 10 || length != message.len() as u128 {
            return Err(format!("version {version}, length {length} of {}", message.len()));
        }
        let sequence = number(&header[8..12]) as u32;
        if sequence != self.next_sequence {
            return Err(format!("sequence {sequence}, not {}", self.next_sequence));
        }
        self.domain = number(&header[12..16]) as u32;
        while !sets.is_empty() {
            let length = sets.get(2..4).map(number).ok_or("no set")? as usize;
            let set = sets.get(4..length).ok_or("a set longer than the message, or shorter than its header")?;
            match number(&sets[..2]) as u16 {
                2 => self.learn(set)?,
                id @ 256.. => self.read(id, set)?,
                other => return Err(format!("set {other}")),
            }
            sets = &sets[length..];
        }
        Ok(())
    }

    fn learn(&mut self, mut set: &[u8]) -> Result<(), String> {
        // What is shorter than a template is padding.
        while set.len() >= 4 {
            let (id, count) = (number(&set[..2]) as u16, number(&set[2..4]));
            set = &set[4..];
            let mut fields = Vec::new();
            for _ in 0..count {
                let (element, bytes) = (set.get(..2).map(number), set.get(2..4).map(number));
                let (element, bytes) = (element.ok_or("cut")? as u32, bytes.ok_or("cut")? as usize);
                set = &set[4..];
                let mut place = element & 0x7fff;
                if element & 0x8000 != 0 {
                    let enterprise = set.get(..4).map(number).ok_or("cut")?;
                    set = &set[4..];
                    if enterprise != 29_305 {
                        return Err(format!("enterprise {enterprise}"));
                    }
                    place += REVERSE;
                }
                if bytes == 0 || bytes > 16 {
                    return Err(format!("{bytes} bytes"));
                }
                fields.push((place, bytes));
            }
            self.templates.insert(id, fields);
            self.templates_heard += 1;
        }
        Ok(())
    }

    fn read(&mut self, id: u16, mut set: &[u8]) -> Result<(), String> {
        let fields = self.templates.get(&id).ok_or_else(|| format!("data before its template {id}"))?;
        let whole: usize = fields.iter().map(|(_, bytes)| bytes).sum();
        while set.len() >= whole {
            let mut record = Record::new();
            for (element, bytes) in fields {
                record.insert(*element, number(&set[..*bytes]));
                set = &set[*bytes..];
            }
            self.records.push(record);
            self.next_sequence = self.next_sequence.wrapping_add(1);
        }
        if set.is_empty() { Ok(()) } else { Err(format!("{} bytes more", set.len())) }
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}
