//! Into a network: found one, or join one with a token.
//!
//! *Does*: make a root key and hand it over before the network is founded with it, so that it cannot get lost on the way; ask to join.
//! *Never does*: keep a root key or a token.
//! *Spec*: `docs/membership.md`, section "Signers".

use std::{sync::Arc, time::Duration};

use patronus_ipc::mesh::{Mesh, Reply as Answer, Request};
use patronus_types::{IpNet, RootSecret};
use patronus_wire::{network_of, recovery_text};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Failure, read_json, sites};
use crate::{
    app::App,
    dispatch::Call,
    network::{TokenProblem, check_token, read_prefixes},
    pages,
    refusal::Refusal,
    reply::{self, Reply},
};

/// Name of the recovery file.
const RECOVERY_FILE: &str = "patronus-recovery.txt";
/// How long the next page waits for the state that it shall show.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// How long `mesh` may take to hear of the claim.
const CLAIM_DEADLINE: Duration = Duration::from_secs(10);

/// Asks `mesh`; a rejection is a failure. The next page shows what was accepted: `mesh` tells its state right behind its answer.
pub(super) async fn ask(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut told = app.mesh.clone();
    told.mark_unchanged();
    match app.ask::<Mesh>(request).await? {
        Answer::Rejected(problem) => Err(Failure::from(&problem)),
        answer => {
            // What was so already changes nothing, and is not told again.
            let _ = timeout(TOLD_WITHIN, told.changed()).await;
            Ok(answer)
        }
    }
}

/// The first step: a key to be saved. Nothing has happened yet, so to lose this page loses nothing.
pub(super) fn key_form(app: &App, call: &Call) -> Reply {
    let mut secret = [0; 32];
    match getrandom::fill(&mut secret) {
        Ok(()) => show_key(app, call, 200, &RootSecret(secret), None),
        Err(_) => Failure::from(Refusal::Unavailable).into_page(app),
    }
}

fn show_key(app: &App, call: &Call, status: u16, root: &RootSecret, error: Option<&str>) -> Reply {
    let network = network_of(root).to_string();
    reply::page(status, pages::network::key(&app.site(), &network, &root.to_hex(), error, call.csrf()))
}

/// The same key as a file.
pub(super) fn file_form(app: &App, call: &Call) -> Reply {
    match call.form.text("root").parse() {
        Ok(root) => reply::download("text/plain; charset=utf-8", RECOVERY_FILE, recovery_text(&root)),
        Err(_) => Failure::from(Refusal::BadBody).into_page(app),
    }
}

/// The second step. Pressed twice, or again after an answer that never came, it is the same network.
pub(super) async fn create_form(app: &App, call: &Call) -> Reply {
    let Ok(root) = call.form.text("root").parse::<RootSecret>() else {
        return Failure::from(Refusal::BadBody).into_page(app);
    };
    if call.form.raw("saved") != "yes" {
        return show_key(
            app,
            call,
            422,
            &root,
            Some("Save the key first, then tick the box: it cannot be shown again."),
        );
    }
    match ask(app, Request::FoundNetwork { root: root.clone() }).await {
        Ok(_) => reply::redirect("/sites"),
        Err(failure) => {
            let message = match &failure {
                Failure::Refused(_) => {
                    "The router did not answer in time, so it is not known whether the network was created. \
                    Keep the file and press the button again: the same key never makes two networks."
                        .to_owned()
                }
                Failure::Rejected(_) => failure.message(),
            };
            show_key(app, call, failure.status(), &root, Some(&message))
        }
    }
}

pub(super) async fn api_create(app: &App, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        root_secret: Option<String>,
    }
    let created = async {
        let Body { root_secret } = read_json(call)?;
        let Some(given) = root_secret else {
            let Answer::Created { root_secret } = ask(app, Request::CreateNetwork).await? else {
                return Err(Refusal::Unavailable.into());
            };
            let root: RootSecret = root_secret.parse().map_err(|_| Refusal::Unavailable)?;
            return Ok(json!({ "network": network_of(&root).to_string(), "root_secret": root_secret }));
        };
        let not_a_key =
            |_| Failure::about("root_secret", "root-secret-invalid", "Give 64 hexadecimal digits at random.");
        let root: RootSecret = given.parse().map_err(not_a_key)?;
        ask(app, Request::FoundNetwork { root: root.clone() }).await?;
        Ok::<_, Failure>(json!({ "network": network_of(&root).to_string() }))
    };
    match created.await {
        Ok(network) => reply::json(200, &network),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn join_form(app: &App, call: &Call) -> Reply {
    let joined = async {
        let lan = lan(app)?;
        let token = call.form.text("token");
        check(token, lan)?;
        join(app, token.to_owned(), vec![lan]).await
    };
    match joined.await {
        Ok(()) => reply::redirect("/sites"),
        Err(failure) => sites::entry(app, call, &failure),
    }
}

pub(super) async fn api_join(app: &App, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        token: String,
        #[serde(default)]
        prefixes: Option<Vec<String>>,
    }
    let joined = async {
        let Body { token, prefixes } = read_json(call)?;
        let prefixes = match prefixes {
            Some(words) => read_prefixes(&words).map_err(|word| not_a_prefix(&word))?,
            None => {
                let lan = lan(app)?;
                check(&token, lan)?;
                vec![lan]
            }
        };
        join(app, token, prefixes).await
    };
    match joined.await {
        Ok(()) => reply::json(202, &json!({})),
        Err(failure) => failure.into_json(app),
    }
}

pub(super) fn not_a_prefix(word: &str) -> Failure {
    let shown: String = word.chars().take(40).collect();
    Failure::about("prefixes", "prefix-invalid", format!("\"{shown}\" is no prefix. Write each such as 10.2.0.0/24."))
}

/// Begins to join after the claim; why it does not, if so, is told on the page "Sites".
pub(super) async fn join_after_claim(app: &Arc<App>, token: String) {
    let mut network = app.mesh.clone();
    let knows_itself = |reply: &Option<Answer>| matches!(reply, Some(Answer::State(state)) if state.site.is_some());
    // If it does not, asking tells why.
    let _ = timeout(CLAIM_DEADLINE, network.wait_for(knows_itself)).await;
    let joined = async { join(app, token, vec![lan(app)?]).await };
    if let Err(failure) = joined.await {
        let message = failure.message();
        tracing::warn!(message, "joining was not begun");
        *app.not_joined() = Some(patronus_ipc::mesh::Problem { code: "not-begun".to_owned(), message });
    }
}

async fn join(app: &App, token: String, prefixes: Vec<IpNet>) -> Result<(), Failure> {
    ask(app, Request::Join { token, prefixes }).await?;
    *app.not_joined() = None;
    Ok(())
}

/// The prefix of the LAN, which a site asks for.
fn lan(app: &App) -> Result<IpNet, Failure> {
    let claimed = app.configuration().and_then(|state| state.claimed).ok_or(Refusal::Unavailable)?;
    Ok(IpNet::V4(claimed.document.lan.address.trunc()))
}

fn check(token: &str, lan: IpNet) -> Result<(), Failure> {
    let lan = match lan {
        IpNet::V4(lan) => Some(lan),
        IpNet::V6(_) => None,
    };
    match check_token(token, lan) {
        Ok(()) => Ok(()),
        Err(TokenProblem::Token(message)) => Err(Failure::about("token", "token-invalid", message)),
        Err(TokenProblem::Lan(message)) => {
            let message = format!("{message} The LAN address is changed on the page Configuration.");
            Err(Failure::about("token", "prefix-not-granted", message))
        }
    }
}
