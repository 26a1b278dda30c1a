//! First boot, as the person sees it.

mod form;

use maud::{Markup, html};
use patronus_types::Document;

use super::{
    layout::{self, token},
    parts::{Tone, described_by, field, message},
};

pub(crate) use form::form;

/// Asks for the claim code; `error` says why the last one did not do.
pub(crate) fn code(error: Option<&str>) -> Markup {
    let hint = "It is shown on the router's screen and serial console, such as ABCDE-FGHJK.";
    layout::plain(
        "Set up",
        html! {
            section.card {
                p.eyebrow { "First start" }
                h1 { "This router is new" }
                p.lead { "Enter its claim code to show that you are in front of it. Then choose a password and a name, and it is ready." }
                @if let Some(error) = error { (message(Tone::Bad, "That did not work", html! { p { (error) } })) }
                form method="post" action="/setup/code" {
                    (field("code", "Claim code", Some(hint), None, html! {
                        input #code.code name="code" type="text" required autofocus autocomplete="one-time-code" autocapitalize="characters"
                            spellcheck="false" maxlength="24" aria-describedby=[described_by("code", true, false)];
                    }))
                    button type="submit" { "Continue" }
                }
                p.aside { "Your browser warned about the certificate because this router made it itself. Compare the fingerprint that \
                    the browser shows with the one on the router's screen." }
            }
        },
    )
}

/// Tells where the page will be, before anything changes.
pub(crate) fn moves(document: &Document, joins: bool, csrf: &str) -> Markup {
    let address = format!("https://{}/", document.lan.address.addr());
    layout::plain(
        "One more step",
        html! {
            section.card {
                p.eyebrow { "Everything is checked" }
                h1 { "The router is about to move" }
                p.lead { "When you finish, this page will be at" }
                p.address { strong { (address) } }
                ul {
                    li { "Write the address down, or keep this page open." }
                    li { "Your computer must be on one of the LAN ports you chose: " (ports(document)) "." }
                    li { "Its own address must be in " (document.lan.address.trunc().to_string()) ". Unplug the cable and plug it in again so that it asks for a new one, or set one by hand." }
                    li { "Sign in there with the password that you have just chosen." }
                    li { (afterwards(joins)) }
                }
                form.actions method="post" action="/setup/finish" {
                    (token(csrf))
                    button type="submit" { "Finish" }
                    a.button.quiet href="/setup" { "Start over" }
                }
            }
        },
    )
}

/// The last page at the old address.
pub(crate) fn done(document: &Document, joins: bool) -> Markup {
    let address = format!("https://{}/", document.lan.address.addr());
    layout::plain(
        "Done",
        html! {
            section.card {
                p.eyebrow { "Set up" }
                h1 { (document.site.name) " is ready" }
                p.lead role="status" { "The router is moving to its new address. Sign in there:" }
                p.address { a href=(address) { (address) } }
                p { (afterwards(joins)) }
            }
        },
    )
}

/// What comes of the network: it is a step after the claim, and the page "Sites" always says how far it got.
fn afterwards(joins: bool) -> &'static str {
    if joins {
        "The router asks to join the network by itself. The page \"Sites\" there says how far it is. Keep the token until then."
    } else {
        "The network is created there, on the page \"Sites\", with a key that you save."
    }
}

fn ports(document: &Document) -> String {
    let ports: Vec<&str> = document.lan.ports.iter().map(patronus_types::PortName::as_str).collect();
    ports.join(", ")
}
