//! The network as a picture, and the same in words.

mod picture;

use maud::{Markup, html};
use patronus_ipc::prober::Liveness;

use super::{
    layout,
    parts::{Tone, badge, silent_service},
    path::ms,
    sites::short,
};
use crate::view::topology::{Edge, Node, Reach, Topology};

/// When one of those who know has not answered since this service started.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame(site, csrf, silent_service("Topology", "routing", "What has a path goes on. "))
}

/// The page.
pub(crate) fn page(view: &Topology, site: &str, csrf: &str) -> Markup {
    let shown = Shown::of(view);
    let others = view.sites.iter().filter(|site| !site.is_own);
    let up = others.clone().filter(|site| site.state == Reach::Up).count();
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Topology" } }
            div #live.grid data-live data-refresh="5" {
                section.card {
                    h2 { (up) " of " (others.count()) " other sites reached by all paths" }
                    @if shown.is_empty() { p.none { "This site is alone in its network, or in none." } }
                    @else { (picture::draw(&shown, site)) (legend(view)) }
                }
                section.card { h2 { "In words" } (words(view, &shown)) }
            }
        },
    )
}

/// What is shown: sites of their own, and how many others there are of each kind.
struct Shown<'v> {
    sites: Vec<(&'v Node, Vec<&'v Edge>)>,
    others: Vec<(Reach, usize)>,
}

impl<'v> Shown<'v> {
    /// All other sites by name, if there is room; or else the worst, and the number of the others.
    fn of(view: &'v Topology) -> Self {
        let mut sites: Vec<&Node> = view.sites.iter().filter(|site| !site.is_own).collect();
        let mut others = Vec::new();
        if sites.len() > picture::MOST_NODES {
            sites.sort_by_key(|site| site.state);
            let rest = sites.split_off(picture::MOST_NODES - Reach::ALL.len());
            let count = |reach: Reach| (reach, rest.iter().filter(|site| site.state == reach).count());
            others = Reach::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
        }
        Self { sites: sites.into_iter().map(|site| (site, view.paths_to(site).collect())).collect(), others }
    }

    fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }
}

fn legend(view: &Topology) -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @for reach in Reach::ALL { li { (state(reach)) } }
            @if view.paths.iter().any(|path| path.via.is_some()) { li { (picture::relay_sign()) " via a relay" } }
        }
    }
}

/// All sites, the worst first; of those in the picture the paths, too.
fn words(view: &Topology, shown: &Shown<'_>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Sites and paths" { table.dense.paths {
            thead { tr { th scope="col" { "Site" } th scope="col" { "Paths from here" } } }
            @for reach in Reach::ALL {
                tbody id=(anchor(reach)) {
                    @for site in view.sites.iter().filter(|site| site.state == reach) { (row(site, shown)) }
                }
            }
        } }
    }
}

fn row(site: &Node, shown: &Shown<'_>) -> Markup {
    let paths = shown.sites.iter().find(|(other, _)| other.site == site.site).map(|(_, paths)| paths.as_slice());
    html! { tr {
        th scope="row" {
            a href=(address(site)) { (name(site)) }
            div { @if site.is_own { (badge(Tone::Calm, "This one")) } @else { (state(site.state)) } }
        }
        td {
            @if !site.is_own { (tally(site)) @if !site.is_active { ", not heard" } }
            @for path in paths.unwrap_or_default() { span.detail { (in_words(path)) } }
        }
    } }
}

/// Such as `0 to 1 up via hq, 12.0 ms: voip, web`.
fn in_words(path: &Edge) -> String {
    let rtt = path.rtt_us.map(|_| format!(", {}", ms(path.rtt_us))).unwrap_or_default();
    let classes: Vec<String> = path.classes.iter().map(ToString::to_string).collect();
    let carries = if classes.is_empty() { String::new() } else { format!(": {}", classes.join(", ")) };
    let relay = path.via_name.clone().or_else(|| path.via.as_deref().map(short));
    let via = relay.map(|relay| format!(" via {relay}")).unwrap_or_default();
    format!("{} to {} {}{via}{rtt}{carries}", path.slots.local, path.slots.remote, liveness(path.liveness))
}

fn liveness(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Unknown => "without session",
        Liveness::Probing => "probing",
        Liveness::Up => "up",
        Liveness::Suspect => "suspect",
        Liveness::Down => "down",
        Liveness::Holding => "holding",
    }
}

fn state(reach: Reach) -> Markup {
    badge(tone(reach), label(reach))
}

fn tone(reach: Reach) -> Tone {
    match reach {
        Reach::Up => Tone::Good,
        Reach::Partly => Tone::Warn,
        Reach::Down => Tone::Bad,
        Reach::Unknown => Tone::Calm,
    }
}

fn label(reach: Reach) -> &'static str {
    match reach {
        Reach::Up => "Up",
        Reach::Partly => "Partly up",
        Reach::Down => "Down",
        Reach::Unknown => "No path yet",
    }
}

/// Where the table says it in words.
fn anchor(reach: Reach) -> &'static str {
    match reach {
        Reach::Up => "state-up",
        Reach::Partly => "state-partly",
        Reach::Down => "state-down",
        Reach::Unknown => "state-unknown",
    }
}

fn tally(site: &Node) -> String {
    if site.paths == 0 { "no path".to_owned() } else { format!("{} of {} up", site.paths_up, site.paths) }
}

fn address(site: &Node) -> String {
    format!("/sites/site?id={}", site.site)
}

fn name(site: &Node) -> String {
    if site.name.is_empty() { short(&site.site) } else { site.name.clone() }
}

fn frame(site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator("Topology", "/topology", site, csrf, body)
}

#[cfg(test)]
mod tests;
