//! Signing in and out, and the password.
//!
//! *Does*: slow down guessing before it costs anything; one password at a time through argon2.
//! *Never does*: say whether it was the password or something else that was wrong, beyond "not right".

use std::sync::Arc;

use patronus_ipc::config;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, machine, read_json};
use crate::{
    app::App,
    dispatch::Call,
    pages::{self, system::Message},
    password,
    refusal::Refusal,
    reply::{self, Reply},
    session::Identity,
};

pub(super) fn page(call: &Call) -> Reply {
    if call.session.is_some() {
        return reply::redirect("/");
    }
    reply::page(200, pages::login(None))
}

pub(super) async fn login(app: &Arc<App>, call: &Call) -> Reply {
    match sign_in(app, call, call.form.raw("password")).await {
        Ok(token) => reply::with_cookie(reply::redirect("/"), Some(&token)),
        Err(refusal) => {
            app.refusals.count(refusal);
            reply::page(refusal.status(), pages::login(Some(refusal.message())))
        }
    }
}

pub(super) fn logout(app: &App, call: &Call) -> Reply {
    app.sessions().close(&call.token);
    reply::with_cookie(reply::redirect("/login"), None)
}

pub(super) async fn api_login(app: &Arc<App>, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        password: String,
    }
    let signed_in = match read_json::<Body>(call) {
        Ok(body) => sign_in(app, call, &body.password).await,
        Err(refusal) => Err(refusal),
    };
    match signed_in {
        Ok(token) => reply::json(200, &json!({ "token": token })),
        Err(refusal) => Failure::from(refusal).into_json(app),
    }
}

pub(super) fn api_logout(app: &App, call: &Call) -> Reply {
    app.sessions().close(&call.token);
    reply::json(200, &json!({}))
}

pub(super) async fn change_password_form(app: &Arc<App>, call: &Call) -> Reply {
    let form = &call.form;
    if form.raw("new") != form.raw("new-again") {
        let message = Message::Error("The two new passwords differ. Type the same one twice.".to_owned());
        return machine::system_page(app, call, message).await;
    }
    match change_password(app, call, form.raw("current"), form.raw("new")).await {
        Ok(()) => match app.open_session(Identity::Administrator) {
            Some(token) => reply::with_cookie(reply::redirect("/system"), Some(&token)),
            None => reply::redirect("/login"),
        },
        Err(error) => machine::system_page(app, call, Message::Error(error.message(app))).await,
    }
}

pub(super) async fn api_password(app: &Arc<App>, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        current: String,
        new: String,
    }
    let body: Body = match read_json(call) {
        Ok(body) => body,
        Err(refusal) => return Failure::from(refusal).into_json(app),
    };
    match change_password(app, call, &body.current, &body.new).await {
        Ok(()) => reply::json(200, &json!({})),
        Err(NotChanged::Refused(refusal)) => Failure::from(refusal).into_json(app),
        Err(NotChanged::Weak(message)) => reply::error(422, "weak-password", &message),
    }
}

/// Why the password stays.
enum NotChanged {
    Refused(Refusal),
    Weak(String),
}

impl NotChanged {
    fn message(self, app: &App) -> String {
        match self {
            Self::Refused(refusal) => {
                app.refusals.count(refusal);
                refusal.message().to_owned()
            }
            Self::Weak(message) => message,
        }
    }
}

/// Replaces the password and ends every session, for whoever knew the old one.
async fn change_password(app: &Arc<App>, call: &Call, current: &str, new: &str) -> Result<(), NotChanged> {
    verify(app, call, current).await.map_err(NotChanged::Refused)?;
    let site =
        app.configuration().and_then(|state| state.claimed).map(|claimed| claimed.document.site.name.to_string());
    let judgement = password::judge(new, &[site.as_deref().unwrap_or_default()]);
    if !judgement.accepted {
        return Err(NotChanged::Weak(judgement.message));
    }
    let password_phc = hash_password(app, new).await.map_err(NotChanged::Refused)?;
    match app.ask::<config::Config>(config::Request::SetCredential { password_phc }).await {
        Ok(config::Reply::CredentialSet) => {
            app.sessions().close_all();
            Ok(())
        }
        _ => Err(NotChanged::Refused(Refusal::Unavailable)),
    }
}

/// Checks the password and opens a session.
async fn sign_in(app: &Arc<App>, call: &Call, password: &str) -> Result<String, Refusal> {
    verify(app, call, password).await?;
    tracing::info!(source = %call.source, "signed in");
    app.open_session(Identity::Administrator).ok_or(Refusal::Unavailable)
}

/// Checks the password, if this source may try.
async fn verify(app: &Arc<App>, call: &Call, password: &str) -> Result<(), Refusal> {
    if let Err(wait) = app.throttle().handle_attempt(call.source, app.now()) {
        tracing::warn!(source = %call.source, wait_s = wait.as_secs(), "too many attempts to sign in");
        return Err(Refusal::LoginsTooFast);
    }
    let credential = app.ask::<config::Config>(config::Request::Credential).await;
    let Ok(config::Reply::Credential(Some(password_phc))) = credential else { return Err(Refusal::Unavailable) };
    let password: String = password.to_owned();
    let right = one_at_a_time(app, move || password::matches(&password, &password_phc)).await?;
    if right {
        app.throttle().handle_success(call.source);
        Ok(())
    } else {
        tracing::warn!(source = %call.source, "wrong password");
        Err(Refusal::WrongPassword)
    }
}

/// Makes the verifier of a password.
pub(super) async fn hash_password(app: &Arc<App>, password: &str) -> Result<String, Refusal> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| Refusal::Unavailable)?;
    let password = password.to_owned();
    one_at_a_time(app, move || password::hash(&password, salt)).await?.ok_or(Refusal::Unavailable)
}

/// Runs argon2 beside the event loop; a second password waits, so that memory for one is enough.
async fn one_at_a_time<T: Send + 'static>(app: &App, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let _permit = app.hashing.acquire().await.map_err(|_| Refusal::Unavailable)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Unavailable)
}
