//! The sites of the network: show them, revoke, rename, renew.

use patronus_ipc::mesh::{Request, State};
use patronus_types::{SiteId, SiteName};
use serde::Deserialize;
use serde_json::json;

use super::{Failure, machine::uptime_ms, network::ask, read_json};
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    routes::Handler,
    view::sdwan,
};

/// What `mesh` told last.
pub(super) fn network(app: &App) -> Result<State, Failure> {
    app.network().ok_or(Refusal::Unavailable.into())
}

/// The site's time zone.
pub(super) fn timezone(app: &App) -> String {
    let claimed = app.configuration().and_then(|state| state.claimed);
    claimed.map_or_else(|| "UTC".to_owned(), |claimed| claimed.document.site.timezone.to_string())
}

pub(super) fn page(app: &App, call: &Call) -> Reply {
    let not_begun = app.not_joined().as_ref().map(|problem| problem.message.clone());
    show(app, call, 200, not_begun.as_deref())
}

/// All sites, or the ways into a network, with what went wrong.
pub(super) fn show(app: &App, call: &Call, status: u16, error: Option<&str>) -> Reply {
    match app.network() {
        None => reply::page(503, pages::sites::away(&app.site(), call.csrf())),
        Some(state) if state.network.is_some() => {
            let view = sdwan::sites(&state, uptime_ms());
            reply::page(status, pages::sites::page(&view, error, &app.site(), call.csrf()))
        }
        Some(state) => show_entry(app, call, status, &state, error),
    }
}

/// The ways into a network, with what went wrong on the one that was tried.
pub(super) fn entry(app: &App, call: &Call, failure: &Failure) -> Reply {
    match app.network() {
        None => reply::page(503, pages::sites::away(&app.site(), call.csrf())),
        Some(state) => show_entry(app, call, failure.status(), &state, Some(&failure.message())),
    }
}

fn show_entry(app: &App, call: &Call, status: u16, state: &State, error: Option<&str>) -> Reply {
    let view = sdwan::sites(state, uptime_ms());
    let entry = pages::network::Entry { joining: view.joining.as_ref(), error, token: call.form.raw("token") };
    reply::page(status, pages::network::entry(&entry, &app.site(), call.csrf()))
}

pub(super) fn api_sites(app: &App) -> Reply {
    match network(app) {
        Ok(state) => reply::json(200, &sdwan::sites(&state, uptime_ms())),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) fn site_page(app: &App, call: &Call) -> Reply {
    show_site(app, call, 200, call.query.text("id"), None)
}

fn show_site(app: &App, call: &Call, status: u16, id: &str, error: Option<&str>) -> Reply {
    let Some(state) = app.network() else { return reply::page(503, pages::sites::away(&app.site(), call.csrf())) };
    let view = sdwan::sites(&state, uptime_ms());
    match view.sites.iter().find(|site| site.id == id) {
        Some(site) => {
            let can_change = view.network.as_ref().is_some_and(|network| network.is_signer);
            let shown = pages::sites::Shown { site, can_change, error, timezone: &timezone(app) };
            reply::page(status, pages::sites::site(&shown, &app.site(), call.csrf()))
        }
        None => Failure::from(Refusal::NoRoute).into_page(app),
    }
}

pub(super) fn revoke_page(app: &App, call: &Call) -> Reply {
    let Some(state) = app.network() else { return reply::page(503, pages::sites::away(&app.site(), call.csrf())) };
    let view = sdwan::sites(&state, uptime_ms());
    match view.sites.iter().find(|site| site.id == call.query.text("id")) {
        Some(site) => reply::page(200, pages::sites::revoke(site, &app.site(), call.csrf())),
        None => Failure::from(Refusal::NoRoute).into_page(app),
    }
}

/// What is to be done with which site.
fn request(handler: Handler, site: &str, name: &str) -> Result<Request, Failure> {
    let not_a_site = |_| Failure::about("site", "site-unknown", "There is no such site.");
    let site: SiteId = site.parse().map_err(not_a_site)?;
    match handler {
        Handler::RevokeForm | Handler::ApiRevoke => Ok(Request::Revoke { site }),
        Handler::RenameForm | Handler::ApiRename => {
            let not_a_name = |error| Failure::about("name", "name-invalid", format!("This cannot be a name: {error}."));
            Ok(Request::Rename { site, name: name.parse::<SiteName>().map_err(not_a_name)? })
        }
        _ => Ok(Request::Renew { site }),
    }
}

pub(super) async fn change_form(app: &App, call: &Call, handler: Handler) -> Reply {
    let site = call.form.text("site");
    let changed = async { ask(app, request(handler, site, call.form.text("name"))?).await };
    match changed.await {
        Ok(_) => reply::redirect("/sites"),
        Err(failure) => show_site(app, call, failure.status(), site, Some(&failure.message())),
    }
}

pub(super) async fn api_change(app: &App, call: &Call, handler: Handler) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        site: String,
        #[serde(default)]
        name: String,
    }
    let changed = async {
        let Body { site, name } = read_json(call)?;
        ask(app, request(handler, &site, &name)?).await
    };
    match changed.await {
        Ok(_) => reply::json(200, &json!({})),
        Err(failure) => failure.into_json(app),
    }
}
