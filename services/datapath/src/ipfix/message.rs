//! Messages: a header, and sets of records.
//!
//! *Spec*: RFC 7011 sections 3.1 to 3.3; section 8.1 (templates come again by UDP).

use super::{
    Moment,
    template::{Form, Record},
};
use crate::limit::MESSAGE_BYTES;

/// RFC 7011 section 3.1.
const VERSION: u16 = 10;
const HEADER_BYTES: usize = 16;
/// RFC 7011 section 3.3.2.
const TEMPLATE_SET: u16 = 2;
const SET_HEADER_BYTES: usize = 4;

/// A message that is being filled.
#[derive(Debug)]
pub(super) struct Message {
    domain: u32,
    /// Records in all messages before this.
    sequence: u32,
    records: u32,
    /// Sets that are whole.
    sets: Vec<u8>,
    /// The set that is being filled.
    open: Option<(Form, Vec<u8>)>,
}

impl Message {
    pub(super) const fn new(domain: u32) -> Self {
        Self { domain, sequence: 0, records: 0, sets: Vec::new(), open: None }
    }

    /// A message of its own with all templates; it may come between two of data.
    pub(super) fn templates(&self, now: Moment) -> Vec<u8> {
        let mut templates = Vec::new();
        Form::ALL.iter().for_each(|form| form.put_template(&mut templates));
        let mut sets = Vec::new();
        put_set(TEMPLATE_SET, &templates, &mut sets);
        self.whole(&sets, now)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Whether a record of this form has room.
    pub(super) fn fits(&self, form: Form) -> bool {
        let open = self.open.as_ref().map_or(0, |(_, records)| SET_HEADER_BYTES + records.len());
        let header = if self.is_open(form) { 0 } else { SET_HEADER_BYTES };
        HEADER_BYTES + self.sets.len() + open + header + form.record_bytes() <= MESSAGE_BYTES
    }

    pub(super) fn add(&mut self, record: &Record) {
        if !self.is_open(record.form()) {
            self.close_set();
        }
        let (_, records) = self.open.get_or_insert_with(|| (record.form(), Vec::new()));
        record.put(records);
        self.records = self.records.wrapping_add(1);
    }

    /// The message, if it says anything.
    pub(super) fn take(&mut self, now: Moment) -> Option<Vec<u8>> {
        self.close_set();
        let sets = std::mem::take(&mut self.sets);
        let message = (!sets.is_empty()).then(|| self.whole(&sets, now));
        self.sequence = self.sequence.wrapping_add(std::mem::take(&mut self.records));
        message
    }

    fn is_open(&self, form: Form) -> bool {
        self.open.as_ref().is_some_and(|(open, _)| *open == form)
    }

    fn close_set(&mut self) {
        if let Some((form, records)) = self.open.take() {
            put_set(form.number(), &records, &mut self.sets);
        }
    }

    fn whole(&self, sets: &[u8], now: Moment) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER_BYTES + sets.len());
        message.extend(VERSION.to_be_bytes());
        message.extend(length(HEADER_BYTES + sets.len()));
        // Seconds since 1970 modulo 2^32, which lasts until 2106.
        message.extend((now.unix.as_secs() as u32).to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(self.domain.to_be_bytes());
        message.extend(sets);
        message
    }
}

fn put_set(number: u16, content: &[u8], out: &mut Vec<u8>) {
    out.extend(number.to_be_bytes());
    out.extend(length(SET_HEADER_BYTES + content.len()));
    out.extend(content);
}

/// [`MESSAGE_BYTES`] is far below what the field holds.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}
