//! From the claim code to a claimed box.
//!
//! *Does*: check the code, take the form, send the one claim to `config`.
//! *Never does*: commit a claim that moves the page before the person was told where to.

use std::{net::IpAddr, sync::Arc, time::Duration};

use patronus_ipc::{config, link};
use patronus_types::Document;
use tokio::time::timeout;

use super::{Failure, network, session::hash_password};
use crate::{
    app::{App, Prepared},
    claim::ClaimCode,
    dispatch::Call,
    pages, password,
    refusal::Refusal,
    reply::{self, Reply},
    session::Identity,
    setup::{self, Choice, Errors},
};

/// How long the claim's answer waits until `config`'s new state has come around and the claim code is gone.
const STATE_DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn code_page(app: &App, call: &Call) -> Reply {
    if call.session.as_ref().is_some_and(|session| session.identity == Identity::Claimant) {
        return reply::redirect("/setup");
    }
    let locked = app.claim_lock().locked_for(app.now());
    reply::page(200, pages::set_up::code(locked.map(lock_message).as_deref()))
}

/// Checks a claim code. The attempt is on disk as a wrong one before the code is looked at: cutting the power wins nothing.
pub(super) fn code(app: &App, call: &Call) -> Reply {
    let Some(right) = app.claim_code.borrow().clone() else { return refuse_code(app, Refusal::Unavailable) };
    let attempt = app.claim_lock().handle_attempt(app.now());
    let counted = attempt.map(|wrong| app.store.put_claim_wrong(wrong));
    match counted {
        Err(refusal) => refuse_code(app, refusal),
        Ok(Err(error)) => {
            app.fail(&error);
            refuse_code(app, Refusal::Unavailable)
        }
        Ok(Ok(())) if !ClaimCode::parse(call.form.raw("code")).is_some_and(|code| code.matches(&right)) => {
            tracing::warn!(source = %call.source, "wrong claim code");
            refuse_code(app, Refusal::WrongClaimCode)
        }
        Ok(Ok(())) => accept_code(app),
    }
}

fn accept_code(app: &App) -> Reply {
    app.claim_lock().handle_right();
    if let Err(error) = app.store.put_claim_wrong(0) {
        app.fail(&error);
        return refuse_code(app, Refusal::Unavailable);
    }
    match app.open_session(Identity::Claimant) {
        Some(token) => reply::with_cookie(reply::redirect("/setup"), Some(&token)),
        None => refuse_code(app, Refusal::Unavailable),
    }
}

fn refuse_code(app: &App, refusal: Refusal) -> Reply {
    app.refusals.count(refusal);
    let (locked, left) = {
        let lock = app.claim_lock();
        (lock.locked_for(app.now()), lock.attempts_left())
    };
    let message = match (refusal, locked) {
        (_, Some(time_left)) => lock_message(time_left),
        (Refusal::WrongClaimCode, None) => {
            format!("{} {left} attempts are left before a pause of 15 minutes.", refusal.message())
        }
        _ => refusal.message().to_owned(),
    };
    reply::page(refusal.status(), pages::set_up::code(Some(&message)))
}

fn lock_message(time_left: Duration) -> String {
    let minutes = time_left.as_secs().div_ceil(60);
    format!(
        "Ten wrong codes were entered. To keep strangers out, the next one is taken in {minutes} min. Restarting the router begins the wait anew."
    )
}

pub(super) fn page(app: &App, call: &Call) -> Reply {
    let ports = app.links().ports;
    let form = setup::first_values(&ports);
    reply::page(200, pages::set_up::form(&form, &ports, &Errors::new(), call.csrf()))
}

pub(super) fn strength(call: &Call) -> Reply {
    reply::json(200, &password::judge(call.form.raw("password"), &[call.form.text("site")]))
}

/// Takes the form: claims, or first tells where the page moves.
pub(super) async fn submit(app: &Arc<App>, call: &Call) -> Reply {
    let links = app.links();
    let Choice { document, token } = match setup::read(&call.form, &links.ports) {
        Ok(choice) => choice,
        Err(errors) => return show_errors(call, &links, &errors),
    };
    let moves = moves_page(&document, &links);
    match prepare(app, call, document).await {
        Ok(claim) if moves => {
            let page = pages::set_up::moves(&claim.document, token.is_some(), call.csrf());
            *app.prepared() = Some(Prepared { csrf: call.csrf().to_owned(), claim, token });
            reply::page(200, page)
        }
        Ok(claim) => match enter(app, claim, token).await {
            Ok(session) => reply::with_cookie(reply::redirect("/sites"), Some(&session)),
            Err(Failure::Rejected(problems)) => show_errors(call, &links, &errors_of(&problems, &call.form, &links)),
            Err(failure) => failure.into_page(app),
        },
        Err(Failure::Rejected(problems)) => show_errors(call, &links, &errors_of(&problems, &call.form, &links)),
        Err(failure) => failure.into_page(app),
    }
}

/// Commits what `submit` prepared in this session.
pub(super) async fn finish(app: &Arc<App>, call: &Call) -> Reply {
    let prepared = app.prepared().take_if(|prepared| prepared.csrf == call.csrf());
    let Some(prepared) = prepared else { return reply::redirect("/setup") };
    let done = pages::set_up::done(&prepared.claim.document, prepared.token.is_some());
    match enter(app, prepared.claim, prepared.token).await {
        Ok(session) => reply::with_cookie(reply::page(200, done), Some(&session)),
        Err(failure) => failure.into_page(app),
    }
}

/// Claims, then begins to join if there is a token. In a task of its own: the connection may break in the middle, most of all when the page moves.
async fn enter(app: &Arc<App>, claim: config::Claim, token: Option<String>) -> Result<String, Failure> {
    let ours = Arc::clone(app);
    let entering = tokio::spawn(async move {
        let session = commit(&ours, claim).await?;
        if let Some(token) = token {
            network::join_after_claim(&ours, token).await;
        }
        Ok(session)
    });
    entering.await.unwrap_or_else(|_| Err(Refusal::Unavailable.into()))
}

/// Lets `config` check the document, then makes the password's verifier. One at a time; those who come too late do not cost anything.
async fn prepare(app: &Arc<App>, call: &Call, document: Document) -> Result<config::Claim, Failure> {
    let _turn = app.claiming.lock().await;
    still_unclaimed(app)?;
    let toml = toml::to_string(&document).map_err(|_| Refusal::BadBody)?;
    if let config::Reply::Rejected(problems) = app.ask::<config::Config>(config::Request::Check { toml }).await? {
        return Err(Failure::Rejected(problems));
    }
    let password_phc = hash_password(app, call.form.raw("password")).await?;
    Ok(config::Claim { document, password_phc, network: config::Network::Create })
}

/// Sends the claim and opens the administrator's session.
async fn commit(app: &Arc<App>, claim: config::Claim) -> Result<String, Failure> {
    let _turn = app.claiming.lock().await;
    still_unclaimed(app)?;
    match app.ask::<config::Config>(config::Request::Claim(Box::new(claim))).await? {
        config::Reply::Committed { .. } => {}
        config::Reply::Rejected(problems) => return Err(Failure::Rejected(problems)),
        _ => return Err(Refusal::Unavailable.into()),
    }
    tracing::info!("claimed");
    app.sessions().close_all();
    // The code is forgotten, on disk too, once `config`'s new state has come around; only then is anybody told.
    let mut claim_code = app.claim_code.subscribe();
    let _ = timeout(STATE_DEADLINE, claim_code.wait_for(Option::is_none)).await;
    app.open_session(Identity::Administrator).ok_or(Refusal::Unavailable.into())
}

fn still_unclaimed(app: &App) -> Result<(), Refusal> {
    match app.configuration() {
        Some(state) if state.claimed.is_none() => Ok(()),
        Some(_) => Err(Refusal::AlreadyClaimed),
        None => Err(Refusal::Unavailable),
    }
}

fn show_errors(call: &Call, links: &link::State, errors: &Errors) -> Reply {
    reply::page(422, pages::set_up::form(&call.form, &links.ports, errors, call.csrf()))
}

/// Whether the page will be found elsewhere: under another address, or behind other ports.
fn moves_page(document: &Document, links: &link::State) -> bool {
    let address_stays =
        links.lan.addresses.iter().any(|address| address.addr() == IpAddr::V4(document.lan.address.addr()));
    let lan_ports = links.ports.iter().filter(|port| port.role == link::Role::Lan);
    let ports_stay = lan_ports.into_iter().all(|port| document.lan.ports.contains(&port.name));
    !(address_stays && ports_stay)
}

/// Puts `config`'s reasons beside the fields that they are about.
fn errors_of(problems: &[config::Problem], form: &crate::form::Form, links: &link::State) -> Errors {
    let wan: Vec<&str> = links
        .ports
        .iter()
        .map(|port| port.name.as_str())
        .filter(|port| form.text(&format!("role-{port}")) == "wan")
        .collect();
    let field = |at: &str| match at.split('.').collect::<Vec<_>>().as_slice() {
        ["site", "name"] => "site".to_owned(),
        ["site", "timezone"] => "timezone".to_owned(),
        ["lan", "address"] => "lan-address".to_owned(),
        ["uplink", slot, "ipv4", .., field @ ("address" | "gateway" | "dns")] => {
            let port = slot.parse().ok().and_then(|slot: usize| wan.get(slot).copied());
            port.map_or_else(|| "ports".to_owned(), |port| format!("{field}-{port}"))
        }
        _ => "ports".to_owned(),
    };
    problems.iter().map(|problem| (field(&problem.at), problem.message.clone())).collect()
}
