//! The document as text.
//!
//! *Does*: TOML to [`Document`] and back; both directions agree.
//! *Never does*: accept a field it does not know, a version it does not know, or a text above [`Limit::TOML_BYTES`].
//! *Spec*: TOML 1.0; the shape is that of `patronus_types::Document`.

use patronus_ipc::config::Problem;
use patronus_types::{DOCUMENT_VERSION, Document, Limit};
use serde::Deserialize;

use crate::{rejection::problem, validate::validate};

/// Reads and validates a document: what comes out may become the running one.
///
/// # Errors
/// Everything that is wrong with it; only the first problem if the text cannot be read at all.
pub fn accept(toml: &str) -> Result<Document, Vec<Problem>> {
    let document = parse(toml).map_err(|problem| vec![problem])?;
    let problems = validate(&document);
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

/// Reads a document, without rules across fields.
///
/// # Errors
/// `document-too-large`, `version-missing`, `version-unsupported` or `document-unreadable`.
pub fn parse(toml: &str) -> Result<Document, Problem> {
    if toml.len() > Limit::TOML_BYTES {
        let message = format!("the document has {} bytes; at most {} are allowed", toml.len(), Limit::TOML_BYTES);
        return Err(problem("document-too-large", "", message));
    }
    // The version first: fields of a later version must not be reported as misspelt.
    let header: Header = toml::from_str(toml).map_err(|error| unreadable(toml, &error))?;
    match header.version {
        Some(DOCUMENT_VERSION) => toml::from_str(toml).map_err(|error| unreadable(toml, &error)),
        Some(version) => Err(problem(
            "version-unsupported",
            "version",
            format!("version {version} is not known here; this box reads version {DOCUMENT_VERSION}"),
        )),
        None => {
            Err(problem("version-missing", "version", format!("write \"version = {DOCUMENT_VERSION}\" at the top")))
        }
    }
}

/// Writes a document: the same text for the same document, fields in the order of their declaration.
///
/// # Errors
/// `document-unwritable`, which no document that [`parse`] gives leads to.
pub fn emit(document: &Document) -> Result<String, Problem> {
    let toml = toml::to_string(document).map_err(|error| problem("document-unwritable", "", error.to_string()))?;
    // Before the first table stand the lists of tables that are empty. Whoever adds a table of that name would have it twice.
    let head = toml.find("\n[").map_or(toml.len(), |at| at.saturating_add(1));
    let (head, tables) = toml.split_at_checked(head).unwrap_or((&toml, ""));
    let head = head.split_inclusive('\n').filter(|line| !line.ends_with(" = []\n"));
    let tables: Vec<String> = tables.split("\n\n").filter_map(table).collect();
    Ok(head.collect::<String>() + tables.join("\n\n").trim_end() + "\n")
}

/// A table of the text, without lists and tables that say nothing where that is what a document without them says.
fn table(text: &str) -> Option<String> {
    if !["[discovery]", "[guard]", "[policy]", "[policy.class]"].iter().any(|name| text.starts_with(name)) {
        return Some(text.to_owned());
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.ends_with(" = []")).collect();
    (lines.len() > 1).then(|| lines.join("\n"))
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Header {
    version: Option<u32>,
}

fn unreadable(toml: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().and_then(|span| toml.get(..span.start)).map(|before| {
        let line = before.matches('\n').count().saturating_add(1);
        format!("line {line}")
    });
    problem("document-unreadable", at.unwrap_or_default(), error.message())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_document, document};

    #[test]
    fn a_small_document_gets_the_rest_by_default() {
        let toml = "version = 1\n[site]\nname = \"hq\"\ntimezone = \"UTC\"\n[lan]\nports = [\"eth1\"]\naddress = \"192.168.42.1/24\"\n";
        let document = accept(toml).unwrap();
        assert_eq!(document.clock.servers.len(), 4);
        assert!(document.uplinks.is_empty());
        let written = emit(&document).unwrap();
        assert!(!written.contains(" = []"), "nothing that stands in the way of a table: {written}");
        assert_eq!(
            accept(&format!("{written}\n[[uplink]]\nname = \"wan\"\nport = \"eth0\"\n")).unwrap().uplinks.len(),
            1
        );
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_line() {
        let toml = emit(&document(1)).unwrap().replace("timezone", "timezome");
        let problem = parse(&toml).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.at.as_str()), ("document-unreadable", "line 5"));
        assert!(problem.message.contains("timezome"), "{}", problem.message);
    }

    #[test]
    fn a_later_version_is_named_as_such_and_not_as_misspelt() {
        let toml = emit(&document(1)).unwrap().replace("version = 1", "version = 2\nnovelty = true");
        assert_eq!(parse(&toml).unwrap_err().code, "version-unsupported");
        assert_eq!(parse("").unwrap_err().code, "version-missing");
        assert_eq!(parse("version = 1 = 2").unwrap_err().code, "document-unreadable");
    }

    #[test]
    fn a_text_at_the_limit_is_read_and_one_byte_more_is_refused() {
        let toml = emit(&document(1)).unwrap();
        let padding = Limit::TOML_BYTES - toml.len();
        let full = format!("{}{toml}", "#".repeat(padding - 1) + "\n");
        assert_eq!(full.len(), Limit::TOML_BYTES);
        assert_eq!(parse(&full).unwrap(), document(1));
        assert_eq!(parse(&format!("#{full}")).unwrap_err().code, "document-too-large");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(document in any_document()) {
            let toml = emit(&document).unwrap();
            prop_assert_eq!(parse(&toml).unwrap(), document.clone());
            prop_assert_eq!(emit(&parse(&toml).unwrap()).unwrap(), toml);
        }

        #[test]
        fn noise_is_refused_and_never_a_panic(noise: String) {
            prop_assert!(accept(&noise).is_err());
        }
    }
}
