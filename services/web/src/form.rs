//! Fields of a form or a query.
//!
//! *Does*: decode `application/x-www-form-urlencoded` within limits.
//! *Never does*: take two values for one name: that is refused as a whole.

use std::collections::BTreeMap;

use crate::limits;

/// Decoded fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Decodes a body or a query. `None` if it has a name twice, too many fields, or control characters that no form field sends.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            let odd = |letter: char| letter.is_control() && !matches!(letter, '\r' | '\n' | '\t');
            if fields.len() >= limits::FORM_FIELDS || value.contains(odd) {
                return None;
            }
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// A field's text as typed; empty if it is not there.
    #[must_use]
    pub fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field's text without spaces around it.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets a field, for first values of a form.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_missing_ones_are_empty() {
        let form = Form::parse(b"a=1+2&b=%C3%A4&c=").unwrap();
        assert_eq!((form.raw("a"), form.raw("b"), form.raw("c"), form.raw("d")), ("1 2", "\u{e4}", "", ""));
    }

    #[test]
    fn two_values_for_one_name_are_refused() {
        assert_eq!(Form::parse(b"a=1&a=2"), None);
        assert_eq!(Form::parse(b"a=%00"), None);
    }

    #[test]
    fn the_number_of_fields_holds_at_the_limit_and_one_above() {
        let fields = |count: usize| (0..count).map(|i| format!("f{i}=x&")).collect::<String>();
        assert!(Form::parse(fields(limits::FORM_FIELDS).as_bytes()).is_some());
        assert!(Form::parse(fields(limits::FORM_FIELDS + 1).as_bytes()).is_none());
    }
}
