//! The system page: restart, power, password.

use maud::{Markup, html};

use super::{
    layout::{self, token, username},
    parts::{Tone, duration, fact, field, message},
};
use crate::view::Status;

/// What the last button led to.
pub(crate) enum Message {
    /// Nothing was pressed.
    None,
    /// It did not work.
    Error(String),
}

/// The page.
pub(crate) fn page(status: &Status, said: &Message, csrf: &str) -> Markup {
    layout::administrator(
        "System",
        "/system",
        &status.site,
        csrf,
        html! {
            div.headline { h1 { "System" } }
            @if let Message::Error(error) = said { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            div.grid {
                section.card { h2 { "Change the password" } (password(csrf)) }
                div.stack {
                    section.card {
                        h2 { "Restart" }
                        @if let Some(machine) = &status.machine {
                            dl.facts { (fact("Version", &machine.version)) (fact("Up for", duration(machine.uptime_s))) }
                        }
                        p { "Takes about a minute. Nothing that was saved is lost." }
                        (stop(csrf, "/system/reboot", "reboot", "Restart the router"))
                    }
                    section.card {
                        h2 { "Switch off" }
                        p { "The router must be started again with its power button." }
                        (stop(csrf, "/system/power-off", "power-off", "Switch the router off"))
                    }
                }
            }
        },
    )
}

fn password(csrf: &str) -> Markup {
    let input = |name: &str, purpose: &str| {
        html! {
            input id=(name) name=(name) type="password" autocomplete=(purpose) required maxlength="256";
        }
    };
    html! {
        form method="post" action="/system/password" {
            (token(csrf))
            (username())
            (field("current", "Present password", None, None, input("current", "current-password")))
            (field("new", "New password", Some("Four or five unrelated words are strong and easy to remember."), None, input("new", "new-password")))
            (field("new-again", "The new password again", None, None, input("new-again", "new-password")))
            button type="submit" { "Change the password" }
            p.hint { "Everybody else who is signed in is signed out." }
        }
    }
}

fn stop(csrf: &str, action: &str, id: &str, label: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            (token(csrf))
            label.check { input id=(id) type="checkbox" name="sure" value="yes" required; span { "Yes, interrupt everybody behind this router" } }
            button.danger type="submit" { (label) }
        }
    }
}
