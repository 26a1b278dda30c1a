//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

/// The pages in the navigation: path and name.
const PAGES: &[(&str, &str)] = &[
    ("/", "Status"),
    ("/sites", "Sites"),
    ("/topology", "Topology"),
    ("/paths", "Paths"),
    ("/policy", "Policy"),
    ("/events", "Events"),
    ("/flows", "Flows"),
    ("/firewall", "Firewall"),
    ("/forwards", "Forwards"),
    ("/configuration", "Configuration"),
    ("/logs", "Logs"),
    ("/system", "System"),
];

/// A page of the administrator, with navigation.
pub(super) fn administrator(title: &str, path: &str, site: &str, csrf: &str, body: Markup) -> Markup {
    let header = html! {
        header.top {
            div.bar {
                (brand(Some(site)))
                nav aria-label="Main" {
                    ul { @for (target, name) in PAGES { li {
                        a href=(target) aria-current=[(*target == path).then_some("page")] { (name) }
                    } } }
                }
                form.logout method="post" action="/logout" {
                    (token(csrf))
                    button.quiet type="submit" { "Sign out" }
                }
            }
        }
    };
    document(title, header, "wide", body)
}

/// A page before anybody has signed in: one column, no navigation.
pub(super) fn plain(title: &str, body: Markup) -> Markup {
    let header = html! { header.top.lone { div.bar { (brand(None)) } } };
    document(title, header, "narrow", body)
}

/// A page with one message.
pub(crate) fn notice(title: &str, message: &str) -> Markup {
    plain(
        title,
        html! {
            section.card {
                h1 { (title) }
                p { (message) }
                p { a.button href="/" { "Back to the start" } }
            }
        },
    )
}

/// The last page before the router goes; `returns` lets the script wait for it.
pub(crate) fn farewell(title: &str, message: &str, returns: bool) -> Markup {
    plain(
        title,
        html! {
            section.card data-await-return[returns] {
                h1 { (title) }
                p role="status" { (message) }
                @if returns { p { a.button href="/" { "Open the status page" } } }
            }
        },
    )
}

/// The session's token in a form.
pub(super) fn token(csrf: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(csrf); }
}

/// Tells password managers whose password it is; not sent.
pub(super) fn username() -> Markup {
    html! { input type="text" autocomplete="username" value="admin" readonly hidden aria-hidden="true"; }
}

fn document(title: &str, header: Markup, width: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Patronus" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/patronus.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (header)
                main #main class=(width) tabindex="-1" { (body) }
                footer { p { "Patronus " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    }
}

fn brand(site: Option<&str>) -> Markup {
    html! {
        a.brand href="/" {
            img src="/assets/icon.svg" alt="" width="28" height="28";
            span { "Patronus" }
            @if let Some(site) = site.filter(|site| !site.is_empty()) { span.site { (site) } }
        }
    }
}
