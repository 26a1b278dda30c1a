//! What a person in front of the box reads from its console.

use crate::Console;

/// Bytes of a SHA-256.
const FINGERPRINT_BYTES: usize = 32;

/// The facts of the console's last banner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the page's certificate: hexadecimal, upper case, with colons.
    pub fingerprint: Option<String>,
    /// Only while the box is unclaimed.
    pub claim_code: Option<String>,
}

impl Facts {
    /// Reads the facts from everything that `console` has shown from line `mark` on; what was shown last counts.
    #[must_use]
    pub fn on(console: &Console, mark: usize) -> Self {
        let lines: Vec<String> = console.lines().into_iter().skip(mark).map(|line| line.text).collect();
        Self::parse(&lines)
    }

    fn parse(lines: &[String]) -> Self {
        let mut facts = Self::default();
        for (index, line) in lines.iter().enumerate() {
            let words = line.to_lowercase();
            if words.contains("fingerprint") {
                facts.fingerprint = fingerprint(lines.get(index..).unwrap_or_default()).or(facts.fingerprint);
            }
            if words.contains("claim code") {
                facts.claim_code = line.split_whitespace().next_back().filter(|word| is_code(word)).map(str::to_owned);
            }
        }
        facts
    }
}

/// A claim code is made of capitals and digits in groups.
fn is_code(word: &str) -> bool {
    word.len() >= 8 && word.chars().all(|c| c == '-' || c.is_ascii_digit() || c.is_ascii_uppercase())
}

/// The fingerprint that begins on the first line; a narrow console breaks it.
fn fingerprint(lines: &[String]) -> Option<String> {
    let is_pair = |word: &&str| word.len() == 2 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = lines.iter().take(4).flat_map(|line| line.split([' ', ':', '\t']));
    let pairs: Vec<String> = words.filter(is_pair).take(FINGERPRINT_BYTES).map(str::to_uppercase).collect();
    (pairs.len() == FINGERPRINT_BYTES).then(|| pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        Facts::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_fingerprint_may_be_broken_over_two_lines() {
        let half = ["ab"; 16].join(":");
        let found = facts(&format!("Fingerprint  {half}:\n             {half}\nClaim code   K7QD-29XM\n"));
        assert_eq!(found.fingerprint, Some(["AB"; 32].join(":")));
        assert_eq!(found.claim_code.as_deref(), Some("K7QD-29XM"));
    }

    #[test]
    fn a_claimed_box_shows_no_code() {
        let half = ["0f"; 32].join(":");
        assert_eq!(facts(&format!("Fingerprint {half}\nSite berlin")).claim_code, None);
        assert_eq!(facts("Enter the claim code in the browser"), Facts::default());
    }
}
