//! Who is believed when servers disagree.
//!
//! *Does*: the largest group whose intervals share a point (Marzullo), and the median of that group.
//! *Never does*: believe one against the others: with more than one server asked, two at least must agree, and more than half.
//! *Spec*: RFC 5905 section 11.2.1, simplified.

use thiserror::Error;

use crate::sntp::Sample;

/// What the group says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Position of the believed sample in the input.
    pub index: usize,
    /// Its offset, in microseconds.
    pub offset_us: i64,
    /// Its stratum.
    pub stratum: u8,
}

/// Why nobody is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Disagreement {
    /// Nobody answered.
    #[error("no-answer")]
    NoAnswer,
    /// Too few agree.
    #[error("no-majority")]
    NoMajority,
}

/// Finds the group and its median. `asked` is how many servers were asked, whether they answered or not.
///
/// # Errors
/// [`Disagreement`], when nobody is to be believed.
pub fn select(samples: &[Sample], asked: usize) -> Result<Choice, Disagreement> {
    if samples.is_empty() {
        return Err(Disagreement::NoAnswer);
    }
    // The best meeting point is the lower end of somebody's interval.
    let groups = samples.iter().map(|sample| agreeing(samples, low(sample)));
    let mut group = groups.max_by_key(Vec::len).unwrap_or_default();
    let needed = (samples.len() / 2 + 1).max(asked.min(2));
    if group.len() < needed {
        return Err(Disagreement::NoMajority);
    }
    group.sort_by_key(|(_, sample)| sample.offset_us);
    let (index, sample) = group.get(group.len() / 2).ok_or(Disagreement::NoMajority)?;
    Ok(Choice { index: *index, offset_us: sample.offset_us, stratum: sample.stratum })
}

/// Those whose interval holds the point.
fn agreeing(samples: &[Sample], point: i64) -> Vec<(usize, Sample)> {
    let holds = |sample: &Sample| low(sample) <= point && point <= sample.offset_us.saturating_add(sample.distance_us);
    samples.iter().copied().enumerate().filter(|(_, sample)| holds(sample)).collect()
}

fn low(sample: &Sample) -> i64 {
    sample.offset_us.saturating_sub(sample.distance_us)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(offset_us: i64, distance_us: i64) -> Sample {
        Sample { offset_us, distance_us, stratum: 2 }
    }

    #[test]
    fn a_single_configured_server_is_believed() {
        assert_eq!(select(&[sample(5, 1)], 1).map(|choice| choice.offset_us), Ok(5));
    }

    #[test]
    fn one_answer_of_many_asked_is_not_enough() {
        assert_eq!(select(&[sample(5, 1)], 2), Err(Disagreement::NoMajority));
        assert_eq!(select(&[], 2), Err(Disagreement::NoAnswer));
    }

    #[test]
    fn two_that_disagree_are_both_not_believed() {
        assert_eq!(select(&[sample(0, 10), sample(1_000, 10)], 2), Err(Disagreement::NoMajority));
    }

    proptest! {
        #[test]
        fn one_liar_among_honest_servers_never_wins(
            honest in prop::collection::vec((-1_000_i64..1_000, 1_000_i64..50_000), 2..7),
            lie in prop_oneof![i64::MIN..-1_000_000, 1_000_000..i64::MAX],
            width in 0_i64..100_000,
            at in any::<prop::sample::Index>(),
        ) {
            let mut samples: Vec<Sample> = honest.iter().map(|(offset, distance)| sample(*offset, *distance)).collect();
            samples.insert(at.index(samples.len() + 1), sample(lie, width));
            let choice = select(&samples, samples.len()).unwrap();
            prop_assert!(choice.offset_us.abs() < 1_000);
        }
    }
}
