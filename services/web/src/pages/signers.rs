//! Who may sign records: a card on the page of the sites.

use maud::{Markup, html};

use super::{
    layout::token,
    parts::{Tone, badge, count, described_by, field},
    sites::short,
};
use crate::view::sdwan::{Network, Signer};

/// All signers, and what the recovery key can do about them.
pub(super) fn card(network: &Network, csrf: &str) -> Markup {
    html! {
        section.card #signers {
            h2 { "Signers" }
            p { "A signer's router adds, renames and revokes sites, and renews their records." }
            ul { @for signer in &network.signers { li {
                code title=(signer.key) { (short(&signer.key)) "…" } " " (standing(signer))
                @if !signer.is_withdrawn { span.detail { " " (count(signer.sites.into(), "site")) " by its word" } }
                @if network.is_signer && !signer.is_here && !signer.is_withdrawn { (withdraw(signer, csrf)) }
            } } }
            @if !network.is_signer { (make(csrf)) }
        }
    }
}

fn standing(signer: &Signer) -> Markup {
    match (signer.is_withdrawn, signer.is_here) {
        (true, _) => badge(Tone::Bad, "Withdrawn"),
        (false, true) => badge(Tone::Good, "This router"),
        (false, false) => badge(Tone::Calm, "Another router"),
    }
}

fn make(csrf: &str) -> Markup {
    html! {
        details {
            summary { "Make this site a signer" }
            p { "A second signer takes over when the first is lost: it renews what the first has signed." }
            form method="post" action="/network/signer" {
                (token(csrf))
                (key("root"))
                button type="submit" { "Make this site a signer" }
            }
        }
    }
}

fn withdraw(signer: &Signer, csrf: &str) -> Markup {
    let place = format!("root-{}", short(&signer.key));
    html! {
        details {
            summary { "Withdraw" }
            p { "For ever. Its sites stay: this router signs their records anew, and ten seconds later the other one is no signer any more." }
            form method="post" action="/network/withdraw" {
                (token(csrf))
                input type="hidden" name="signer" value=(signer.key);
                (key(&place))
                button.danger type="submit" { "Withdraw this signer" }
            }
        }
    }
}

/// Where the recovery key is pasted.
fn key(place: &str) -> Markup {
    let hint = "The recovery file as a whole, or its 64 digits. It is used once and not kept.";
    field(
        place,
        "Recovery key",
        Some(hint),
        None,
        html! {
            textarea id=(place) name="root" rows="2" spellcheck="false" autocapitalize="none" autocomplete="off" required maxlength="2000"
                aria-describedby=[described_by(place, true, false)] {}
        },
    )
}
