//! Which class uses which path, and why.

use maud::{Markup, html};
use patronus_ipc::{
    prober::Liveness,
    router::{SlaState, Term, Verdict},
};
use patronus_types::Strategy;

use super::{
    layout::{self, token},
    parts::{Tone, badge, described_by, duration, field, message, silent_service},
    sites::short,
};
use crate::view::routing::{ClassExplanation, Drain, Explained, Explanation, Policies, Rule, Site, Slots};

/// What a drain does.
const EMPTIED: &str =
    "New traffic leaves it at once, all of it within five minutes. The last path to a site carries on all the same.";

/// When `router` has not answered since this service started.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame(site, csrf, silent_service("Policy", "router", "Traffic between sites goes on without it."))
}

/// The page.
pub(crate) fn page(view: &Policies, why: Option<&Explanation>, error: Option<&str>, site: &str, csrf: &str) -> Markup {
    frame(
        site,
        csrf,
        html! {
            div.headline { h1 { "Policy" } }
            @if let Some(error) = error { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            div #live data-live data-refresh="2" {
                section.card {
                    h2 { "Which class uses which path" }
                    @if view.sites.is_empty() { p.none { "There is no other site yet." } } @else { (paths(view)) }
                    p.hint { "A path is a slot of this router and a slot of the other site. What is written in the configuration under "
                        code { "policy" } " decides; what is not written there is built in." }
                }
                @if let Some(why) = why { (explanation(why)) }
                section.card { h2 { "Which traffic is of which class" } (rules(&view.rules)) }
                (drains(&view.drains, csrf))
            }
            section.card { h2 { "Drain an uplink" }
                form method="post" action="/policy/drain" {
                    (token(csrf))
                    (field("local", "Uplink", Some(EMPTIED), None, html! {
                        select #local name="local" aria-describedby=[described_by("local", true, false)] {
                            @for uplink in &view.uplinks { option value=(uplink.slot) { (uplink.name) } }
                        }
                    }))
                    button.quiet type="submit" { "Drain" }
                }
            }
        },
    )
}

fn paths(view: &Policies) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Classes and paths" { table.paths {
            thead { tr { th scope="col" { "Site" } @for class in &view.classes { th scope="col" { (class.class) } } } }
            tbody { @for site in &view.sites { (row(site)) } }
        } }
    }
}

fn row(site: &Site) -> Markup {
    html! { tr {
        th scope="row" { a href={ "/policy?site=" (site.site) } { (called(&site.name, &site.site)) } }
        @for carried in &site.classes {
            td { @for (at, path) in carried.paths.iter().take(carried.spread.into()).enumerate() {
                @if at > 0 { ", " } (slots(*path))
            } @if carried.paths.is_empty() { "none" } }
        }
    } }
}

fn rules(rules: &[Rule]) -> Markup {
    let table = |rules: &[&Rule], label: &str| {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(label) { table.paths {
                thead { tr { th scope="col" { "Class" } th scope="col" { "Traffic, at either end" } } }
                tbody { @for rule in rules { tr { th scope="row" { (rule.rule.class) } td { (rule.text) } } } }
            } }
        }
    };
    let (built_in, written): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| rule.is_built_in);
    html! {
        p.hint { "The first that matches; what none does is of class " code { "other" } ". Your own stand in the configuration under "
            code { "policy.rule" } " and come before the built-in ones." }
        @if !written.is_empty() { (table(&written, "Rules of this site")) }
        details { summary { (built_in.len()) " built-in rules" } (table(&built_in, "Built-in rules")) }
    }
}

fn explanation(why: &Explanation) -> Markup {
    html! {
        section.card {
            h2 { "Why, to " (called(&why.name, &why.site)) }
            @for class in &why.classes { (class_explanation(class)) }
        }
    }
}

fn class_explanation(class: &ClassExplanation) -> Markup {
    let sla = class.policy.treatment.sla;
    html! {
        details {
            summary { (class.policy.class) ": "
                @if let Some(first) = class.candidates.first() { (slots(first.slots)) ", " (verdict(first.verdict)) } @else { "no path" }
            }
            p.hint { "Good enough: round trip " (sla.latency_ms) " ms, jitter " (sla.jitter_ms) " ms, loss " (sla.loss_permille)
                " of 1,000. Percentages are of what is allowed."
                @if class.policy.treatment.strategy == Strategy::Duplicate { " Each packet goes by the two best paths." }
            }
            div.scroll tabindex="0" role="region" aria-label={ "Paths for " (class.policy.class) } { table.paths {
                thead { tr {
                    th scope="col" { "Slots" } th scope="col" { "Decision" } th scope="col" { "State" } th.number scope="col" { "Score" }
                    th.number scope="col" { "Round trip" } th.number scope="col" { "Jitter" } th.number scope="col" { "Loss" }
                    th.number scope="col" { "Cost tier" } th.number scope="col" { "Sum" }
                } }
                tbody { @for candidate in &class.candidates { (candidate_row(candidate)) } }
            } }
        }
    }
}

fn candidate_row(candidate: &Explained) -> Markup {
    html! { tr {
        th scope="row" { (slots(candidate.slots)) }
        td { (verdict(candidate.verdict)) }
        td { (state(candidate.liveness, candidate.sla)) }
        td.number { (candidate.score) }
        td.number { (term(&candidate.latency, |us| format!("{:.1} ms", f64::from(us) / 1000.0))) }
        td.number { (term(&candidate.jitter, |us| format!("{:.1} ms", f64::from(us) / 1000.0))) }
        td.number { (term(&candidate.loss, |ppm| format!("{:.2} %", f64::from(ppm) / 10_000.0))) }
        td.number { (candidate.cost_tier) }
        td.number { (format!("{:.3}", f64::from(candidate.sum_milli) / 1000.0)) }
    } }
}

fn term(term: &Term, text: impl Fn(u32) -> String) -> Markup {
    html! {
        @match term.measured { Some(measured) => (text(measured)), None => "not measured" }
        span.detail { (term.milli / 10) " %, weighs " (term.weight_milli / 10) " %" }
    }
}

fn state(liveness: Liveness, sla: SlaState) -> Markup {
    match (liveness, sla) {
        (Liveness::Up, SlaState::Met) => badge(Tone::Good, "Good"),
        (Liveness::Up, SlaState::Violated) => badge(Tone::Warn, "Not good enough"),
        (Liveness::Suspect, _) => badge(Tone::Warn, "Suspect"),
        (Liveness::Holding, _) => badge(Tone::Warn, "Watched"),
        (Liveness::Unknown | Liveness::Probing, _) => badge(Tone::Warn, "Unproven"),
        (Liveness::Down, _) => badge(Tone::Bad, "Down"),
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Chosen => "carries it",
        Verdict::Shares => "carries it, too",
        Verdict::NotBetter => "not better",
        Verdict::NotGoodEnough => "not good enough",
        Verdict::Held => "was left lately",
        Verdict::CostsMore => "costs more",
        Verdict::Drained => "drained",
        Verdict::Unproven => "not proven",
        Verdict::Dead => "carries nothing",
        Verdict::NotAllowed => "not allowed",
    }
}

fn drains(drains: &[Drain], csrf: &str) -> Markup {
    html! {
        @if !drains.is_empty() {
            section.card { h2 { "Drained" }
                @for drain in drains {
                    form.actions method="post" action="/policy/undrain" {
                        (token(csrf))
                        @if let Some(local) = drain.local { input type="hidden" name="local" value=(local); }
                        @if let Some(remote) = drain.remote { input type="hidden" name="remote" value=(remote); }
                        @if let Some(site) = &drain.site { input type="hidden" name="site" value=(site); }
                        span { (drain.kind) @if let Some(local) = drain.local { " " (local) }
                            @if let Some(remote) = drain.remote { " to " (remote) }
                            @if let Some(site) = &drain.site { " of " (short(site)) }
                            @if drain.seconds_left > 0 { ", empty in " (duration(drain.seconds_left)) }
                        }
                        button.quiet type="submit" { "Use it again" }
                    }
                }
            }
        }
    }
}

fn slots(slots: Slots) -> String {
    format!("{} to {}", slots.local, slots.remote)
}

fn called(name: &str, id: &str) -> String {
    if name.is_empty() { short(id) } else { name.to_owned() }
}

fn frame(site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator("Policy", "/policy", site, csrf, body)
}
