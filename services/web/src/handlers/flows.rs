//! What goes through the box.

use patronus_ipc::datapath::{Datapath, Reply as Answer, Request};

use super::Failure;
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    view::flows::{Flows, flows},
};

pub(super) async fn page(app: &App, call: &Call) -> Reply {
    match ask(app).await {
        Some(view) => reply::page(200, pages::flows::page(&view, &app.site(), call.csrf())),
        None => reply::page(503, pages::flows::away(&app.site(), call.csrf())),
    }
}

pub(super) async fn api_flows(app: &App) -> Reply {
    match ask(app).await {
        Some(view) => reply::json(200, &view),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

async fn ask(app: &App) -> Option<Flows> {
    let Ok(Answer::State(state)) = app.ask::<Datapath>(Request::Watch).await else { return None };
    let Ok(Answer::Flows(told)) = app.ask::<Datapath>(Request::Flows).await else { return None };
    Some(flows(&state, &told))
}
