//! Tokens: one to be made, one just made, and those made before.

use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

use super::{
    layout::{self, token as csrf_token},
    parts::{Tone, badge, described_by, field, list, message, moment},
    sites::{roles, short},
};
use crate::{form::Form, view::sdwan::Token};

/// White modules around a QR code (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// What the last button led to.
pub(crate) enum Said {
    /// Nothing was pressed.
    None,
    /// This token was made.
    Token(String),
    /// Nothing was made.
    Error(String),
}

/// What the page shows.
pub(crate) struct Shown<'s> {
    /// All tokens, newest first.
    pub tokens: &'s [Token],
    /// Whether this box makes tokens.
    pub is_signer: bool,
    /// What the form holds.
    pub form: &'s Form,
    /// What the last button led to.
    pub said: &'s Said,
    /// For times.
    pub timezone: &'s str,
}

/// The page.
pub(crate) fn page(shown: &Shown<'_>, site: &str, csrf: &str) -> Markup {
    layout::administrator(
        "Tokens",
        "/sites",
        site,
        csrf,
        html! {
            p { a href="/sites" { "All sites" } }
            div.headline { h1 { "Add a site" } }
            @match shown.said {
                Said::None => {},
                Said::Error(error) => { (message(Tone::Bad, "No token was made", html! { p { (error) } })) }
                Said::Token(text) => { (fresh(text)) }
            }
            @if !matches!(shown.said, Said::Token(_)) {
                @if shown.is_signer { section.card { h2 { "Make a token" } (make(shown.form, csrf)) } }
                @else { p.lead { "Tokens are made on a signer's router." } }
                section.card { h2 { "Tokens made here" } (table(shown.tokens, shown.timezone)) }
            }
        },
    )
}

/// A token that was made just now; it is shown this once.
fn fresh(text: &str) -> Markup {
    html! {
        section.card {
            h2 { "The token" }
            p { "Paste it on the new router: at its set-up, or on its page Sites. It is shown this once and can be used once." }
            textarea #made.toml rows="6" readonly aria-label="The token" { (text) }
            @if let Some(picture) = qr(text) { details { summary { "As a QR code" } (picture) } }
            p.actions { a.button.quiet href="/sites/tokens" { "Make another token" } a.button.quiet href="/sites" { "All sites" } }
        }
    }
}

/// In upper case, which QR codes hold in fewer modules; tokens are read in any case.
fn qr(text: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text.to_ascii_uppercase(), EcLevel::L).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let dark = colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark);
    let modules: String = dark
        .map(|(index, _)| format!("M{} {}h1v1h-1z", index % width + QUIET_ZONE, index / width + QUIET_ZONE))
        .collect();
    let side = width + 2 * QUIET_ZONE;
    Some(html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label="The token as a QR code" shape-rendering="crispEdges" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(modules) fill="#000" {}
        }
    })
}

fn make(form: &Form, csrf: &str) -> Markup {
    let text = |name: &str, label: &str, hint: &str| {
        let input = html! {
            input id=(name) name=(name) type="text" value=(form.raw(name)) autocomplete="off" autocapitalize="none" spellcheck="false"
                maxlength="1000" aria-describedby=[described_by(name, true, false)];
        };
        field(name, label, Some(hint), None, input)
    };
    html! {
        form method="post" action="/sites/tokens" {
            (csrf_token(csrf))
            (text("prefixes", "LAN of the new site", "A network that no other site has. Several are separated by commas."))
            (field("valid_s", "Good for", None, None, html! {
                select #valid_s name="valid_s" {
                    @for (seconds, label) in [("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days"), ("2592000", "30 days")] {
                        option value=(seconds) selected[form.text("valid_s") == seconds] { (label) }
                    }
                }
            }))
            fieldset.plain {
                legend { "Roles" }
                @for (name, label) in [
                    ("role-site", "Site: has a LAN"),
                    ("role-hub", "Hub: carries traffic between other sites"),
                    ("role-seed", "Seed: others find the network through it"),
                    ("role-relay", "Relay: carries tunnels of sites that cannot reach each other"),
                ] {
                    label.check { input id=(name) type="checkbox" name=(name) value="yes" checked[form.raw(name) == "yes"]; span { (label) } }
                }
            }
            (text("seeds", "Seeds", "Where the new site finds one with the role seed, such as vpn.example.net:51822; at most 4. On this LAN or uplink network it needs none."))
            button type="submit" { "Make a token" }
        }
    }
}

fn table(tokens: &[Token], timezone: &str) -> Markup {
    let when = |unix_s: u64| moment(i64::try_from(unix_s).unwrap_or(i64::MAX), timezone);
    html! {
        @if tokens.is_empty() { p.none { "None yet." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Tokens" { table {
                thead { tr { th scope="col" { "Token" } th scope="col" { "State" } th scope="col" { "For" } th.who scope="col" { "Made" } th.who scope="col" { "Good until" } } }
                tbody { @for token in tokens { tr {
                    th scope="row" { code { (short(&token.id)) } }
                    td { (state(token, when)) }
                    td { (list(&token.prefixes)) span.detail { (roles(&token.roles)) } }
                    td.who { (when(token.made_unix_s)) }
                    td.who { (when(token.expires_unix_s)) }
                } } }
            } }
        }
    }
}

fn state(token: &Token, when: impl Fn(u64) -> String) -> Markup {
    match token.state {
        "good" => badge(Tone::Good, "Good"),
        "expired" => badge(Tone::Calm, "Expired"),
        _ => html! {
            (badge(Tone::Calm, "Used")) " "
            @if let Some(site) = &token.used_by {
                a href={ "/sites/site?id=" (site) } { (token.used_by_name.clone().unwrap_or_else(|| short(site))) }
            }
            @if let Some(at) = token.used_unix_s { " " span.detail { (when(at)) } }
        },
    }
}
