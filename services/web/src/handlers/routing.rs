//! Which path carries what, and why; and what a person relieves of traffic.

use patronus_ipc::{
    datapath::{self, Datapath},
    prober::PathId,
    router::{Drainable, Rejected, Reply as Answer, Request, Router},
};
use patronus_types::{Document, SiteId, UplinkSlot};
use serde::Deserialize;
use serde_json::json;

use super::{Failure, machine::uptime_ms, read_json};
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    routes::Handler,
    view::{
        dry_run::{Changes, changes},
        routing::{self, Explanation, Policies},
    },
};

/// Seconds in which what is drained is empty, unless somebody says otherwise.
const WITHIN_S: u32 = 300;
/// And at most.
const MOST_S: u32 = 86_400;

pub(super) async fn page(app: &App, call: &Call) -> Reply {
    show(app, call, 200, None).await
}

async fn show(app: &App, call: &Call, status: u16, error: Option<&str>) -> Reply {
    let Some(view) = policies(app) else {
        return reply::page(503, pages::routing::away(&app.site(), call.csrf()));
    };
    let wanted = call.query.text("site").parse().ok();
    let first = view.sites.first().and_then(|site| site.site.parse().ok());
    let why = match wanted.or(first) {
        Some(site) => explain(app, site).await.ok(),
        None => None,
    };
    reply::page(status, pages::routing::page(&view, why.as_ref(), error, &app.site(), call.csrf()))
}

pub(super) fn api_policies(app: &App) -> Reply {
    match policies(app) {
        Some(view) => reply::json(200, &view),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

pub(super) async fn api_explain(app: &App, call: &Call) -> Reply {
    let explained = async {
        let site = call.query.text("site").parse().map_err(|_| unknown(Rejected::SiteUnknown))?;
        explain(app, site).await
    };
    match explained.await {
        Ok(view) => reply::json(200, &view),
        Err(failure) => failure.into_json(app),
    }
}

fn policies(app: &App) -> Option<Policies> {
    Some(routing::policies(&app.routing()?, &document(app)?, app.network().as_ref(), uptime_ms()))
}

fn document(app: &App) -> Option<Document> {
    Some(app.configuration()?.claimed?.document)
}

/// What another document would change between sites; `None` if a service that must be asked does not answer.
pub(super) async fn dry_run(app: &App, document: Document) -> Option<Changes> {
    let now = app.routing()?;
    let Ok(Answer::Sites(then)) = app.ask::<Router>(Request::DryRun(Box::new(document.clone()))).await else {
        return None;
    };
    let Ok(datapath::Reply::Flows(flows)) = app.ask::<Datapath>(datapath::Request::Flows).await else { return None };
    Some(changes(&now, &then, &document, &flows, app.network().as_ref()))
}

async fn explain(app: &App, site: SiteId) -> Result<Explanation, Failure> {
    match app.ask::<Router>(Request::Explain(site)).await? {
        Answer::Explanation(told) => Ok(routing::explanation(
            &told,
            &document(app).map(|it| it.policy).unwrap_or_default(),
            app.network().as_ref(),
        )),
        Answer::Rejected(rejected) => Err(unknown(rejected)),
        _ => Err(Refusal::Unavailable.into()),
    }
}

/// What is meant: an uplink by slot; a path by both slots and its site; or a site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    #[serde(default)]
    local: Option<UplinkSlot>,
    #[serde(default)]
    remote: Option<UplinkSlot>,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    within_s: Option<u32>,
}

impl Meant {
    fn drainable(&self) -> Result<Drainable, Failure> {
        let site = self.site.as_ref().map(|site| site.parse()).transpose();
        let site: Option<SiteId> = site.map_err(|_| unknown(Rejected::SiteUnknown))?;
        match (self.local, self.remote, site) {
            (Some(local), None, None) => Ok(Drainable::Uplink(local)),
            (Some(local), Some(remote), Some(site)) => Ok(Drainable::Path(PathId { site, local, remote })),
            (None, None, Some(site)) => Ok(Drainable::Site(site)),
            _ => Err(Failure::about(
                "",
                "drain-unclear",
                "Name an uplink (local), a path (local, remote, site) or a site.",
            )),
        }
    }
}

async fn change(app: &App, meant: &Meant, handler: Handler) -> Result<(), Failure> {
    let what = meant.drainable()?;
    let within_s = meant.within_s.unwrap_or(WITHIN_S).min(MOST_S);
    let is_drain = matches!(handler, Handler::ApiDrain | Handler::DrainForm);
    let request = if is_drain { Request::Drain(what, within_s) } else { Request::Undrain(what) };
    match app.ask::<Router>(request).await? {
        Answer::Accepted => Ok(()),
        Answer::Rejected(rejected) => Err(unknown(rejected)),
        _ => Err(Refusal::Unavailable.into()),
    }
}

pub(super) async fn api_change(app: &App, call: &Call, handler: Handler) -> Reply {
    let changed = async { change(app, &read_json(call)?, handler).await };
    match changed.await {
        Ok(()) => reply::json(200, &json!({})),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn change_form(app: &App, call: &Call, handler: Handler) -> Reply {
    let slot = |name: &str| call.form.text(name).parse().ok().and_then(UplinkSlot::new);
    let site = Some(call.form.text("site").to_owned()).filter(|site| !site.is_empty());
    let meant = Meant { local: slot("local"), remote: slot("remote"), site, within_s: None };
    match change(app, &meant, handler).await {
        Ok(()) => reply::redirect("/policy"),
        Err(failure) => show(app, call, failure.status(), Some(&failure.message())).await,
    }
}

fn unknown(rejected: Rejected) -> Failure {
    let message = match rejected {
        Rejected::SiteUnknown => "There is no such site in this network.",
        Rejected::PathUnknown => "There is no such path.",
        Rejected::UplinkUnknown => "This router has no such uplink.",
        Rejected::TooManyDrains => "As many things as can be are drained already; end one first.",
        Rejected::NoSpace => {
            "The disk is full, so this would not outlast a restart: nothing was changed. Make room and try again."
        }
    };
    Failure::about("", &rejected.to_string(), message)
}
