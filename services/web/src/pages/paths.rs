//! The paths to other sites, and the WireGuard keys of this box.

use maud::{Markup, html};
use patronus_ipc::tunnel::{StunAnswer, Traffic};

use super::{
    layout::{self, token},
    parts::{Tone, bytes, count, duration, fact, message, silent_service},
    path::{address, liveness, ms, percent},
    sites::short,
};
use crate::view::sdwan::{Path, Paths, Slot};

/// When `tunnel` has not answered since this service started.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame(site, csrf, silent_service("Paths", "tunnel", ""))
}

/// The page.
pub(crate) fn page(view: &Paths, error: Option<&str>, site: &str, csrf: &str) -> Markup {
    let up = view.paths.iter().filter(|path| path.is_up()).count();
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Paths" } }
            @if let Some(error) = error { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            div #live data-live data-refresh="2" {
                section.card {
                    h2 { (up) " of " (view.paths.len()) " up" }
                    @if view.paths.is_empty() { p.none { "No other site has an uplink yet." } }
                    @for peer in view.paths.chunk_by(|one, other| one.peer == other.peer) { (peer_paths(peer)) }
                }
                @if !view.rejected.is_empty() {
                    section.card { details {
                        summary { "Dropped since start, by reason" }
                        dl.facts { @for (name, count) in &view.rejected { (fact(name, count.to_string())) } }
                    } }
                }
            }
            section.card { h2 { "This router's uplinks" } (slots(&view.slots, csrf)) }
        },
    )
}

fn peer_paths(paths: &[Path]) -> Markup {
    html! {
        @if let Some(first) = paths.first() {
            div.item {
                h3 { a href={ "/sites/site?id=" (first.peer) } {
                    @if first.peer_name.is_empty() { (short(&first.peer)) } @else { (first.peer_name) }
                } }
                div.scroll tabindex="0" role="region" aria-label={ "Paths to " (first.peer_name) } { table.paths {
                    thead { tr {
                        th scope="col" { "Slots" } th scope="col" { "State" } th.number scope="col" { "Round trip" }
                        th.number scope="col" { "Jitter" } th.number scope="col" { "Loss" } th scope="col" { "Endpoint" } th.number scope="col" { "MTU" }
                        th scope="col" { "Session" } th.number scope="col" { "Sent" } th.number scope="col" { "Received" } th.number scope="col" { "Lost" }
                    } }
                    tbody { @for path in paths { (row(path)) } }
                } }
            }
        }
    }
}

fn row(path: &Path) -> Markup {
    html! { tr {
        th scope="row" { a href=(address(path, "hour")) { (path.local) " to " (path.remote) } }
        td { (liveness(path)) }
        (measured(path))
        td { (way(path)) }
        td.number { @match path.mtu { Some(mtu) => (mtu), None => "–" } }
        td { (age(path.session_age_ms)) @if path.heard_ago_ms.is_some() { span.detail { "heard " (age(path.heard_ago_ms)) " ago" } } }
        td.number { (traffic(path.sent)) }
        td.number { (traffic(path.received)) }
        td.number { (path.lost) @if path.reordered > 0 { span.detail { (path.reordered) " late" } } }
    } }
}

/// Round trip, jitter, loss of both directions.
fn measured(path: &Path) -> Markup {
    let measured = path.quality.map(|quality| quality.measured).unwrap_or_default();
    html! {
        td.number { (ms(measured.rtt_us)) span.detail { "95 % below " (ms(measured.rtt_p95_us)) } }
        td.number { (ms(measured.jitter_us)) }
        td.number {
            (percent(measured.loss_out_ppm)) " out"
            span.detail { (percent(measured.loss_in_ppm)) " in" }
        }
    }
}

/// Where packets of a path go: straight to the other site, or via another.
pub(super) fn way(path: &Path) -> Markup {
    html! {
        @match (&path.endpoint, &path.via) {
            (Some(endpoint), _) => { code { (endpoint) } " " span.detail { "direct" } }
            (None, Some(via)) => { "via " a href={ "/sites/site?id=" (via) } { (path.via_name.as_deref().unwrap_or(&short(via))) } }
            (None, None) => span.none { "none" }
        }
    }
}

fn age(milliseconds: Option<u64>) -> String {
    milliseconds.map_or_else(|| "–".to_owned(), |milliseconds| duration(milliseconds / 1000))
}

fn traffic(traffic: Traffic) -> Markup {
    html! {
        (bytes(traffic.bytes))
        span.detail { (count(traffic.packets, "packet")) }
    }
}

fn slots(slots: &[Slot], csrf: &str) -> Markup {
    html! {
        @if slots.is_empty() { p.none { "No port is a WAN port." } }
        @for slot in slots {
            div.item {
                h3 { "Slot " (slot.slot) " " span.detail { "on " (slot.device) ", UDP port " (slot.listen_port) } }
                dl.facts {
                    (fact("WireGuard key", html! { code title=(slot.public_key) { (short(&slot.public_key)) "…" } }))
                    @if !slot.seen.is_empty() { (fact("Seen from outside at", slot.seen.join(", "))) }
                    @for answer in &slot.stun { (fact("STUN server", stun(answer))) }
                }
                form.inline method="post" action="/paths/rotate" {
                    (token(csrf))
                    input type="hidden" name="slot" value=(slot.slot);
                    button.quiet.small type="submit" aria-describedby={ "rotate-" (slot.slot) } { "New key" }
                    span.hint id={ "rotate-" (slot.slot) } { "The sessions of this uplink end; other sites open new ones when they hear of the key, within seconds." }
                }
            }
        }
    }
}

fn stun(answer: &StunAnswer) -> String {
    let sees = answer.seen.map_or_else(|| "does not answer".to_owned(), |seen| format!("sees {seen}"));
    format!("{} {sees}", answer.server)
}

fn frame(site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator("Paths", "/paths", site, csrf, body)
}
