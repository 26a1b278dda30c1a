//! Kernel configuration: what the fragments ask for, and what a built configuration says.
//!
//! *Does*: reads `CONFIG_X=value` and `# CONFIG_X is not set`, and names what differs.
//! *Never does*: resolve dependencies; that is the kernel's own `olddefconfig`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// One symbol and the value asked for; `n` for "is not set".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// With its prefix: `CONFIG_SMP`.
    pub name: String,
    /// `y`, `n`, a number, or a quoted string.
    pub value: String,
}

impl Symbol {
    /// The line as Kconfig writes it.
    #[must_use]
    pub fn line(&self) -> String {
        if self.value == "n" { format!("# {} is not set", self.name) } else { format!("{}={}", self.name, self.value) }
    }

    fn parse(line: &str) -> Option<Self> {
        if let Some(name) = line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
            return name.starts_with("CONFIG_").then(|| Self { name: name.to_owned(), value: "n".to_owned() });
        }
        let (name, value) = line.split_once('=')?;
        name.starts_with("CONFIG_").then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// The symbols of one fragment or configuration, in its order.
#[must_use]
pub fn parse(text: &str) -> Vec<Symbol> {
    text.lines().filter_map(|line| Symbol::parse(line.trim())).collect()
}

/// The symbols of all `*.config` files of a directory, in the order of the file names.
///
/// # Errors
/// When a file cannot be read or a symbol is asked for twice.
pub fn read_fragments(directory: &Path) -> Result<Vec<Symbol>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "config"));
    files.sort();
    let mut symbols: Vec<Symbol> = Vec::new();
    for file in files {
        for symbol in parse(&std::fs::read_to_string(&file)?) {
            let twice = symbols.iter().any(|other| other.name == symbol.name);
            ensure!(!twice, "{} is asked for twice, the second time in {}", symbol.name, file.display());
            symbols.push(symbol);
        }
    }
    Ok(symbols)
}

/// The lines of `asked` that a built configuration does not hold. An absent symbol counts as not set.
#[must_use]
pub fn missing(asked: &[Symbol], built: &str) -> Vec<String> {
    let built: BTreeMap<String, String> = parse(built).into_iter().map(|symbol| (symbol.name, symbol.value)).collect();
    let holds = |symbol: &&Symbol| built.get(&symbol.name).map_or("n", String::as_str) == symbol.value;
    asked.iter().filter(|symbol| !holds(symbol)).map(Symbol::line).collect()
}

/// `CONFIG_LOCALVERSION` without its quotes.
#[must_use]
pub fn local_version(asked: &[Symbol]) -> &str {
    let found = asked.iter().find(|symbol| symbol.name == "CONFIG_LOCALVERSION");
    found.map_or("", |symbol| symbol.value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "# A comment.\nCONFIG_SMP=y\n# CONFIG_KEXEC is not set\nCONFIG_LOCALVERSION=\"-x\"\n";

    #[test]
    fn comments_are_not_symbols_and_unset_symbols_are() {
        let symbols = parse(ASKED);
        let lines: Vec<String> = symbols.iter().map(Symbol::line).collect();
        assert_eq!(lines, ["CONFIG_SMP=y", "# CONFIG_KEXEC is not set", "CONFIG_LOCALVERSION=\"-x\""]);
        assert_eq!(local_version(&symbols), "-x");
    }

    #[test]
    fn a_symbol_that_did_not_come_out_is_named() {
        assert_eq!(
            missing(&parse(ASKED), "CONFIG_LOCALVERSION=\"-x\"\nCONFIG_KEXEC=y\n"),
            ["CONFIG_SMP=y", "# CONFIG_KEXEC is not set"]
        );
        assert!(missing(&parse(ASKED), "CONFIG_SMP=y\nCONFIG_LOCALVERSION=\"-x\"\n").is_empty());
    }

    #[test]
    fn a_symbol_asked_for_twice_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.config"), "CONFIG_SMP=y\n").unwrap();
        std::fs::write(directory.path().join("b.config"), "CONFIG_SMP=y\n").unwrap();
        assert!(read_fragments(directory.path()).is_err());
    }
}
