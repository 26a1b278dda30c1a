//! This site in the middle, the others to its left and right, a line for each path.
//!
//! *Does*: draw in units that are about pixels on a phone; say each state by colour, by shape and in words.
//! *Never does*: draw more than [`MOST_NODES`] nodes, or more than [`MOST_LINES`] lines to one of them.

use maud::{Markup, html};
use patronus_ipc::prober::Liveness;

use super::{Shown, Tone, address, anchor, label, name, tally, tone};
use crate::view::topology::{Edge, Reach};

/// Nodes around this site.
pub(super) const MOST_NODES: usize = 24;
/// Lines to one node; with more paths there is one for each state.
pub(super) const MOST_LINES: usize = 4;

const WIDTH: i32 = 360;
const MIDDLE: i32 = WIDTH / 2;
/// Height of a node with its two lines of text.
const ROW: i32 = 52;
/// Where the marker of a node stands, from its side.
const MARKER: i32 = 14;
/// Where its text begins, and how long the straight part of its lines is.
const TEXT: i32 = 26;
const STRAIGHT: i32 = 118;
/// Between two lines to one node.
const GAP: i32 = 3;
/// Letters that fit.
const NAME: usize = 13;
const OWN_NAME: usize = 11;

/// A node, before it has a place.
struct Place {
    name: String,
    says: String,
    tone: Tone,
    href: String,
    lines: Vec<Line>,
}

/// A line to it.
#[derive(Clone, Copy)]
struct Line {
    tone: Tone,
    is_relayed: bool,
}

/// The picture.
pub(super) fn draw(shown: &Shown<'_>, own: &str) -> Markup {
    let places = places(shown);
    let count = i32::try_from(places.len()).unwrap_or(0);
    let height = ((count + 1) / 2).max(2) * ROW;
    // By turns left and right; each side is as high as it has rows, in the middle.
    let place = |(index, place)| {
        let (is_left, row): (bool, i32) = (index % 2 == 0, index / 2);
        let rows = if is_left { (count + 1) / 2 } else { count / 2 };
        (place, is_left, (height - rows * ROW) / 2 + row * ROW + ROW / 2)
    };
    let placed: Vec<(&Place, bool, i32)> = (0..).zip(&places).map(place).collect();
    html! {
        svg.topology viewBox={ "0 0 " (WIDTH) " " (height) } role="group" aria-label={ (own) " and the sites around it" } {
            g aria-hidden="true" { @for (place, is_left, y) in &placed { (lines(place, *is_left, *y, height / 2)) } }
            @for (place, is_left, y) in &placed { (node(place, *is_left, *y)) }
            g.own {
                rect x=(MIDDLE - 48) y=(height / 2 - 16) width="96" height="32" rx="16" {}
                text x=(MIDDLE) y=(height / 2 + 5) { (cut(own, OWN_NAME)) title { (own) ": this site" } }
            }
        }
    }
}

fn places(shown: &Shown<'_>) -> Vec<Place> {
    let site = |(site, paths): &(&super::Node, Vec<&Edge>)| Place {
        name: name(site),
        says: tally(site),
        tone: tone(site.state),
        href: address(site),
        lines: of_paths(paths),
    };
    let group = |(reach, count): &(Reach, usize)| Place {
        name: format!("{count} more"),
        says: label(*reach).to_lowercase(),
        tone: tone(*reach),
        href: format!("#{}", anchor(*reach)),
        lines: vec![Line { tone: tone(*reach), is_relayed: false }],
    };
    shown.sites.iter().map(site).chain(shown.others.iter().map(group)).collect()
}

/// One for each path, or, if that is too many, for each state that a path is in.
fn of_paths(paths: &[&Edge]) -> Vec<Line> {
    let line = |path: &&Edge| Line { tone: of_path(path.liveness), is_relayed: path.via.is_some() };
    let lines: Vec<Line> = paths.iter().map(line).collect();
    if lines.len() <= MOST_LINES {
        return lines;
    }
    let of_tone = |tone: Tone| {
        let mut same = lines.iter().filter(|line| line.tone == tone).peekable();
        same.peek()?;
        Some(Line { tone, is_relayed: same.all(|line| line.is_relayed) })
    };
    [Tone::Good, Tone::Warn, Tone::Bad, Tone::Calm].into_iter().filter_map(of_tone).collect()
}

fn of_path(liveness: Liveness) -> Tone {
    match liveness {
        Liveness::Up => Tone::Good,
        Liveness::Suspect | Liveness::Holding => Tone::Warn,
        Liveness::Down => Tone::Bad,
        Liveness::Unknown | Liveness::Probing => Tone::Calm,
    }
}

/// From the node along its text, then to the middle.
fn lines(place: &Place, is_left: bool, y: i32, middle: i32) -> Markup {
    let x = |from_side: i32| if is_left { from_side } else { WIDTH - from_side };
    let count = i32::try_from(place.lines.len()).unwrap_or(0);
    html! {
        @for (number, line) in (0..).zip(&place.lines) {
            @let offset = GAP * number - GAP * (count - 1) / 2;
            @let (start, y) = (x(MARKER), y + offset);
            @let (bend, end) = (x(STRAIGHT), MIDDLE + offset);
            path.line.(line.tone.class()) d={ "M" (start) " " (y) "H" (bend) "C" ((bend + end) / 2) " " (y) " " (end) " " (y) " " (end) " " (middle) } {}
            @if line.is_relayed { circle.relay.(line.tone.class()) cx=(bend) cy=(y) r="4" {} }
        }
    }
}

fn node(place: &Place, is_left: bool, y: i32) -> Markup {
    let x = |from_side: i32| if is_left { from_side } else { WIDTH - from_side };
    html! {
        a href=(place.href) aria-label={ (place.name) ": " (place.says) } .end[!is_left] {
            rect.hit x=(if is_left { 2 } else { WIDTH - STRAIGHT - 2 }) y=(y - ROW / 2 + 2) width=(STRAIGHT) height=(ROW - 4) rx="8" {}
            (marker(place.tone, x(MARKER), y))
            text.name x=(x(TEXT)) y=(y - 9) { (cut(&place.name, NAME)) }
            text x=(x(TEXT)) y=(y + 19) { (place.says) }
            title { (place.name) ": " (place.says) }
        }
    }
}

/// On the line of a path that another site carries.
pub(super) fn relay_sign() -> Markup {
    html! { svg.sign viewBox="0 0 24 12" aria-hidden="true" {
        path.line.good d="M0 6H24" {}
        circle.relay.good cx="12" cy="6" r="4" {}
    } }
}

/// As the badges have it: a disk, a square on its corner, a square, a ring.
fn marker(tone: Tone, x: i32, y: i32) -> Markup {
    html! {
        @match tone {
            Tone::Good => circle.marker.good cx=(x) cy=(y) r="7" {},
            Tone::Warn => path.marker.warn d={ "M" (x) " " (y - 9) "l9 9l-9 9l-9-9z" } {},
            Tone::Bad => rect.marker.bad x=(x - 7) y=(y - 7) width="14" height="14" {},
            Tone::Calm => circle.marker.calm cx=(x) cy=(y) r="6" {},
        }
    }
}

/// What fits of a name.
fn cut(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}
