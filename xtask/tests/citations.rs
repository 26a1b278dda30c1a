//! What the source cites is there: each `docs/FILE.md`, and each section of it that is named.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path, process::Command};

/// A document, and the sections that are named with it.
#[derive(Debug, PartialEq, Eq)]
struct Citation<'t> {
    document: &'t str,
    sections: Vec<&'t str>,
}

/// All citations of a text.
fn citations(text: &str) -> Vec<Citation<'_>> {
    let places = text.match_indices("`docs/").filter_map(|(at, _)| text.get(at + 1..));
    let cited = places.filter_map(|place| {
        let (document, rest) = place.split_once('`')?;
        document.ends_with(".md").then(|| Citation { document, sections: sections(rest) })
    });
    cited.collect()
}

/// `, section "One"` or `, sections "One" and "Two"`.
fn sections(rest: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = rest.strip_prefix(", sections ").or_else(|| rest.strip_prefix(", section "));
    while let Some((section, behind)) = rest.and_then(|rest| rest.strip_prefix('"')?.split_once('"')) {
        found.push(section);
        rest = behind.strip_prefix(" and ").or_else(|| behind.strip_prefix(", "));
    }
    found
}

#[test]
fn every_document_and_section_that_the_source_cites_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = Command::new("git").arg("-C").arg(root).args(["ls-files", "*.rs", "*.toml"]).output().unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    let (mut count, mut missing) = (0, Vec::new());
    for file in files.lines().filter(|file| *file != "xtask/tests/citations.rs") {
        // A file that was just removed is listed until the next commit.
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        for Citation { document, sections } in citations(&text) {
            count += 1;
            let Ok(contents) = fs::read_to_string(root.join(document)) else {
                missing.push(format!("{file}: {document}"));
                continue;
            };
            let headings: Vec<&str> = contents
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| line.trim_start_matches('#').trim())
                .collect();
            let absent = sections.into_iter().filter(|section| !headings.contains(section));
            missing.extend(absent.map(|section| format!("{file}: {document}, section {section:?}")));
        }
    }
    assert!(count > 40, "only {count} citations were found");
    assert_eq!(missing, Vec::<String>::new(), "cited and not there");
}

#[test]
fn one_section_several_or_none_are_understood() {
    let text = "`docs/a.md`, sections \"One\" and \"Two\". `docs/b.md`, section \"Three\"; `docs/c.md`.";
    let expected = [("docs/a.md", vec!["One", "Two"]), ("docs/b.md", vec!["Three"]), ("docs/c.md", vec![])];
    assert_eq!(citations(text), expected.map(|(document, sections)| Citation { document, sections }));
}
