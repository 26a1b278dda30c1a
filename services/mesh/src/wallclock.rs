//! What a site knows of the time of day.
//!
//! A box without a battery starts in the past. Until a time server has answered it knows a lower bound only; then nothing counts as "not yet
//! valid", and only what ended before that bound counts as expired. Replay protection needs no clock at all.

use patronus_wire::Validity;

use crate::limit;

/// What is known of the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wallclock {
    /// The time, in seconds since 1970.
    Known(u64),
    /// It is at least this.
    AtLeast(u64),
}

/// How a validity stands to the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Valid,
    NotYet,
    Expired,
}

impl Wallclock {
    /// The time, if it is known.
    #[must_use]
    pub const fn known_s(self) -> Option<u64> {
        match self {
            Self::Known(now_s) => Some(now_s),
            Self::AtLeast(_) => None,
        }
    }

    /// Clocks differ: each end is moved out by [`limit::SKEW_S`].
    pub(crate) const fn judge(self, validity: Validity) -> Judgement {
        let (Self::Known(at_least_s) | Self::AtLeast(at_least_s)) = self;
        if at_least_s > validity.not_after_s.saturating_add(limit::SKEW_S) {
            return Judgement::Expired;
        }
        match self {
            Self::Known(now_s) if now_s.saturating_add(limit::SKEW_S) < validity.not_before_s => Judgement::NotYet,
            _ => Judgement::Valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Validity = Validity { not_before_s: 100_000, not_after_s: 186_400 };

    #[test]
    fn validity_is_judged_with_the_skew_that_clocks_may_have() {
        let cases = [
            (100_000 - limit::SKEW_S - 1, Judgement::NotYet),
            (100_000 - limit::SKEW_S, Judgement::Valid),
            (186_400 + limit::SKEW_S, Judgement::Valid),
            (186_400 + limit::SKEW_S + 1, Judgement::Expired),
            (u64::MAX, Judgement::Expired),
        ];
        for (now_s, expected) in cases {
            assert_eq!(Wallclock::Known(now_s).judge(DAY), expected, "{now_s}");
        }
    }

    #[test]
    fn a_box_without_the_time_believes_until_it_knows_better() {
        assert_eq!(Wallclock::AtLeast(0).judge(DAY), Judgement::Valid);
        assert_eq!(Wallclock::AtLeast(186_400 + limit::SKEW_S + 1).judge(DAY), Judgement::Expired);
    }
}
