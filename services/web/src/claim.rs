//! The claim code: how the person in front of an unclaimed box shows that it is theirs.
//!
//! *Does*: make a code from random bytes, read what people type, compare in constant time, slow down and lock out guessing.
//! *Never does*: forget wrong codes because of a restart: the caller stores the count before it looks at the code.
//! *Spec*: Crockford's base 32 (no I, L, O, U); `docs/api.md`, section "Claim code".

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq;

use crate::{limits, refusal::Refusal};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 10;

/// Ten letters of base 32: 50 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode([u8; LETTERS]);

impl ClaimCode {
    /// Makes a code of random bytes, five bits of each.
    #[must_use]
    pub fn from_random(bytes: [u8; LETTERS]) -> Self {
        Self(bytes.map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0')))
    }

    /// Reads what a person typed: any case, with or without dashes and spaces, O for 0, I and L for 1.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let mut letters = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').map(|letter| {
            match letter.to_ascii_uppercase() {
                'O' => Some(b'0'),
                'I' | 'L' => Some(b'1'),
                letter => u8::try_from(letter).ok().filter(|letter| ALPHABET.contains(letter)),
            }
        });
        let mut code = [0; LETTERS];
        for place in &mut code {
            *place = letters.next()??;
        }
        letters.next().is_none().then_some(Self(code))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            if place == LETTERS / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode(..)")
    }
}

/// How many wrong codes came, and whether the next may be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimLock {
    wrong: u32,
    locked_until: Option<Duration>,
    next_at: Duration,
}

impl ClaimLock {
    /// What was stored when the service last ran. A lock begins anew: power cycling wins nothing.
    #[must_use]
    pub fn restored(wrong: u32, now: Duration) -> Self {
        let locked_until = (wrong >= limits::CLAIM_WRONG).then(|| now.saturating_add(limits::CLAIM_LOCK));
        Self { wrong, locked_until, next_at: now }
    }

    /// Asks to try a code. On success the caller stores the returned count of wrong codes, with this one as wrong, before it looks.
    ///
    /// # Errors
    /// [`Refusal::ClaimLocked`] or [`Refusal::ClaimTooFast`]: the code must not be looked at.
    pub fn handle_attempt(&mut self, now: Duration) -> Result<u32, Refusal> {
        if self.locked_for(now).is_some() {
            return Err(Refusal::ClaimLocked);
        }
        if self.locked_until.take().is_some() {
            self.wrong = 0;
        }
        if now < self.next_at {
            return Err(Refusal::ClaimTooFast);
        }
        self.next_at = now.saturating_add(limits::CLAIM_PAUSE);
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong >= limits::CLAIM_WRONG {
            self.locked_until = Some(now.saturating_add(limits::CLAIM_LOCK));
        }
        Ok(self.wrong)
    }

    /// The code was right: guessing starts from zero.
    pub fn handle_right(&mut self) {
        *self = Self::default();
    }

    /// How much longer no code is looked at.
    #[must_use]
    pub fn locked_for(&self, now: Duration) -> Option<Duration> {
        self.locked_until.and_then(|until| until.checked_sub(now)).filter(|left| !left.is_zero())
    }

    /// How many more wrong codes are allowed before the lock.
    #[must_use]
    pub fn attempts_left(&self) -> u32 {
        limits::CLAIM_WRONG.saturating_sub(self.wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = ClaimCode::from_random([0, 1, 10, 11, 12, 31, 30, 29, 28, 27]);
        assert_eq!(code.to_string(), "01ABC-ZYXWV");
        for typed in ["01ABC-ZYXWV", "01abczyxwv", " oi abc-zyx wv ", "OLABC--ZYXWV"] {
            assert!(ClaimCode::parse(typed).is_some_and(|typed| typed.matches(&code)), "{typed}");
        }
        for typed in ["", "01ABC-ZYXW", "01ABC-ZYXWVV", "01ABC-ZYXWU", "01ABC-ZYXWÄ", "01ABC_ZYXWV"] {
            assert!(ClaimCode::parse(typed).is_none(), "{typed}");
        }
        assert!(!ClaimCode::parse("01ABC-ZYXWW").unwrap().matches(&code));
    }

    #[test]
    fn ten_wrong_codes_lock_for_fifteen_minutes() {
        let mut lock = ClaimLock::default();
        for attempt in 0..10 {
            assert_eq!(lock.handle_attempt(s(attempt)), Ok(attempt as u32 + 1));
        }
        assert_eq!(lock.handle_attempt(s(10)), Err(Refusal::ClaimLocked));
        assert_eq!(lock.handle_attempt(s(9 + 15 * 60) - Duration::from_millis(1)), Err(Refusal::ClaimLocked));
        assert_eq!(lock.handle_attempt(s(9 + 15 * 60)), Ok(1));
    }

    #[test]
    fn one_code_a_second() {
        let mut lock = ClaimLock::default();
        assert_eq!(lock.handle_attempt(s(5)), Ok(1));
        assert_eq!(lock.handle_attempt(s(6) - Duration::from_millis(1)), Err(Refusal::ClaimTooFast));
        assert_eq!(lock.handle_attempt(s(6)), Ok(2));
    }

    #[test]
    fn the_lock_survives_a_restart_and_begins_anew() {
        let mut lock = ClaimLock::restored(10, s(0));
        assert_eq!(lock.handle_attempt(s(15 * 60 - 1)), Err(Refusal::ClaimLocked));
        assert_eq!(lock.handle_attempt(s(15 * 60)), Ok(1));
        assert_eq!(ClaimLock::restored(9, s(0)).attempts_left(), 1);
    }

    proptest! {
        #[test]
        fn every_code_survives_its_text_form(bytes: [u8; 10]) {
            let code = ClaimCode::from_random(bytes);
            prop_assert_eq!(ClaimCode::parse(&code.to_string()), Some(code));
        }

        #[test]
        fn no_pattern_of_attempts_gets_more_than_ten_looks_in_fifteen_minutes(steps in prop::collection::vec(0_u64..5_000, 1..400)) {
            let (mut lock, mut now, mut looks) = (ClaimLock::default(), Duration::ZERO, Vec::new());
            for step in steps {
                now += Duration::from_millis(step);
                if lock.handle_attempt(now).is_ok() {
                    looks.push(now);
                }
                let recent = looks.iter().filter(|look| **look + limits::CLAIM_LOCK > now).count();
                prop_assert!(recent <= limits::CLAIM_WRONG as usize);
            }
        }
    }
}
