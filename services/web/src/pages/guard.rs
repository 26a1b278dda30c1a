//! What uplinks do not let in: a part of the page of the firewall.

use maud::{Markup, html};
use patronus_ipc::datapath::{Guard, Guarded, Listed};

use super::parts::{Tone, badge};

/// How a person writes it.
const EXAMPLE: &str = r#"[guard]
syn_per_second = 200            # of one source; 0: no limit
allow = ["198.51.100.7/32"]     # is never kept out

[[guard.block]]
name = "neighbours"
prefixes = ["203.0.113.0/24", "2001:db8:bad::/48"]"#;

/// Where it looks, and its lists.
pub(super) fn card(guard: &Guard) -> Markup {
    html! {
        section.card {
            h2 { "Guard" }
            p.hint { "Uplinks do not let this in, whatever the rules say: sources that cannot be, sources on a list, more connections than one source may open." }
            (uplinks(&guard.uplinks))
            @if !guard.lists.is_empty() { (lists(&guard.lists)) }
        }
    }
}

/// How to change it.
pub(super) fn help() -> Markup {
    html! {
        section.card { details {
            summary { "How to keep somebody out" }
            p { "The guard is part of the " a href="/configuration" { "configuration" } ". Of several prefixes that hold an address, the longest decides." }
            pre { (EXAMPLE) }
        } }
    }
}

fn uplinks(uplinks: &[Guarded]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Guard of each uplink" { table.paths {
            thead { tr { th scope="col" { "Uplink" } th scope="col" { "Looks" } th scope="col" { "Sources that nobody has" } } }
            tbody { @for uplink in uplinks { tr {
                th scope="row" { (uplink.name) }
                td {
                    @if uplink.in_driver { (badge(Tone::Good, "In the driver")) } @else { (badge(Tone::Calm, "Behind the driver")) }
                    @if let Some(problem) = &uplink.problem { span.detail { (problem) } }
                }
                td { (refused(uplink)) }
            } } }
        } }
    }
}

const fn refused(uplink: &Guarded) -> &'static str {
    match (uplink.bogons, uplink.bogons_v6) {
        (true, true) => "Kept out",
        (true, false) => "Kept out with IPv4",
        (false, true) => "Kept out with IPv6",
        (false, false) => "Let in: it has no public address itself, or it is switched off",
    }
}

fn lists(lists: &[Listed]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Lists" { table.paths {
            thead { tr { th scope="col" { "List" } th.number scope="col" { "Prefixes" } th.number scope="col" { "Packets kept out" } } }
            tbody { @for list in lists { tr {
                th scope="row" { (list.name) }
                td.number { (list.prefixes) }
                td.number { (list.hits) }
            } } }
        } }
    }
}
