//! A person has one path tested now.

use patronus_ipc::prober::{PathId, Prober, Rejected, Reply as Answer, Request, Tested};
use serde::Deserialize;

use super::{Failure, metrics, read_json};
use crate::{
    app::App,
    dispatch::Call,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
};

/// The path's page, with what the test has shown.
pub(super) async fn form(app: &App, call: &Call) -> Reply {
    let slot = |name: &str| call.form.text(name).parse().ok();
    let outcome = match metrics::path(call.form.text("peer"), slot("local"), slot("remote")) {
        Ok(id) => test(app, id).await,
        Err(failure) => Err(failure),
    };
    match metrics::shown(app, &call.form).await {
        Ok(mut shown) => {
            let status = outcome.as_ref().map_or_else(Failure::status, |_| 200);
            shown.test = Some(outcome.map_err(|failure| failure.message()));
            reply::page(status, pages::path::page(&shown, &app.site(), call.csrf()))
        }
        Err(failure) => failure.into_page(app),
    }
}

pub(super) async fn api(app: &App, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        peer: String,
        local: u8,
        remote: u8,
    }
    let tested = async {
        let Body { peer, local, remote } = read_json(call)?;
        test(app, metrics::path(&peer, Some(local), Some(remote))?).await
    };
    match tested.await {
        Ok(tested) => reply::json(200, &tested),
        Err(failure) => failure.into_json(app),
    }
}

async fn test(app: &App, path: PathId) -> Result<Tested, Failure> {
    match app.ask::<Prober>(Request::Test(path)).await? {
        Answer::Tested(tested) => Ok(*tested),
        Answer::Rejected(rejected) => Err(rejection(rejected)),
        _ => Err(Refusal::Unavailable.into()),
    }
}

fn rejection(rejected: Rejected) -> Failure {
    let message = match rejected {
        Rejected::PathUnknown => return metrics::unknown(),
        Rejected::PathDown => "The site does not answer by this path, so there is nothing to measure.",
        Rejected::TestRunning => "A path is being tested already. Try again in a few seconds.",
        Rejected::TooManyTests => "Six tests at once and one more every ten seconds are enough. Wait a little.",
    };
    Failure::about("", &rejected.to_string(), message)
}
