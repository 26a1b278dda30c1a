//! From fine points to coarse ones.
//!
//! *Does*: say which stretches have a point of their own at each level, and make one point of many.
//! *Never does*: keep anything: the finer points are on disk when the coarser one is made.
//! *Spec*: `docs/prober.md`, section "History".

use patronus_ipc::prober::{Point, Span};

/// All levels, finest first.
pub const LEVELS: [Span; 3] = [Span::Hour, Span::Day, Span::Week];

/// Length of a point, in seconds.
#[must_use]
pub const fn point_s(level: Span) -> u64 {
    match level {
        Span::Hour => crate::limit::POINT_S,
        Span::Day => 300,
        Span::Week => 3_600,
    }
}

/// How far back points go, in seconds.
#[must_use]
pub const fn span_s(level: Span) -> u64 {
    match level {
        Span::Hour => 3_600,
        Span::Day => 86_400,
        Span::Week => 604_800,
    }
}

/// One point of many that lie in its stretch; `None` of none.
#[must_use]
pub fn roll(points: &[Point], unix_s: u64) -> Option<Point> {
    let count = u64::try_from(points.len()).ok().filter(|count| *count > 0)?;
    let all = |of: fn(&Point) -> Option<u32>| points.iter().filter_map(of);
    let up = points.iter().map(|point| u64::from(point.up_ppm)).sum::<u64>() / count;
    Some(Point {
        unix_s,
        rtt_us: mean(all(|point| point.rtt_us)),
        rtt_min_us: all(|point| point.rtt_min_us).min(),
        rtt_p95_us: all(|point| point.rtt_p95_us).max(),
        jitter_us: mean(all(|point| point.jitter_us)),
        loss_out_ppm: mean(all(|point| point.loss_out_ppm)),
        loss_in_ppm: mean(all(|point| point.loss_in_ppm)),
        up_ppm: u32::try_from(up).unwrap_or(u32::MAX),
    })
}

fn mean(values: impl Iterator<Item = u32>) -> Option<u32> {
    let (sum, count) = values.fold((0_u64, 0_u64), |(sum, count), value| (sum + u64::from(value), count + 1));
    u32::try_from(sum.checked_div(count)?).ok()
}

#[cfg(test)]
mod tests {
    use patronus_ipc::prober::MOST_POINTS;

    use super::*;

    #[test]
    fn a_coarse_point_is_the_mean_of_its_parts_and_the_worst_of_their_worst() {
        let part = |rtt_us: Option<u32>, loss_ppm: u32, up_ppm: u32| Point {
            unix_s: 0,
            rtt_us,
            rtt_min_us: rtt_us,
            rtt_p95_us: rtt_us,
            jitter_us: Some(4),
            loss_out_ppm: Some(loss_ppm),
            loss_in_ppm: None,
            up_ppm,
        };
        let rolled =
            roll(&[part(Some(100), 0, 1_000_000), part(None, 30_000, 0), part(Some(300), 0, 500_000)], 600).unwrap();
        let expected = Point {
            unix_s: 600,
            rtt_us: Some(200),
            rtt_min_us: Some(100),
            rtt_p95_us: Some(300),
            jitter_us: Some(4),
            loss_out_ppm: Some(10_000),
            loss_in_ppm: None,
            up_ppm: 500_000,
        };
        assert_eq!(rolled, expected);
        assert_eq!(roll(&[], 600), None);
    }

    #[test]
    fn every_level_fits_into_an_answer_and_is_made_of_whole_points_of_the_level_below() {
        assert!(LEVELS.iter().all(|level| span_s(*level) / point_s(*level) <= MOST_POINTS as u64));
        assert!(
            LEVELS
                .windows(2)
                .all(|pair| point_s(pair[1]).is_multiple_of(point_s(pair[0])) && span_s(pair[0]) >= point_s(pair[1]))
        );
    }
}
