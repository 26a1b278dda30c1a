//! What happened in the network, the newest first.

use maud::{Markup, html};

use super::{
    layout,
    parts::{Tone, badge, moment},
    sites::short,
};
use crate::events::{Entry, Routed};

/// Events on the page; the API has more.
const MOST: usize = 200;

/// The page. Entries come oldest first.
pub(crate) fn page(entries: &[Entry], timezone: &str, site: &str, csrf: &str) -> Markup {
    let body = html! {
        div.headline { h1 { "Events" } }
        div #live data-live data-refresh="5" {
            section.card {
                @if entries.is_empty() { p.none { "Nothing has happened since the page's service started." } }
                @else { (table(entries, timezone)) }
            }
        }
    };
    layout::administrator("Events", "/events", site, csrf, body)
}

fn table(entries: &[Entry], timezone: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events, the newest first" { table.dense {
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Site" } th scope="col" { "More" } } }
            tbody { @for entry in entries.iter().rev().take(MOST) { tr {
                td { (moment(entry.unix_s, timezone)) }
                th scope="row" { (what(entry.event)) }
                td { @if !entry.site.is_empty() { a href={ "/sites/site?id=" (entry.site) } {
                    @if entry.name.is_empty() { (short(&entry.site)) } @else { (entry.name) }
                } } }
                td { (more(entry)) }
            } } }
        } }
    }
}

fn what(event: &str) -> Markup {
    let (tone, says) = match event {
        "SiteJoined" => (Tone::Good, "Site is heard"),
        "SiteLeft" => (Tone::Bad, "Site is silent"),
        "SiteRevoked" => (Tone::Calm, "Site revoked"),
        "PathEstablished" => (Tone::Good, "Path up"),
        "PathFailed" => (Tone::Bad, "Path down"),
        "PathSuspect" => (Tone::Warn, "Path suspect"),
        "PathRecovered" => (Tone::Good, "Path recovered"),
        "FailoverTriggered" => (Tone::Warn, "Failover"),
        "PathChosen" => (Tone::Calm, "Better path chosen"),
        "SlaViolated" => (Tone::Warn, "Not good enough"),
        "SlaRestored" => (Tone::Good, "Good enough again"),
        "PolicyApplied" => (Tone::Calm, "Policy in force"),
        "TopologyChanged" => (Tone::Calm, "Topology changed"),
        other => (Tone::Calm, other),
    };
    badge(tone, says)
}

/// Such as `voip: from 0 to 1, to 1 to 1 (probes, detected in 31 ms, switched in 2 ms)`.
fn more(entry: &Entry) -> String {
    let Routed { class, cause, to_local, to_remote, detect_ms, switch_ms } = &entry.routed;
    let slots = |local: Option<u8>, remote: Option<u8>| Some(format!("{} to {}", local?, remote?));
    let moved = match (slots(entry.local, entry.remote), slots(*to_local, *to_remote)) {
        (Some(from), Some(to)) => format!("{from}, now {to}"),
        (Some(from), None) if entry.event == "FailoverTriggered" => format!("{from}, now none"),
        (from, _) => from.unwrap_or_default(),
    };
    let class = class.map(|class| class.to_string()).unwrap_or_default();
    let between = if class.is_empty() || moved.is_empty() { "" } else { ": " };
    let why = [
        cause.map(str::to_owned),
        detect_ms.map(|ms| format!("detected in {ms} ms")),
        switch_ms.map(|ms| format!("switched in {ms} ms")),
    ];
    let why: Vec<String> = why.into_iter().flatten().collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    format!("{class}{between}{moved}{why}")
}

#[cfg(test)]
mod tests {
    use patronus_ipc::{
        prober::PathId,
        router::{Cause, What},
    };
    use patronus_types::{Class, SiteId, UplinkSlot};

    use super::*;
    use crate::events::{Event, Ring};

    #[test]
    fn a_failover_is_told_with_its_times_and_the_newest_stands_first() {
        let slot = |number| UplinkSlot::new(number).unwrap();
        let from = PathId { site: SiteId([2; 32]), local: slot(0), remote: slot(1) };
        let to = Some(PathId { local: slot(1), ..from });
        let failover = |to| What::FailoverTriggered {
            from,
            to,
            class: Class::Voip,
            cause: Cause::Probes,
            detect_ms: 31,
            switch_ms: 2,
        };
        let mut ring = Ring::new(1);
        for what in [What::PolicyApplied, failover(to), failover(None), What::SlaViolated(from.site, Class::Web)] {
            ring.push(Event::Routed(what), "lab".to_owned(), 0);
        }
        ring.push(Event::TopologyChanged, String::new(), 0);
        let (entries, _) = ring.after(ring.begin(), 9).unwrap();
        let told: Vec<String> = entries.iter().map(more).collect();
        let times = "(probes, detected in 31 ms, switched in 2 ms)";
        let expected =
            ["", &format!("voip: 0 to 1, now 1 to 1 {times}"), &format!("voip: 0 to 1, now none {times}"), "web", ""];
        assert_eq!(told, expected);
        let text = page(&entries, "UTC", "hq", "").into_string();
        assert!(text.find("Topology changed") < text.find("Failover") && text.contains("1970-01-01 00:00:00 UTC"));
        assert!(text.find("Failover") < text.find("Policy in force") && text.contains("Not good enough"));
    }

    #[test]
    fn as_many_as_the_limit_are_shown_and_no_more() {
        let rows = |count: usize| {
            let mut ring = Ring::new(1);
            (0..count).for_each(|_| ring.push(Event::TopologyChanged, String::new(), 0));
            let (entries, _) = ring.after(ring.begin(), count).unwrap();
            page(&entries, "UTC", "hq", "").into_string().matches("scope=\"row\"").count()
        };
        assert_eq!((rows(0), rows(MOST), rows(MOST + 1)), (0, MOST, MOST));
    }
}
