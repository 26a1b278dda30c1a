//! One path: how good it is, and how it was.

use maud::{Markup, html};
use patronus_ipc::prober::{Liveness, NoCapacity, Point, Span, Tested};

use super::{
    graph::{Graph, Time, graph},
    layout::{self, token},
    parts::{Tone, badge, bytes, duration, fact, message},
    paths::way,
};
use crate::view::{quality::Quality, sdwan::Path};

/// What the page shows.
pub(crate) struct Shown {
    /// Which path, as it is.
    pub path: Path,
    /// How far back.
    pub span: Span,
    /// How it was.
    pub points: Vec<Point>,
    /// Now.
    pub until_unix_s: u64,
    /// The site's.
    pub timezone: String,
    /// What the test has shown that was asked for, or why there was none.
    pub test: Option<Result<Tested, String>>,
}

const SPANS: [(Span, &str, &str); 3] =
    [(Span::Hour, "hour", "Last hour"), (Span::Day, "day", "Last day"), (Span::Week, "week", "Last week")];

/// The page.
pub(crate) fn page(shown: &Shown, site: &str, csrf: &str) -> Markup {
    let path = &shown.path;
    let body = html! {
        div.headline { h1 { "Path to " (path.peer_name) ", slots " (path.local) " to " (path.remote) } (liveness(path)) }
        section.card {
            h2 { "Now" }
            @match &path.quality {
                Some(quality) => (facts(path, quality)),
                None => p.none { "Nobody has measured it yet." }
            }
        }
        section.card { h2 { "Test" } (test(shown, csrf)) }
        section.card {
            h2 { "How it was" }
            p { @for (span, word, label) in SPANS {
                @if span == shown.span { strong { (label) } } @else { a href=(address(path, word)) { (label) } }
                " "
            } }
            @if shown.points.is_empty() { p.none { "There is nothing from this time. Points are kept once a minute." } }
            @else { (graphs(shown)) }
        }
        p { a href="/paths" { "All paths" } }
    };
    layout::administrator("Path", "/paths", site, csrf, body)
}

/// Where the page of a path is.
pub(super) fn address(path: &Path, span: &str) -> String {
    format!("/paths/path?peer={}&local={}&remote={}&span={span}", path.peer, path.local, path.remote)
}

/// Whether packets go, in a word.
pub(super) fn liveness(path: &Path) -> Markup {
    match path.quality.map(|quality| quality.liveness) {
        Some(Liveness::Up) => badge(Tone::Good, "Up"),
        Some(Liveness::Suspect) => badge(Tone::Warn, "Suspect"),
        Some(Liveness::Holding) => badge(Tone::Warn, "Holding"),
        Some(Liveness::Down) => badge(Tone::Bad, "Down"),
        Some(Liveness::Probing) => badge(Tone::Calm, "Probing"),
        Some(Liveness::Unknown) | None if path.is_up() => badge(Tone::Calm, "Not measured"),
        Some(Liveness::Unknown) | None => badge(Tone::Bad, "No session"),
    }
}

fn facts(path: &Path, quality: &Quality) -> Markup {
    let measured = &quality.measured;
    html! { dl.facts {
        (fact("Endpoint", way(path)))
        (fact("For", duration(quality.for_ms / 1000)))
        (fact("Round trip", format!("{}, 95 % below {}", ms(measured.rtt_us), ms(measured.rtt_p95_us))))
        (fact("Jitter", ms(measured.jitter_us)))
        (fact("Loss to there", percent(measured.loss_out_ppm)))
        (fact("Loss from there", percent(measured.loss_in_ppm)))
        @if quality.is_metered { (fact("Uplink", "metered: probes keep to its daily budget")) }
    } }
}

/// The button, and what it has brought.
fn test(shown: &Shown, csrf: &str) -> Markup {
    let path = &shown.path;
    html! {
        @match &shown.test {
            Some(Ok(tested)) => (outcome(tested)),
            Some(Err(why)) => (message(Tone::Bad, "Not tested", html! { p { (why) } })),
            None => {}
        }
        form method="post" action="/paths/test" {
            (token(csrf))
            input type="hidden" name="peer" value=(path.peer);
            input type="hidden" name="local" value=(path.local);
            input type="hidden" name="remote" value=(path.remote);
            p { "Measures the path for up to three seconds with probes, and with up to 2 MB of load how much it carries to there." }
            button type="submit" { @if shown.test.is_some() { "Test again" } @else { "Test now" } }
        }
    }
}

fn outcome(tested: &Tested) -> Markup {
    html! { dl.facts {
        (fact("Carries to there", capacity(tested)))
        (fact("Round trip", format!("{} at least, half below {}, 95 % below {}", ms(tested.rtt_min_us), ms(tested.rtt_median_us), ms(tested.rtt_p95_us))))
        (fact("Jitter", ms(tested.jitter_us)))
        (fact("Loss to there", percent(tested.loss_out_ppm)))
        (fact("Loss from there", percent(tested.loss_in_ppm)))
        (fact("With", format!("{} probes and {} of load in {:.1} s", tested.probes, bytes(tested.load_sent_bytes), f64::from(tested.took_ms) / 1e3)))
    } }
}

/// Such as `about 48 Mb/s`.
fn capacity(tested: &Tested) -> String {
    match (tested.capacity_kbit, tested.no_capacity) {
        (Some(kbit @ ..10_000), _) => format!("about {:.1} Mb/s", kbit as f64 / 1e3),
        (Some(kbit @ ..1_000_000), _) => format!("about {:.0} Mb/s", kbit as f64 / 1e3),
        (Some(kbit), _) => format!("about {:.1} Gb/s", kbit as f64 / 1e6),
        (None, Some(NoCapacity::Metered)) => "not measured: an uplink of this path is metered".to_owned(),
        (None, _) => "not known: the far end did not say what came".to_owned(),
    }
}

fn graphs(shown: &Shown) -> Markup {
    let time = Time { span: shown.span, until_unix_s: shown.until_unix_s, timezone: &shown.timezone };
    let (rtt, p95) = (|point: &Point| in_ms(point.rtt_us), |point: &Point| in_ms(point.rtt_p95_us));
    let jitter = |point: &Point| in_ms(point.jitter_us);
    let (out, back) = (|point: &Point| in_percent(point.loss_out_ppm), |point: &Point| in_percent(point.loss_in_ppm));
    let all = [
        Graph { title: "Round trip", unit: "ms", lines: vec![("mean", rtt), ("95 % below", p95)], least: 1.0 },
        Graph { title: "Jitter", unit: "ms", lines: vec![("mean", jitter)], least: 1.0 },
        Graph { title: "Loss", unit: "%", lines: vec![("to there", out), ("from there", back)], least: 1.0 },
    ];
    html! { @for one in &all { (graph(one, &shown.points, &time)) } }
}

/// Microseconds as people say them.
pub(super) fn ms(us: Option<u32>) -> String {
    in_ms(us).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1} ms"))
}

/// Millionths as people say them.
pub(super) fn percent(ppm: Option<u32>) -> String {
    in_percent(ppm).map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %"))
}

fn in_ms(us: Option<u32>) -> Option<f64> {
    us.map(|us| f64::from(us) / 1e3)
}

fn in_percent(ppm: Option<u32>) -> Option<f64> {
    ppm.map(|ppm| f64::from(ppm) / 1e4)
}
