//! The page to sign in.

use maud::{Markup, html};

use super::{
    layout,
    parts::{Tone, field, message},
};

/// Asks for the password; `error` says why the last one did not do.
pub(crate) fn login(error: Option<&str>) -> Markup {
    layout::plain(
        "Sign in",
        html! {
            section.card {
                h1 { "Sign in" }
                @if let Some(error) = error { (message(Tone::Bad, "Not signed in", html! { p { (error) } })) }
                form method="post" action="/login" {
                    (layout::username())
                    (field("password", "Administrator password", None, None, html! {
                        input #password name="password" type="password" autocomplete="current-password" required autofocus maxlength="256";
                    }))
                    button type="submit" { "Sign in" }
                }
            }
        },
    )
}
