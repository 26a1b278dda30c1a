//! Port forwards: shown, added, removed. Each change is one of the configuration, with its trial.

use std::sync::Arc;

use patronus_types::{Document, Forward, ForwardName};
use serde::Deserialize;
use serde_json::json;

use super::{
    Failure,
    configuration::{Author, Trial, change, committed},
    machine, read_json,
};
use crate::{
    app::App,
    dispatch::Call,
    form::Form,
    forwards::Typed,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
};

pub(super) async fn page(app: &Arc<App>, call: &Call) -> Reply {
    show(app, call, &Form::default(), None).await
}

async fn show(app: &Arc<App>, call: &Call, typed: &Form, failure: Option<&Failure>) -> Reply {
    let shown = async { Ok::<_, Failure>((machine::status(app).await?, document(app)?)) };
    match shown.await {
        Ok((status, document)) => {
            let error = failure.map(Failure::message);
            let page = pages::forwards::page(&status, &document, typed, error.as_deref(), call.csrf());
            reply::page(failure.map_or(200, Failure::status), page)
        }
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn add_form(app: &Arc<App>, call: &Call) -> Reply {
    let added = async {
        let forward = Typed::of_form(&call.form).read().map_err(Failure::Rejected)?;
        change(app, Author::Page, Trial::of(&call.form)?, add(forward)).await
    };
    match added.await {
        Ok(_) => reply::redirect("/forwards"),
        Err(failure) => show(app, call, &call.form, Some(&failure)).await,
    }
}

pub(super) async fn remove_form(app: &Arc<App>, call: &Call) -> Reply {
    let removed = async { change(app, Author::Page, Trial::of(&call.form)?, remove(call.form.text("name"))?).await };
    match removed.await {
        Ok(_) => reply::redirect("/forwards"),
        Err(failure) => show(app, call, &Form::default(), Some(&failure)).await,
    }
}

pub(super) fn api_list(app: &App) -> Reply {
    match document(app) {
        Ok(document) => reply::json(200, &json!({ "forwards": document.forwards })),
        Err(refusal) => Failure::from(refusal).into_json(app),
    }
}

pub(super) async fn api_add(app: &Arc<App>, call: &Call) -> Reply {
    let added = async {
        let forward = read_json::<Typed>(call)?.read().map_err(Failure::Rejected)?;
        change(app, Author::Api, Trial::of_query(call)?, add(forward)).await
    };
    committed(app, added.await)
}

pub(super) async fn api_remove(app: &Arc<App>, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
    }
    let removed = async {
        let Body { name } = read_json(call)?;
        change(app, Author::Api, Trial::of_query(call)?, remove(&name)?).await
    };
    committed(app, removed.await)
}

fn add(forward: Forward) -> impl FnOnce(&mut Document) -> Result<(), Failure> {
    |document| {
        document.forwards.push(forward);
        Ok(())
    }
}

fn remove(name: &str) -> Result<impl FnOnce(&mut Document) -> Result<(), Failure>, Failure> {
    let name: ForwardName = name.parse().map_err(|_| unknown())?;
    Ok(move |document: &mut Document| {
        let before = document.forwards.len();
        document.forwards.retain(|forward| forward.name != name);
        if document.forwards.len() == before { Err(unknown()) } else { Ok(()) }
    })
}

fn unknown() -> Failure {
    Failure::about("name", "forward-unknown", "There is no port forward of this name.")
}

fn document(app: &App) -> Result<Document, Refusal> {
    Ok(app.configuration().and_then(|state| state.claimed).ok_or(Refusal::Unavailable)?.document)
}
