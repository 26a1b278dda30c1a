//! How good paths are and were; all numbers for Prometheus.

use patronus_ipc::{
    datapath::{self, Datapath},
    prober::{PathId, Point, Prober, Reply as Answer, Request, Span},
};
use patronus_types::UplinkSlot;
use serde::Serialize;
use serde_json::json;

use super::{Failure, paths, sites};
use crate::{
    app::App,
    dispatch::Call,
    form::Form,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    view::{
        carried,
        quality::{self, Quality},
        sdwan::Path,
    },
};

/// A path in the answer.
#[derive(Debug, Serialize)]
struct Measured<'p> {
    peer: &'p str,
    peer_name: &'p str,
    local: u8,
    remote: u8,
    #[serde(flatten)]
    quality: Quality,
}

pub(super) async fn api_metrics(app: &App, call: &Call) -> Reply {
    if call.query.text("peer").is_empty() { all(app) } else { one(app, call).await }
}

fn all(app: &App) -> Reply {
    let (Some(tunnels), Some(measured)) = (app.tunnels(), app.measured()) else {
        return Failure::from(Refusal::Unavailable).into_json(app);
    };
    let view = paths::view(app, &tunnels);
    let path = |path: &'_ Path| -> Option<_> {
        let (peer, peer_name) = (path.peer.clone(), path.peer_name.clone());
        Some((peer, peer_name, path.local, path.remote, path.quality?))
    };
    let found: Vec<_> = view.paths.iter().filter_map(path).collect();
    let paths: Vec<Measured<'_>> = found
        .iter()
        .map(|(peer, peer_name, local, remote, quality)| Measured {
            peer,
            peer_name,
            local: *local,
            remote: *remote,
            quality: *quality,
        })
        .collect();
    reply::json(200, &json!({ "paths": paths, "rejected": measured.rejected }))
}

async fn one(app: &App, call: &Call) -> Reply {
    match history(app, &call.query).await {
        Ok((_, span, points)) => reply::json(200, &json!({ "span": span, "points": points })),
        Err(failure) => failure.into_json(app),
    }
}

/// Of each service what it answers; who reads it sees by what is missing that one does not.
pub(super) async fn prometheus(app: &App) -> Reply {
    let measured = app.tunnels().map(|state| quality::prometheus(&paths::view(app, &state)));
    match (measured, counted(app).await) {
        (None, None) => Failure::from(Refusal::Unavailable).into_json(app),
        (measured, counted) => {
            let text = measured.unwrap_or_default() + &counted.unwrap_or_default();
            reply::answer(200, "text/plain; version=0.0.4; charset=utf-8", text)
        }
    }
}

async fn counted(app: &App) -> Option<String> {
    let Ok(datapath::Reply::State(state)) = app.ask::<Datapath>(datapath::Request::Watch).await else { return None };
    let Ok(datapath::Reply::Firewall(firewall)) = app.ask::<Datapath>(datapath::Request::Firewall).await else {
        return None;
    };
    Some(carried::prometheus(&state, &firewall))
}

pub(super) async fn path_page(app: &App, call: &Call) -> Reply {
    match shown(app, &call.query).await {
        Ok(shown) => reply::page(200, pages::path::page(&shown, &app.site(), call.csrf())),
        Err(failure) => failure.into_page(app),
    }
}

/// The path that these fields name, as it is and was.
pub(super) async fn shown(app: &App, fields: &Form) -> Result<pages::path::Shown, Failure> {
    let (id, span, points) = history(app, fields).await?;
    let view = paths::view(app, &app.tunnels().ok_or(Refusal::Unavailable)?);
    let is_it = |path: &Path| {
        (path.local, path.remote) == (id.local.number(), id.remote.number()) && path.peer == id.site.to_string()
    };
    let path = view.paths.into_iter().find(is_it).ok_or_else(unknown)?;
    Ok(pages::path::Shown { path, span, points, until_unix_s: now_s(), timezone: sites::timezone(app), test: None })
}

/// The path that these fields name, and how it was.
async fn history(app: &App, fields: &Form) -> Result<(PathId, Span, Vec<Point>), Failure> {
    let path = path(fields.text("peer"), fields.text("local").parse().ok(), fields.text("remote").parse().ok())?;
    let span = match fields.text("span") {
        "" | "hour" => Span::Hour,
        "day" => Span::Day,
        "week" => Span::Week,
        _ => return Err(Failure::about("span", "unknown-span", "A span is hour, day or week.")),
    };
    match app.ask::<Prober>(Request::History { path, span }).await? {
        Answer::History(points) => Ok((path, span, points)),
        _ => Err(Refusal::Unavailable.into()),
    }
}

/// The path to this site between these slots.
pub(super) fn path(peer: &str, local: Option<u8>, remote: Option<u8>) -> Result<PathId, Failure> {
    let slot = |number: Option<u8>| number.and_then(UplinkSlot::new).ok_or_else(unknown);
    Ok(PathId { site: peer.parse().map_err(|_| unknown())?, local: slot(local)?, remote: slot(remote)? })
}

pub(super) fn unknown() -> Failure {
    Failure::about("peer", "path-unknown", "There is no such path.")
}

fn now_s() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}
