//! Flows between LAN and Internet, and what was not carried.

use maud::{Markup, html};
use patronus_ipc::datapath::{Ipfix, Traffic};

use super::{
    layout,
    parts::{Tone, badge, bytes, duration, fact, message},
};
use crate::view::flows::{Flow, Flows};

/// When `datapath` does not answer.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Flows" } }
            (message(Tone::Warn, "The datapath service does not answer", html! {
                p { "Packets go on without it. It is restarted by itself; load this page again in a few seconds." }
            }))
        },
    )
}

/// The page.
pub(crate) fn page(view: &Flows, site: &str, csrf: &str) -> Markup {
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Flows" } }
            div #live data-live data-refresh="2" {
                section.card {
                    h2 { (view.count) " of at most " (view.most) }
                    p.hint { (way(view)) }
                    @if view.flows.is_empty() { p.none { "Nobody on the LAN talks to the Internet or to another site now." } } @else { (table(&view.flows)) }
                }
                @if let Some(ipfix) = &view.ipfix { (export(ipfix)) }
                @if !view.not_carried.is_empty() {
                    section.card { details open {
                        summary { "Packets that were not carried, by reason" }
                        dl.facts { @for (name, count) in &view.not_carried { (fact(name, count.to_string())) } }
                    } }
                }
            }
        },
    )
}

fn export(ipfix: &Ipfix) -> Markup {
    let collectors: Vec<String> = ipfix.collectors.iter().map(ToString::to_string).collect();
    html! {
        section.card {
            h2 { "Told to collectors (IPFIX)" }
            dl.facts {
                (fact("Collectors", collectors.join(", ")))
                (fact("Records", ipfix.records.to_string()))
                (fact("Messages sent", ipfix.messages.to_string()))
                (fact("Messages not sent", ipfix.send_errors.to_string()))
                (fact("Records not made", ipfix.not_told.to_string()))
            }
        }
    }
}

fn way(view: &Flows) -> String {
    let lan = view.lan.as_deref().unwrap_or("No LAN");
    let uplinks: Vec<String> =
        view.uplinks.iter().map(|uplink| format!("{} as {}", uplink.name, uplink.address)).collect();
    if uplinks.is_empty() {
        format!("{lan}: no uplink has an IPv4 address.")
    } else {
        format!("{lan} leaves by {}.", uplinks.join(", "))
    }
}

fn table(flows: &[Flow]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Flows" { table.paths {
            thead { tr {
                th scope="col" { "On the LAN" } th scope="col" { "Outside" } th scope="col" { "Seen as" } th scope="col" { "State" }
                th.number scope="col" { "Sent" } th.number scope="col" { "Received" } th.number scope="col" { "Age" }
            } }
            tbody { @for flow in flows { (row(flow)) } }
        } }
    }
}

fn row(flow: &Flow) -> Markup {
    html! { tr {
        th scope="row" { code { (flow.inside) } @if flow.forwarded { span.detail { "by a port forward" } } }
        td { code { (flow.remote) } span.detail { (flow.protocol) } }
        td { code { (flow.outside) } span.detail { @if flow.outside == flow.inside { "to another site" } @else if flow.uplink.is_empty() { "uplink is gone" } @else { (flow.uplink) } } }
        td { @if flow.answered { (badge(Tone::Good, "Answered")) } @else { (badge(Tone::Warn, "No answer")) } @if !flow.rule.is_empty() { span.detail { "by " (flow.rule) } } }
        td.number { (traffic(flow.sent)) }
        td.number { (traffic(flow.received)) }
        td.number { (duration(flow.age_s.into())) }
    } }
}

fn traffic(traffic: Traffic) -> Markup {
    html! { (bytes(traffic.bytes)) span.detail { (traffic.packets) " packets" } }
}

fn frame(site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator("Flows", "/flows", site, csrf, body)
}
