//! Status, logs, restart and power.

use std::sync::Arc;

use patronus_ipc::init;
use serde_json::json;

use super::Failure;
use crate::{
    app::App,
    dispatch::Call,
    limits,
    pages::{self, system::Message},
    refusal::Refusal,
    reply::{self, Reply},
    view,
};

/// Brings the status together.
pub(super) async fn status(app: &App) -> Result<view::Status, Refusal> {
    let config = app.configuration().ok_or(Refusal::Unavailable)?;
    let machine = app.machine().await;
    let clock = app.clock.borrow().clone();
    let front_door = view::FrontDoor {
        connections: app.gate().len(),
        sessions: app.sessions().count(),
        refusals: app.refusals.seen().map(|(refusal, count)| (refusal.name(), count)).collect(),
    };
    let (network, tunnels, measured) = (app.network(), app.tunnels(), app.measured());
    let facts = view::Facts {
        config: &config,
        links: &app.links(),
        clock: clock.as_ref(),
        machine,
        network: network.as_ref(),
        tunnels: tunnels.as_ref(),
        measured: measured.as_ref(),
        front_door,
        uptime_ms: uptime_ms(),
        unix_s: jiff::Timestamp::now().as_second(),
    };
    Ok(view::status(facts))
}

/// `CLOCK_BOOTTIME`, in which other services give deadlines.
pub(super) fn uptime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1000)
        .saturating_add(u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0))
}

pub(super) async fn status_page(app: &App, call: &Call) -> Reply {
    match status(app).await {
        Ok(status) => reply::page(200, pages::status::page(&status, call.csrf())),
        Err(refusal) => Failure::from(refusal).into_page(app),
    }
}

pub(super) async fn api_status(app: &App) -> Reply {
    match status(app).await {
        Ok(status) => reply::json(200, &status),
        Err(refusal) => Failure::from(refusal).into_json(app),
    }
}

pub(super) async fn api_services(app: &App) -> Reply {
    match app.machine().await {
        Some(machine) => reply::json(200, &json!({ "services": machine.services })),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

pub(super) async fn api_logs(app: &App, call: &Call) -> Reply {
    match logs(app, call).await {
        Ok(page) => reply::json(200, &page),
        Err(refusal) => Failure::from(refusal).into_json(app),
    }
}

pub(super) async fn logs_page(app: &App, call: &Call) -> Reply {
    let sources = app.machine().await.map(|machine| machine.services).unwrap_or_default();
    let sources: Vec<String> = sources.into_iter().map(|service| service.name).collect();
    match logs(app, call).await {
        Ok(page) => {
            reply::page(200, pages::logs::page(&page, &sources, call.query.text("source"), &app.site(), call.csrf()))
        }
        Err(refusal) => Failure::from(refusal).into_page(app),
    }
}

async fn logs(app: &App, call: &Call) -> Result<init::LogPage, Refusal> {
    let source = Some(call.query.text("source").to_owned()).filter(|source| !source.is_empty());
    let after = match call.query.text("after") {
        "" => 0,
        text => text.parse().map_err(|_| Refusal::OddQuery)?,
    };
    let request = init::Request::Logs { source, after, limit: limits::LOG_LINES };
    match app.ask::<init::Init>(request).await {
        Ok(init::Reply::Logs(page)) => Ok(page),
        _ => Err(Refusal::Unavailable),
    }
}

pub(super) async fn system_page(app: &App, call: &Call, message: Message) -> Reply {
    let code = if matches!(message, Message::Error(_)) { 422 } else { 200 };
    match status(app).await {
        Ok(status) => reply::page(code, pages::system::page(&status, &message, call.csrf())),
        Err(refusal) => Failure::from(refusal).into_page(app),
    }
}

pub(super) async fn reboot_form(app: &Arc<App>, call: &Call) -> Reply {
    let farewell = pages::farewell(
        "Restarting",
        "The router restarts now. This page comes back by itself in about a minute.",
        true,
    );
    stop_form(app, call, init::Request::Reboot, farewell).await
}

pub(super) async fn power_off_form(app: &Arc<App>, call: &Call) -> Reply {
    let farewell =
        pages::farewell("Switching off", "The router switches off now. Use its power button to start it again.", false);
    stop_form(app, call, init::Request::PowerOff, farewell).await
}

async fn stop_form(app: &Arc<App>, call: &Call, request: init::Request, farewell: maud::Markup) -> Reply {
    if call.form.raw("sure") != "yes" {
        let message =
            Message::Error("Tick the box first: everybody behind this router loses their connection.".to_owned());
        return system_page(app, call, message).await;
    }
    match stop(app, request).await {
        Ok(()) => reply::page(200, farewell),
        Err(refusal) => Failure::from(refusal).into_page(app),
    }
}

pub(super) async fn api_reboot(app: &App) -> Reply {
    api_stop(app, init::Request::Reboot).await
}

pub(super) async fn api_power_off(app: &App) -> Reply {
    api_stop(app, init::Request::PowerOff).await
}

async fn api_stop(app: &App, request: init::Request) -> Reply {
    match stop(app, request).await {
        Ok(()) => reply::json(202, &json!({})),
        Err(refusal) => Failure::from(refusal).into_json(app),
    }
}

async fn stop(app: &App, request: init::Request) -> Result<(), Refusal> {
    match app.ask::<init::Init>(request).await {
        Ok(init::Reply::Accepted) => Ok(()),
        _ => Err(Refusal::Unavailable),
    }
}
