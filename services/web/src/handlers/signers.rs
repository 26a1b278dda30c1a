//! Signers: make this box one, withdraw another, both with the recovery key.
//!
//! *Never does*: keep a root key.
//! *Spec*: `docs/membership.md`, section "Signers".

use patronus_ipc::mesh::Request;
use patronus_types::RootSecret;
use patronus_wire::parse_recovery;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, network::ask, read_json, sites};
use crate::{
    app::App,
    dispatch::Call,
    reply::{self, Reply},
    routes::Handler,
};

/// What is asked of `mesh`.
fn request(handler: Handler, root: &str, signer: &str) -> Result<Request, Failure> {
    let not_a_key = || {
        let message = "This is no recovery key. Paste the recovery file, or the 64 digits of its key.";
        Failure::about("root_secret", "root-secret-invalid", message)
    };
    let root: RootSecret = parse_recovery(root).ok_or_else(not_a_key)?;
    match handler {
        Handler::WithdrawSignerForm | Handler::ApiWithdrawSigner => {
            let key = hex::decode(signer.trim()).ok().and_then(|key| key.try_into().ok());
            let no_such = || Failure::about("signer", "signer-unknown", "There is no such signer.");
            Ok(Request::WithdrawSigner { root, signer: key.ok_or_else(no_such)? })
        }
        _ => Ok(Request::MakeSigner { root }),
    }
}

pub(super) async fn form(app: &App, call: &Call, handler: Handler) -> Reply {
    let changed = async { ask(app, request(handler, call.form.text("root"), call.form.text("signer"))?).await };
    match changed.await {
        Ok(_) => reply::redirect("/sites"),
        Err(failure) => sites::show(app, call, failure.status(), Some(&failure.message())),
    }
}

pub(super) async fn api(app: &App, call: &Call, handler: Handler) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        root_secret: String,
        #[serde(default)]
        signer: String,
    }
    let changed = async {
        let Body { root_secret, signer } = read_json(call)?;
        ask(app, request(handler, &root_secret, &signer)?).await
    };
    match changed.await {
        Ok(_) => reply::json(200, &json!({})),
        Err(failure) => failure.into_json(app),
    }
}
