//! The administrator's password: how strong, and how it is stored.
//!
//! *Does*: judge by guesses needed (zxcvbn), make and check PHC strings (argon2id).
//! *Never does*: ask for capitals or digits; keep a password.
//! *Spec*: NIST SP 800-63B section 5.1.1; OWASP: argon2id with 19 MiB, 2 passes, 1 lane; fits a box with 256 MiB.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use zxcvbn::Score;

use crate::limits;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What there is to say about a password.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Judgement {
    /// 0 (guessed at once) to 4 (very strong); 3 is needed.
    pub score: u8,
    /// Whether it may be used.
    pub accepted: bool,
    /// For the person who chose it.
    pub message: String,
}

/// Judges a password; `hints` are words that an attacker would try first, such as the site's name.
#[must_use]
pub fn judge(password: &str, hints: &[&str]) -> Judgement {
    let refused = |message: &str| Judgement { score: 0, accepted: false, message: message.to_owned() };
    if password.len() < limits::PASSWORD_MIN_BYTES {
        return refused("Use at least 10 characters. A few unrelated words are strong and easy to remember.");
    }
    if password.len() > limits::PASSWORD_MAX_BYTES {
        return refused("Use at most 256 bytes.");
    }
    let mut words = vec!["patronus", "router", "admin", "administrator"];
    words.extend(hints.iter().filter(|hint| !hint.is_empty()));
    let entropy = zxcvbn::zxcvbn(password, &words);
    let accepted = entropy.score() >= Score::Three;
    let message = match entropy.score() {
        Score::Four => "Very strong.".to_owned(),
        Score::Three => "Strong enough.".to_owned(),
        _ => explain(&entropy),
    };
    Judgement { score: entropy.score().into(), accepted, message }
}

/// Why a password is weak, in zxcvbn's words.
fn explain(entropy: &zxcvbn::Entropy) -> String {
    let mut sentences = vec!["This password is easy to guess.".to_owned()];
    if let Some(feedback) = entropy.feedback() {
        sentences.extend(feedback.warning().map(|warning| warning.to_string()));
        sentences.extend(feedback.suggestions().iter().map(ToString::to_string));
    }
    if sentences.len() == 1 {
        sentences.push("Add another unrelated word or two.".to_owned());
    }
    sentences.join(" ")
}

/// Makes the verifier that is stored. Takes tens of milliseconds and 19 MiB: call it where that may block. `None` if the salt is refused,
/// which no random salt is.
#[must_use]
pub fn hash(password: &str, salt: [u8; 16]) -> Option<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Some(argon2.hash_password_with_salt(password.as_bytes(), &salt).ok()?.to_string())
}

/// Whether the password is the one that the verifier was made of. As slow as [`hash`].
#[must_use]
pub fn matches(password: &str, password_phc: &str) -> bool {
    PasswordHash::new(password_phc)
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_counts_and_not_the_kinds_of_characters() {
        assert!(judge("quilt anchor lemon voyage", &[]).accepted);
        for weak in ["password123", "Passw0rd!!", "qwertyuiop", "aaaaaaaaaaaa", "1234567890", "administrator1"] {
            let judgement = judge(weak, &[]);
            assert!(!judgement.accepted && judgement.message.len() > 40, "{weak}: {judgement:?}");
        }
        assert!(!judge("hq-chicago1", &["hq-chicago"]).accepted);
    }

    #[test]
    fn lengths_hold_at_the_limit_and_one_beyond() {
        assert!(judge("vK7#qZp2mW", &[]).accepted);
        assert!(!judge("vK7#qZp2m", &[]).accepted);
        let words = "quilt anchor lemon voyage ".repeat(10);
        assert!(judge(&words[..256], &[]).accepted);
        assert!(!judge(&words[..257], &[]).accepted);
    }

    #[test]
    fn only_the_password_itself_matches_its_verifier() {
        let phc = hash("quilt anchor lemon", [7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(matches("quilt anchor lemon", &phc));
        assert!(!matches("quilt anchor lemo", &phc));
        assert!(!matches("quilt anchor lemon", "not a verifier"));
    }
}
