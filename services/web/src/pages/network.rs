//! The ways into a network: create one, or join one.

use maud::{Markup, html};

use super::{
    layout::{self, token},
    parts::{Tone, described_by, fact, field, message},
};
use crate::view::sdwan::Joining;

/// Digits of a key in one group, as people read it out.
const GROUP: usize = 8;

/// What the page of a site without a network shows.
pub(crate) struct Entry<'e> {
    /// The way that is being gone.
    pub joining: Option<&'e Joining>,
    /// What went wrong.
    pub error: Option<&'e str>,
    /// The token as it was typed.
    pub token: &'e str,
}

/// The page of a site without a network.
pub(crate) fn entry(entry: &Entry<'_>, site: &str, csrf: &str) -> Markup {
    layout::administrator(
        "Sites",
        "/sites",
        site,
        csrf,
        html! {
            div.headline { h1 { "Sites" } }
            @if let Some(error) = entry.error { (message(Tone::Bad, "This site is not in a network", html! { p { (error) } })) }
            @if let Some(joining) = entry.joining {
                div #joining data-live data-refresh="2" data-watch="joining" { (progress(joining)) }
            } @else {
                p.lead { "This router is set up and in no network yet. Create one here, or join the one of another site." }
            }
            div.grid {
                @if entry.joining.is_none() { section.card { h2 { "Create a network" } (create(csrf)) } }
                section.card {
                    h2 { @if entry.joining.is_some() { "Try another token" } @else { "Join with a token" } }
                    form method="post" action="/network/join" {
                        (token(csrf))
                        (token_field(entry.token, None))
                        button type="submit" { "Join" }
                    }
                }
            }
        },
    )
}

fn create(csrf: &str) -> Markup {
    html! {
        p { "For the first site, or the only one. This router then makes the tokens with which other sites join." }
        form method="post" action="/network/key" {
            (token(csrf))
            button type="submit" { "Create a network" }
            p.hint { "First you save its recovery key. Nothing is created before that." }
        }
    }
}

/// How far the way into a network is: the step that failed, and what to do.
fn progress(joining: &Joining) -> Markup {
    let network: String = joining.network.chars().take(GROUP).collect();
    match &joining.problem {
        None => message(
            Tone::Calm,
            "Joining",
            html! {
                p role="status" { "This router asks to join network " code { (network) } ". Nobody has answered yet." }
                details {
                    summary { "If this takes longer than a minute" }
                    ul {
                        li { "The site that made the token, or a seed that the token names, must be switched on." }
                        li { "On the same LAN or uplink network nothing else is needed. Elsewhere the token must name a seed, and this router needs an uplink that works: see Status." }
                        li { "The seed's TCP port 51822 must be reachable from here." }
                    }
                }
            },
        ),
        Some(problem) => message(
            Tone::Bad,
            &format!("Not joined: {}", step(&problem.code)),
            html! {
                p { (problem.message) }
                p.detail { code { (problem.code) } ". The router goes on asking, because the reason may pass." }
            },
        ),
    }
}

/// Which step a reason belongs to.
fn step(code: &str) -> &'static str {
    match code {
        "seed-unreachable" => "no seed was reached",
        "signer-silent" => "the seed has no answer",
        "token-used" | "token-expired" | "token-unknown" => "the token was refused",
        "clock-unknown" | "answer-without-record" => "the time or the answer is not good",
        "prefix-not-granted" | "prefix-taken" => "the LAN was refused",
        "name-taken" => "the name was refused",
        _ => "the request was refused",
    }
}

/// Where a token is pasted.
pub(super) fn token_field(value: &str, error: Option<&String>) -> Markup {
    let hint = "Paste the whole text; it begins with patronus1. It can be used once.";
    field(
        "token",
        "Token",
        Some(hint),
        error,
        html! {
            textarea #token name="token" rows="4" spellcheck="false" autocapitalize="none" autocomplete="off" maxlength="4000"
                aria-invalid=[error.is_some().then_some("true")]
                aria-describedby=[described_by("token", true, error.is_some())] { "\n" (value) }
        },
    )
}

/// The recovery key, before the network exists: it is saved first.
pub(crate) fn key(site: &str, network: &str, root: &str, error: Option<&str>, csrf: &str) -> Markup {
    layout::administrator(
        "Create a network",
        "/sites",
        site,
        csrf,
        html! {
            div.headline { h1 { "Create a network" } }
            @if let Some(error) = error { (message(Tone::Bad, "Not yet", html! { p { (error) } })) }
            section.card {
                h2 { "1. Save the recovery key" }
                p { "A network's trust begins with this key. The router does not keep it: the file that you save now is the only copy. \
                    You need it if this router is ever lost." }
                form method="post" action="/network/file" {
                    (token(csrf))
                    input type="hidden" name="root" value=(root);
                    button type="submit" { "Download the recovery file" }
                }
                details {
                    summary { "Or write it down" }
                    dl.facts {
                        (fact("Network", html! { code.groups { (groups(network)) } }))
                        (fact("Key", html! { code.groups { (groups(root)) } }))
                    }
                }
            }
            section.card {
                h2 { "2. Create the network" }
                form method="post" action="/network/create" {
                    (token(csrf))
                    input type="hidden" name="root" value=(root);
                    label.check { input #saved type="checkbox" name="saved" value="yes" required; span { "The recovery key is saved where this router cannot lose it" } }
                    button type="submit" { "Create the network" }
                }
                p.hint { "Nothing has been created so far. If you leave or reload this page, begin again: you get another key, and the file of this one is of no use." }
            }
        },
    )
}

fn groups(digits: &str) -> String {
    let letters: Vec<char> = digits.chars().collect();
    letters.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
