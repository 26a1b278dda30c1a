//! The rules of the firewall.

use maud::{Markup, html};
use patronus_ipc::datapath::{Explanation, Firewall, Outcome, Rule};

use super::{
    guard, layout,
    parts::{Tone, badge, fact, message, silent_service},
};
use crate::form::Form;

/// What was asked on the page.
pub(crate) enum Explained {
    /// Nothing.
    Nothing,
    /// This is why.
    Answer(Box<Explanation>),
    /// The question cannot be read.
    Failed(String),
}

/// How a person writes rules.
const EXAMPLE: &str = r#"[[rule]]
name = "no-telnet"
action = "drop"
from = "lan"
to = "wan"
protocol = "tcp"
ports = ["23"]
log = true"#;

/// When `datapath` does not answer.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame(site, csrf, silent_service("Firewall", "datapath", "The rules go on without it. "))
}

/// The page.
pub(crate) fn page(firewall: &Firewall, explained: &Explained, asked: &Form, site: &str, csrf: &str) -> Markup {
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Firewall" } (badge(Tone::Calm, &format!("generation {}", firewall.generation))) }
            @if let Some(problem) = &firewall.problem {
                (message(Tone::Bad, "Newer rules are not in force", html! { p { (problem) } }))
            }
            section.card { h2 { "Why does it pass?" } (question(asked)) (answer(explained)) }
            div #live data-live data-refresh="5" {
                section.card {
                    h2 { "Rules" }
                    p.hint { "The first rule that fits decides about the first packet of a flow; the others of the flow follow it." }
                    (table(&firewall.rules))
                }
                (guard::card(&firewall.guard))
                @if !firewall.not_carried.is_empty() {
                    section.card { details open {
                        summary { "Packets that were not carried, by reason" }
                        dl.facts { @for (name, count) in &firewall.not_carried { (fact(name, count.to_string())) } }
                    } }
                }
            }
            section.card { details {
                summary { "How to write a rule" }
                p { "Rules are part of the " a href="/configuration" { "configuration" } ", where they can be put on trial: a mistake undoes itself. The page itself can never be cut off from the LAN." }
                pre { (EXAMPLE) }
            } }
            (guard::help())
        },
    )
}

fn question(asked: &Form) -> Markup {
    let field = |name: &'static str, label: &str, example: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                input #(name) type="text" name=(name) value=(asked.raw(name)) placeholder=(example) autocomplete="off" spellcheck="false";
            }
        }
    };
    html! {
        form method="get" action="/firewall" {
            (field("source", "From", "192.168.42.10"))
            (field("destination", "To", "198.51.100.7"))
            (field("protocol", "Protocol", "tcp"))
            (field("port", "Port", "443"))
            div.actions { button type="submit" { "Explain" } }
        }
    }
}

fn answer(explained: &Explained) -> Markup {
    match explained {
        Explained::Nothing => html! {},
        Explained::Failed(why) => message(Tone::Bad, "This cannot be answered", html! { p { (why) } }),
        Explained::Answer(said) => {
            let (tone, title) = match said.outcome {
                Outcome::Passes => (Tone::Good, "It passes"),
                Outcome::Dropped => (Tone::Bad, "It is dropped"),
                Outcome::NotJudged => (Tone::Calm, "No rule is asked"),
            };
            message(tone, title, html! { ul { @for step in &said.steps { li { (step) } } } })
        }
    }
}

fn table(rules: &[Rule]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Rules" { table.paths {
            thead { tr {
                th scope="col" { "Rule" } th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "What" } th scope="col" { "Does" }
                th.number scope="col" { "Hits" }
            } }
            tbody { @for rule in rules { (row(rule)) } }
        } }
    }
}

fn row(rule: &Rule) -> Markup {
    html! { tr {
        th scope="row" { (rule.name) @if rule.built_in { span.detail { "built in" } } }
        td { (rule.from) }
        td { (rule.to) }
        td { (rule.asks) @if let Some(problem) = &rule.problem { span.detail { (problem) } } }
        td {
            @if rule.allows { (badge(Tone::Good, "Allows")) } @else { (badge(Tone::Bad, "Drops")) }
            @if rule.log { span.detail { "and logs" } }
        }
        td.number { @if let Some(hits) = rule.hits { (hits) } @else { "\u{2013}" } }
    } }
}

fn frame(site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator("Firewall", "/firewall", site, csrf, body)
}
