use patronus_types::{SiteId, UplinkSlot};

use super::*;

fn path(number: u16) -> PathId {
    let mut site = [0; 32];
    site[..2].copy_from_slice(&number.to_be_bytes());
    let slot = UplinkSlot::new(0).unwrap();
    PathId { site: SiteId(site), local: slot, remote: slot }
}

fn point(unix_s: u64, rtt_us: u32) -> Point {
    let rtt_us = Some(rtt_us);
    let (rtt_min_us, rtt_p95_us, jitter_us) = (rtt_us, rtt_us, rtt_us);
    Point {
        unix_s,
        rtt_us,
        rtt_min_us,
        rtt_p95_us,
        jitter_us,
        loss_out_ppm: None,
        loss_in_ppm: Some(7),
        up_ppm: 1_000_000,
    }
}

/// Six stretches of a minute that began then.
fn minute(began_s: u64, paths: u16) -> Vec<Points> {
    let stretch = |unix_s: u64| (0..paths).map(|number| (path(number), point(unix_s, unix_s as u32 % 1_000))).collect();
    (0..6).map(|n| stretch(began_s + n * 10)).collect()
}

#[test]
fn hours_days_and_weeks_are_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let began_s = 1_800_000_000;
    let end_s = began_s + 26 * 3_600;
    let store = Store::open(dir.path()).unwrap();
    for at_s in (began_s..end_s).step_by(60) {
        store.keep(&minute(at_s, 2), at_s, at_s + 60).unwrap();
    }
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let counts = LEVELS.map(|level| store.points(&path(1), level, end_s).unwrap().len());
    assert_eq!(counts, [360, 288, 26]);
    let day = store.points(&path(1), Span::Day, end_s).unwrap();
    assert!(day.windows(2).all(|pair| pair[1].unix_s - pair[0].unix_s == 300));
    assert_eq!((day[0].loss_in_ppm, day[0].loss_out_ppm, day[0].up_ppm), (Some(7), None, 1_000_000));
    assert!(store.points(&path(9), Span::Week, end_s).unwrap().is_empty());
    // What is too old has gone.
    let rows = store.0.begin_read().unwrap().open_table(POINTS).unwrap().range::<&[u8]>(..).unwrap().count();
    assert!(rows <= 2 * (2 * 360 + 360 + 2 * 288 + 26), "{rows}");
}

#[test]
fn the_last_path_has_a_history_and_one_more_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let most = u16::try_from(limit::HISTORIES).unwrap();
    store.keep(&minute(600, most + 1), 600, 660).unwrap();
    assert_eq!(store.points(&path(most - 1), Span::Hour, 700).unwrap().len(), 6);
    assert!(store.points(&path(most), Span::Hour, 700).unwrap().is_empty());
}

#[test]
fn a_clock_that_leaps_makes_no_endless_work_and_what_it_wrote_in_the_future_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.keep(&minute(0, 1), 0, 4_000_000_000).unwrap();
    store.keep(&minute(4_000_000_000, 1), 4_000_000_000, 4_000_000_060).unwrap();
    let now_s = 1_800_000_000;
    store.keep(&minute(now_s, 1), 4_000_000_060, now_s + 60).unwrap();
    store.keep(&minute(now_s + 60, 1), now_s, now_s + 3_600).unwrap();
    assert!(store.points(&path(0), Span::Week, 4_000_000_100).unwrap().is_empty());
}

#[test]
fn a_damaged_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(NAME), b"no database").unwrap();
    Store::open(dir.path()).unwrap().keep(&minute(600, 1), 600, 660).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().points(&path(0), Span::Hour, 700).unwrap().len(), 6);
    assert!(dir.path().join(format!("{NAME}.damaged-1")).exists());
}
