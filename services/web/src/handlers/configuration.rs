//! The configuration: show, check, apply on trial, confirm, roll back.

use std::{str::FromStr, sync::Arc, time::Duration};

use patronus_ipc::config::{self, Config, Reply as Answer, Request};
use patronus_types::{Document, Generation};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Failure, machine, read_json, routing};
use crate::{
    app::App,
    dispatch::Call,
    form::Form,
    pages::{self, configuration::Outcome},
    refusal::Refusal,
    reply::{self, Reply},
    view::dry_run::Changes,
};

/// How long the next page waits for the configuration that it shall show.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// Who did it, for the history.
const BY_PAGE: &str = "administrator (page)";
const BY_API: &str = "administrator (API)";

/// By which way a change came.
#[derive(Clone, Copy)]
pub(super) enum Author {
    Page,
    Api,
}

/// After how many seconds a change goes away by itself unless it is confirmed.
pub(super) struct Trial(Option<u32>);

impl Trial {
    /// Of a form. What cannot be read is refused: a trial that somebody asked for is never left out.
    pub(super) fn of(fields: &Form) -> Result<Self, Failure> {
        Ok(Self(optional(fields, "confirm_within_s")?.filter(|seconds| *seconds > 0)))
    }

    /// Of a query that has nothing else.
    pub(super) fn of_query(call: &Call) -> Result<Self, Failure> {
        only(&call.query, &["confirm_within_s"])?;
        Self::of(&call.query)
    }
}

/// Changes a part of the running document, if it is still the one that was looked at.
pub(super) async fn change(
    app: &App,
    author: Author,
    Trial(confirm_within_s): Trial,
    edit: impl FnOnce(&mut Document) -> Result<(), Failure>,
) -> Result<Generation, Failure> {
    let state = app.configuration().ok_or(Refusal::Unavailable)?;
    let mut document = state.claimed.ok_or(Refusal::Unavailable)?.document;
    edit(&mut document)?;
    let toml = toml::to_string(&document).map_err(|_| Refusal::Unavailable)?;
    let author = match author {
        Author::Page => BY_PAGE,
        Author::Api => BY_API,
    };
    let base = Some(state.generation);
    let generation = commit(app, Request::Apply { toml, base, confirm_within_s, author: author.to_owned() }).await?;
    // The next page shows what was accepted.
    let mut told = app.config.clone();
    let is_told =
        |reply: &Option<Answer>| matches!(reply, Some(Answer::State(state)) if state.generation >= generation);
    let _ = timeout(TOLD_WITHIN, told.wait_for(is_told)).await;
    Ok(generation)
}

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
        "apply" => apply(form, toml.clone(), BY_PAGE),
        _ => Ok(Request::Check { toml: toml.clone() }),
    };
    let answer = match request {
        Ok(request) => ask(app, request).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(Answer::Committed { .. }) => reply::redirect("/configuration"),
        Ok(_) => show(app, call, &toml, &Outcome::Valid(dry_run(app, &toml).await)).await,
        Err(Failure::Rejected(problems)) => show(app, call, &toml, &Outcome::Problems(problems)).await,
        Err(failure) => failure.into_page(app),
    }
}

/// What a valid text would change.
async fn dry_run(app: &App, toml: &str) -> Option<Changes> {
    routing::dry_run(app, toml::from_str(toml).ok()?).await
}

/// The request that a form or a query stands for. What cannot be read is refused: a base or a trial that somebody asked for is never left out.
fn apply(fields: &Form, toml: String, author: &str) -> Result<Request, Failure> {
    let base = optional(fields, "base")?.map(Generation);
    let Trial(confirm_within_s) = Trial::of(fields)?;
    Ok(Request::Apply { toml, base, confirm_within_s, author: author.to_owned() })
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
    let rolled_back = async {
        let to = optional(&call.form, "generation")?.map(Generation);
        commit(app, Request::Rollback { to, author: BY_PAGE.to_owned() }).await
    };
    match rolled_back.await {
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
    let toml = async {
        only(&call.query, &["generation"])?;
        toml_of(app, optional(&call.query, "generation")?.map(Generation)).await
    };
    match toml.await {
        Ok(toml) => reply::answer(200, "application/toml", toml),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn api_apply(app: &Arc<App>, call: &Call) -> Reply {
    let applied = async {
        only(&call.query, &["base", "confirm_within_s"])?;
        commit(app, apply(&call.query, read_toml(call)?, BY_API)?).await
    };
    committed(app, applied.await)
}

pub(super) async fn api_check(app: &Arc<App>, call: &Call) -> Reply {
    let checked = async {
        let toml = read_toml(call)?;
        ask(app, Request::Check { toml: toml.clone() }).await?;
        Ok::<_, Failure>(dry_run(app, &toml).await)
    };
    match checked.await {
        Ok(changes) => reply::json(200, &json!({ "valid": true, "changes": changes })),
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

pub(super) fn committed(app: &App, outcome: Result<Generation, Failure>) -> Reply {
    match outcome {
        Ok(generation) => reply::json(200, &json!({ "generation": generation })),
        Err(failure) => failure.into_json(app),
    }
}

/// A number that may be left out or empty, and then is none.
fn optional<T: FromStr>(fields: &Form, name: &str) -> Result<Option<T>, Failure> {
    match fields.text(name) {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Failure::about(name, "not-a-number", "Give a whole number, or leave it out.")),
    }
}

/// A misspelt name would be a trial or a base that nobody notices is missing.
fn only(query: &Form, names: &[&str]) -> Result<(), Failure> {
    match query.names().all(|name| names.contains(&name)) {
        true => Ok(()),
        false => {
            let message = format!("This address takes {} only.", names.join(" and "));
            Err(Failure::about("", "unknown-parameter", message))
        }
    }
}

fn read_toml(call: &Call) -> Result<String, Refusal> {
    String::from_utf8(call.body.clone()).map_err(|_| Refusal::BadBody)
}
