//! The configuration page.

use maud::{Markup, html};
use patronus_ipc::config::{Problem, Revision};

use super::{
    layout::{self, token},
    parts::{Tone, badge, duration, message, moment},
};
use crate::view::{Status, Trial, dry_run::Changes, routing::Slots};

/// Changes of one kind that the page lists.
const SHOWN: usize = 12;

/// What the last button led to.
pub(crate) enum Outcome {
    /// Nothing was pressed.
    None,
    /// The text is valid, and would change this.
    Valid(Option<Changes>),
    /// The text was refused.
    Problems(Vec<Problem>),
}

/// The page: the text, the trial, the history.
pub(crate) fn page(status: &Status, revisions: &[Revision], toml: &str, outcome: &Outcome, csrf: &str) -> Markup {
    layout::administrator(
        "Configuration",
        "/configuration",
        &status.site,
        csrf,
        html! {
            div.headline { h1 { "Configuration" } (badge(Tone::Calm, &format!("generation {}", status.generation))) }
            @if let Some(trial) = &status.trial { (on_trial(trial, status.generation, csrf)) }
            (outcome_message(outcome))
            section.card {
                h2 { "Running configuration" }
                form method="post" action="/configuration" {
                    (token(csrf))
                    input type="hidden" name="base" value=(status.generation);
                    label for="toml" { "TOML" }
                    textarea #toml.toml name="toml" rows="22" spellcheck="false" autocapitalize="none" autocomplete="off"
                        aria-describedby="trial-hint" { "\n" (toml) }
                    (trial_field())
                    p.hint #trial-hint { "With a trial, a mistake that locks you out undoes itself." }
                    div.actions {
                        button type="submit" name="action" value="apply" { "Apply" }
                        button.quiet type="submit" name="action" value="check" { "Check only" }
                        a.button.quiet href="/configuration/export" { "Download" }
                    }
                }
            }
            section.card { h2 { "History" } (history(revisions, &status.timezone, csrf)) }
        },
    )
}

/// For how long a change is on trial.
pub(super) fn trial_field() -> Markup {
    html! {
        div.field.inline {
            label for="confirm_within_s" { "Go back by itself unless confirmed within" }
            select #confirm_within_s name="confirm_within_s" {
                option value="60" { "1 minute" }
                option value="120" selected { "2 minutes" }
                option value="600" { "10 minutes" }
                option value="0" { "never: keep it at once" }
            }
        }
    }
}

/// What is on trial, and the way to keep it.
pub(super) fn on_trial(trial: &Trial, generation: u64, csrf: &str) -> Markup {
    message(
        Tone::Warn,
        "This configuration is on trial",
        html! {
            p { "It goes back to generation " (trial.falls_back_to) " in "
                strong #countdown data-countdown=(trial.seconds_left) role="timer" { (duration(trial.seconds_left)) } "." }
            div.actions {
                form method="post" action="/configuration/confirm" {
                    (token(csrf))
                    input type="hidden" name="generation" value=(generation);
                    button type="submit" { "Keep it" }
                }
                form method="post" action="/configuration/rollback" {
                    (token(csrf))
                    input type="hidden" name="generation" value=(trial.falls_back_to);
                    button.quiet type="submit" { "Go back now" }
                }
            }
        },
    )
}

fn outcome_message(outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::None => html! {},
        Outcome::Valid(changes) => message(
            Tone::Good,
            "The configuration is valid",
            html! { p { "Nothing was changed yet." } @if let Some(changes) = changes { (dry_run(changes)) } },
        ),
        Outcome::Problems(problems) => message(
            Tone::Bad,
            "Nothing was changed",
            html! {
                ul { @for problem in problems { li {
                    @if !problem.at.is_empty() { code { (problem.at) } ": " }
                    (problem.message)
                } } }
            },
        ),
    }
}

fn dry_run(changes: &Changes) -> Markup {
    html! {
        @if changes.paths.is_empty() {
            p { "Traffic to other sites would keep its paths." }
        } @else {
            p { "Traffic to other sites would change its paths:" }
            ul { @for change in changes.paths.iter().take(SHOWN) { li {
                strong { (change.class) } " to " (change.name) ": from " (path(change.from)) " to " (path(change.to))
            } } }
            (more(changes.paths.len()))
        }
        @if !changes.flows.is_empty() {
            p { (changes.flows.len()) " of " (changes.flows_compared) " flows to other sites would be of another class:" }
            ul { @for flow in changes.flows.iter().take(SHOWN) { li {
                code { (flow.inside) } " with " code { (flow.remote) } " at " (flow.name) ": " (flow.from) " becomes " strong { (flow.to) }
            } } }
            (more(changes.flows.len()))
        }
    }
}

fn path(slots: Option<Slots>) -> String {
    slots.map_or_else(|| "none".to_owned(), |slots| format!("path {} to {}", slots.local, slots.remote))
}

fn more(all: usize) -> Markup {
    html! { @if all > SHOWN { p.hint { "and " (all - SHOWN) " more; the API has them all" } } }
}

fn history(revisions: &[Revision], timezone: &str, csrf: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="History" { table {
            thead { tr {
                th scope="col" { "Generation" } th scope="col" { "When" } th.who scope="col" { "Who" } th scope="col" { span.hidden { "Action" } }
            } }
            tbody { @for revision in revisions { tr {
                th scope="row" { (revision.generation) }
                td { (moment(revision.committed_unix_s, timezone)) }
                td.who { (revision.author) }
                td.action {
                    @if revision.running { (badge(Tone::Good, "Running")) } @else {
                        form method="post" action="/configuration/rollback" {
                            (token(csrf))
                            input type="hidden" name="generation" value=(revision.generation);
                            button.quiet.small type="submit" aria-label={ "Go back to generation " (revision.generation) } { "Go back" }
                        }
                    }
                }
            } } }
        } }
    }
}
