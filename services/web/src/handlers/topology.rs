//! Sites and the paths to them.

use super::Failure;
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    view::topology::{self, Topology},
};

pub(super) fn page(app: &App, call: &Call) -> Reply {
    match view(app) {
        Some(view) => reply::page(200, pages::topology::page(&view, &app.site(), call.csrf())),
        None => reply::page(503, pages::topology::away(&app.site(), call.csrf())),
    }
}

pub(super) fn api(app: &App) -> Reply {
    match view(app) {
        Some(view) => reply::json(200, &view),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

fn view(app: &App) -> Option<Topology> {
    Some(topology::topology(&app.network()?, &app.tunnels()?, &app.measured()?, &app.routing()?))
}
