//! The configuration: show, check, apply on trial, confirm, roll back.

use std::sync::Arc;

use patronus_ipc::config::{self, Config, Reply as Answer, Request};
use patronus_types::Generation;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, machine, read_json};
use crate::{
    app::App,
    dispatch::Call,
    limits,
    pages::{self, configuration::Outcome},
    refusal::Refusal,
    reply::{self, Reply},
};

/// Who did it, for the history.
const BY_PAGE: &str = "administrator (page)";
const BY_API: &str = "administrator (API)";

/// Sends a request; a rejection is a failure.
async fn ask(app: &App, request: Request) -> Result<Answer, Failure> {
    match app.ask::<Config>(request).await? {
        Answer::Rejected(problems) => Err(Failure::Rejected(problems)),
        answer => Ok(answer),
    }
}

async fn commit(app: &App, request: Request) -> Result<Generation, Failure> {
    match ask(app, request).await? {
        Answer::Committed { generation } => Ok(generation),
        _ => Err(Refusal::Unavailable.into()),
    }
}

async fn toml_of(app: &App, generation: Option<Generation>) -> Result<String, Failure> {
    match ask(app, Request::Export { generation }).await? {
        Answer::Document { toml } => Ok(toml),
        _ => Err(Refusal::Unavailable.into()),
    }
}

async fn history(app: &App) -> Result<Vec<config::Revision>, Failure> {
    match ask(app, Request::History).await? {
        Answer::History(revisions) => Ok(revisions),
        _ => Err(Refusal::Unavailable.into()),
    }
}

pub(super) async fn page(app: &Arc<App>, call: &Call) -> Reply {
    match toml_of(app, None).await {
        Ok(toml) => show(app, call, &toml, &Outcome::None).await,
        Err(failure) => failure.into_page(app),
    }
}

async fn show(app: &Arc<App>, call: &Call, toml: &str, outcome: &Outcome) -> Reply {
    let shown = async { Ok::<_, Failure>((machine::status(app).await?, history(app).await?)) };
    match shown.await {
        Ok((status, revisions)) => {
            let code = if matches!(outcome, Outcome::Problems(_)) { 422 } else { 200 };
            reply::page(code, pages::configuration::page(&status, &revisions, toml, outcome, call.csrf()))
        }
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn submit(app: &Arc<App>, call: &Call) -> Reply {
    let form = &call.form;
    let toml = form.raw("toml").replace("\r\n", "\n");
    let request = match form.raw("action") {
        "apply" => {
            let base = form.text("base").parse().ok().map(Generation);
            let confirm_within_s = trial_s(form.text("confirm_within_s"));
            Request::Apply { toml: toml.clone(), base, confirm_within_s, author: BY_PAGE.to_owned() }
        }
        _ => Request::Check { toml: toml.clone() },
    };
    match ask(app, request).await {
        Ok(Answer::Committed { .. }) => reply::redirect("/configuration"),
        Ok(_) => show(app, call, &toml, &Outcome::Valid).await,
        Err(Failure::Rejected(problems)) => show(app, call, &toml, &Outcome::Problems(problems)).await,
        Err(failure) => failure.into_page(app),
    }
}

/// A trial's length from text; none if it is empty, zero or no number.
fn trial_s(text: &str) -> Option<u32> {
    text.parse().ok().filter(|seconds| *seconds > 0).map(|seconds: u32| seconds.min(limits::TRIAL_MAX_S))
}

pub(super) async fn confirm_form(app: &Arc<App>, call: &Call) -> Reply {
    let Ok(generation) = call.form.text("generation").parse() else {
        return Failure::from(Refusal::BadBody).into_page(app);
    };
    match commit(app, Request::Confirm { generation: Generation(generation) }).await {
        Ok(_) => reply::redirect("/configuration"),
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn rollback_form(app: &Arc<App>, call: &Call) -> Reply {
    let to = call.form.text("generation").parse().ok().map(Generation);
    match commit(app, Request::Rollback { to, author: BY_PAGE.to_owned() }).await {
        Ok(_) => reply::redirect("/configuration"),
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn export(app: &Arc<App>) -> Reply {
    match toml_of(app, None).await {
        Ok(toml) => reply::download("application/toml", "patronus.toml", toml),
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn api_show(app: &Arc<App>, call: &Call) -> Reply {
    let generation = match call.query.text("generation") {
        "" => Ok(None),
        text => text.parse().map(|generation| Some(Generation(generation))).map_err(|_| Refusal::OddQuery),
    };
    let toml = match generation {
        Ok(generation) => toml_of(app, generation).await,
        Err(refusal) => Err(refusal.into()),
    };
    match toml {
        Ok(toml) => reply::answer(200, "application/toml", toml),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn api_apply(app: &Arc<App>, call: &Call) -> Reply {
    let applied = async {
        let base = optional(call, "base")?.map(Generation);
        let seconds = optional(call, "confirm_within_s")?;
        let confirm_within_s = seconds.map(u32::try_from).transpose().map_err(|_| Refusal::OddQuery)?;
        let toml = read_toml(call)?;
        commit(app, Request::Apply { toml, base, confirm_within_s, author: BY_API.to_owned() }).await
    };
    committed(app, applied.await)
}

pub(super) async fn api_check(app: &Arc<App>, call: &Call) -> Reply {
    let checked = async { ask(app, Request::Check { toml: read_toml(call)? }).await };
    match checked.await {
        Ok(_) => reply::json(200, &json!({ "valid": true })),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn api_confirm(app: &Arc<App>, call: &Call) -> Reply {
    let confirmed = async {
        let Which { generation } = read_json(call)?;
        let generation = Generation(generation.ok_or(Refusal::BadBody)?);
        commit(app, Request::Confirm { generation }).await
    };
    committed(app, confirmed.await)
}

pub(super) async fn api_rollback(app: &Arc<App>, call: &Call) -> Reply {
    let rolled_back = async {
        let Which { generation } = read_json(call)?;
        commit(app, Request::Rollback { to: generation.map(Generation), author: BY_API.to_owned() }).await
    };
    committed(app, rolled_back.await)
}

pub(super) async fn api_history(app: &Arc<App>) -> Reply {
    match history(app).await {
        Ok(revisions) => reply::json(200, &json!({ "revisions": revisions })),
        Err(failure) => failure.into_json(app),
    }
}

/// Which generation a body names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    generation: Option<u64>,
}

fn committed(app: &App, outcome: Result<Generation, Failure>) -> Reply {
    match outcome {
        Ok(generation) => reply::json(200, &json!({ "generation": generation })),
        Err(failure) => failure.into_json(app),
    }
}

fn optional(call: &Call, name: &str) -> Result<Option<u64>, Refusal> {
    match call.query.text(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Refusal::OddQuery),
    }
}

fn read_toml(call: &Call) -> Result<String, Refusal> {
    String::from_utf8(call.body.clone()).map_err(|_| Refusal::BadBody)
}
