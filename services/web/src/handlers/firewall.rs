//! The rules, what they have decided, and why a packet would pass.

use std::net::Ipv4Addr;

use patronus_ipc::datapath::{Datapath, Explanation, Firewall, Question, Reply as Answer, Request};

use super::Failure;
use crate::{
    app::App,
    dispatch::Call,
    form::Form,
    pages::{self, firewall::Explained},
    refusal::Refusal,
    reply::{self, Reply},
};

/// What a question has, by name.
const FIELDS: [&str; 4] = ["source", "destination", "protocol", "port"];
/// Protocols that have a name here.
const PROTOCOLS: [(&str, u8); 5] = [("tcp", 6), ("udp", 17), ("icmp", 1), ("esp", 50), ("gre", 47)];

pub(super) async fn page(app: &App, call: &Call) -> Reply {
    let Some(firewall) = rules(app).await else {
        return reply::page(503, pages::firewall::away(&app.site(), call.csrf()));
    };
    let explained = if call.query.names().next().is_none() {
        Explained::Nothing
    } else {
        match explain(app, &call.query).await {
            Ok(explanation) => Explained::Answer(explanation),
            Err(failure) => Explained::Failed(failure.message()),
        }
    };
    let status = if matches!(explained, Explained::Failed(_)) { 422 } else { 200 };
    reply::page(status, pages::firewall::page(&firewall, &explained, &call.query, &app.site(), call.csrf()))
}

pub(super) async fn api_rules(app: &App) -> Reply {
    match rules(app).await {
        Some(firewall) => reply::json(200, &firewall),
        None => Failure::from(Refusal::Unavailable).into_json(app),
    }
}

pub(super) async fn api_explain(app: &App, call: &Call) -> Reply {
    match explain(app, &call.query).await {
        Ok(explanation) => reply::json(200, &explanation),
        Err(failure) => failure.into_json(app),
    }
}

async fn rules(app: &App) -> Option<Box<Firewall>> {
    match app.ask::<Datapath>(Request::Firewall).await {
        Ok(Answer::Firewall(firewall)) => Some(firewall),
        _ => None,
    }
}

async fn explain(app: &App, query: &Form) -> Result<Box<Explanation>, Failure> {
    if let Some(unknown) = query.names().find(|name| !FIELDS.contains(name)) {
        return Err(Failure::about(
            unknown,
            "unknown-parameter",
            format!("This address takes {} only.", FIELDS.join(", ")),
        ));
    }
    match app.ask::<Datapath>(Request::Explain(question(query)?)).await? {
        Answer::Explanation(explanation) => Ok(explanation),
        _ => Err(Refusal::Unavailable.into()),
    }
}

fn question(query: &Form) -> Result<Question, Failure> {
    let address = |name: &str| {
        let text = query.text(name);
        text.parse::<Ipv4Addr>().map_err(|_| {
            Failure::about(
                name,
                "address-unreadable",
                format!("\"{text}\" is no IPv4 address; write one such as 192.168.42.10."),
            )
        })
    };
    let (source, destination) = (address("source")?, address("destination")?);
    let text = query.text("protocol");
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let protocol = named.or_else(|| text.parse().ok()).ok_or_else(|| {
        Failure::about(
            "protocol",
            "protocol-unreadable",
            format!("\"{text}\" is no protocol; write tcp, udp, icmp or a number."),
        )
    })?;
    let has_ports = matches!(protocol, 6 | 17);
    let port = match query.text("port") {
        "" if !has_ports => 0,
        text => {
            text.parse().ok().filter(|port| has_ports && *port > 0 || *port == 0 && !has_ports).ok_or_else(|| {
                Failure::about("port", "port-unreadable", "TCP and UDP need a port from 1 to 65535; others have none.")
            })?
        }
    };
    Ok(Question { source, destination, protocol, port })
}
