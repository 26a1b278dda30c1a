//! The paths to other sites, and new WireGuard keys for this box's uplinks.

use patronus_ipc::tunnel::{self, Rejected, Reply as Answer, Request, SlotKey, Tunnel};
use patronus_types::UplinkSlot;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, machine::uptime_ms, read_json};
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    view::sdwan,
};

pub(super) fn page(app: &App, call: &Call) -> Reply {
    show(app, call, 200, None)
}

fn show(app: &App, call: &Call, status: u16, error: Option<&str>) -> Reply {
    match app.tunnels() {
        Some(state) => {
            let view = view(app, &state);
            reply::page(status, pages::paths::page(&view, error, &app.site(), call.csrf()))
        }
        None => reply::page(503, pages::paths::away(&app.site(), call.csrf())),
    }
}

pub(super) fn api_paths(app: &App) -> Reply {
    match app.tunnels() {
        Some(state) => reply::json(200, &view(app, &state)),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

/// The paths, with what is known of them.
pub(super) fn view(app: &App, state: &tunnel::State) -> sdwan::Paths {
    sdwan::paths(state, app.network().as_ref(), app.measured().as_ref(), uptime_ms())
}

async fn rotate(app: &App, slot: Option<UplinkSlot>) -> Result<SlotKey, Failure> {
    let unknown = || Failure::about("slot", "unknown-slot", "This router has no such uplink.");
    match app.ask::<Tunnel>(Request::Rotate(slot.ok_or_else(unknown)?)).await? {
        Answer::Rotated(key) => Ok(key),
        Answer::Rejected(Rejected::UnknownSlot) => Err(unknown()),
        _ => Err(Refusal::Unavailable.into()),
    }
}

pub(super) async fn rotate_form(app: &App, call: &Call) -> Reply {
    let slot = call.form.text("slot").parse().ok().and_then(UplinkSlot::new);
    match rotate(app, slot).await {
        Ok(_) => reply::redirect("/paths"),
        Err(failure) => show(app, call, failure.status(), Some(&failure.message())),
    }
}

pub(super) async fn api_rotate(app: &App, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        slot: u8,
    }
    let rotated = async {
        let Body { slot } = read_json(call)?;
        Ok::<_, Failure>((slot, rotate(app, UplinkSlot::new(slot)).await?))
    };
    match rotated.await {
        Ok((slot, key)) => reply::json(200, &json!({ "slot": slot, "public_key": key.to_string() })),
        Err(failure) => failure.into_json(app),
    }
}
