//! What answers each route.
//!
//! *Does*: ask the other services, build the page or the JSON.
//! *Never does*: check rights again: who comes here may be here.

mod configuration;
mod events;
mod firewall;
mod flows;
mod forwards;
mod machine;
mod metrics;
mod network;
mod path_test;
mod paths;
mod routing;
mod session;
mod set_up;
mod signers;
mod sites;
mod tokens;
mod topology;

use std::sync::Arc;

use patronus_ipc::{CallError, config, mesh};
use serde::de::DeserializeOwned;

use crate::{
    app::App,
    dispatch::Call,
    openapi, pages,
    refusal::Refusal,
    reply::{self, Reply},
    routes::Handler,
    view,
};

/// Runs the handler of a route.
pub(crate) async fn run(handler: Handler, app: &Arc<App>, call: &Call) -> Reply {
    match handler {
        Handler::Style => reply::answer(200, "text/css; charset=utf-8", pages::STYLE),
        Handler::Script => reply::answer(200, "text/javascript; charset=utf-8", pages::SCRIPT),
        Handler::Icon => reply::answer(200, "image/svg+xml", pages::ICON),
        Handler::OpenApi => reply::json(200, &openapi::document(env!("CARGO_PKG_VERSION"))),

        Handler::ClaimCodePage => set_up::code_page(app, call),
        Handler::ClaimCode => set_up::code(app, call),
        Handler::SetUpPage => set_up::page(app, call),
        Handler::SetUp => set_up::submit(app, call).await,
        Handler::SetUpFinish => set_up::finish(app, call).await,
        Handler::SetUpStrength => set_up::strength(call),

        Handler::LoginPage => session::page(call),
        Handler::Login => session::login(app, call).await,
        Handler::LogoutForm => session::logout(app, call),
        Handler::PasswordForm => session::change_password_form(app, call).await,
        Handler::ApiLogin => session::api_login(app, call).await,
        Handler::ApiLogout => session::api_logout(app, call),
        Handler::ApiPassword => session::api_password(app, call).await,

        Handler::StatusPage => machine::status_page(app, call).await,
        Handler::LogsPage => machine::logs_page(app, call).await,
        Handler::SystemPage => machine::system_page(app, call, pages::system::Message::None).await,
        Handler::RebootForm => machine::reboot_form(app, call).await,
        Handler::PowerOffForm => machine::power_off_form(app, call).await,
        Handler::ApiStatus => machine::api_status(app).await,
        Handler::ApiServices => machine::api_services(app).await,
        Handler::ApiLogs => machine::api_logs(app, call).await,
        Handler::ApiReboot => machine::api_reboot(app).await,
        Handler::ApiPowerOff => machine::api_power_off(app).await,

        Handler::ConfigPage => configuration::page(app, call).await,
        Handler::ConfigSubmit => configuration::submit(app, call).await,
        Handler::ConfigConfirmForm => configuration::confirm_form(app, call).await,
        Handler::ConfigRollbackForm => configuration::rollback_form(app, call).await,
        Handler::ConfigExport => configuration::export(app).await,
        Handler::ApiConfig => configuration::api_show(app, call).await,
        Handler::ApiConfigApply => configuration::api_apply(app, call).await,
        Handler::ApiConfigCheck => configuration::api_check(app, call).await,
        Handler::ApiConfigConfirm => configuration::api_confirm(app, call).await,
        Handler::ApiConfigRollback => configuration::api_rollback(app, call).await,
        Handler::ApiConfigHistory => configuration::api_history(app).await,

        Handler::RootKeyForm => network::key_form(app, call),
        Handler::RootFileForm => network::file_form(app, call),
        Handler::CreateNetworkForm => network::create_form(app, call).await,
        Handler::MakeSignerForm | Handler::WithdrawSignerForm => signers::form(app, call, handler).await,
        Handler::ApiMakeSigner | Handler::ApiWithdrawSigner => signers::api(app, call, handler).await,
        Handler::JoinForm => network::join_form(app, call).await,
        Handler::ApiCreateNetwork => network::api_create(app, call).await,
        Handler::ApiJoin => network::api_join(app, call).await,

        Handler::SitesPage => sites::page(app, call),
        Handler::SitePage => sites::site_page(app, call),
        Handler::RevokePage => sites::revoke_page(app, call),
        Handler::RevokeForm | Handler::RenameForm | Handler::RenewForm => sites::change_form(app, call, handler).await,
        Handler::ApiSites => sites::api_sites(app),
        Handler::ApiRevoke | Handler::ApiRename | Handler::ApiRenew => sites::api_change(app, call, handler).await,

        Handler::TokensPage => tokens::page(app, call),
        Handler::TokenForm => tokens::make_form(app, call).await,
        Handler::ApiTokens => tokens::api_list(app),
        Handler::ApiToken => tokens::api_make(app, call).await,

        Handler::PathsPage => paths::page(app, call),
        Handler::PathPage => metrics::path_page(app, call).await,
        Handler::PathTestForm => path_test::form(app, call).await,
        Handler::ApiPathTest => path_test::api(app, call).await,
        Handler::ApiMetrics => metrics::api_metrics(app, call).await,
        Handler::Metrics => metrics::prometheus(app).await,
        Handler::RotateForm => paths::rotate_form(app, call).await,
        Handler::ApiPaths => paths::api_paths(app),
        Handler::PolicyPage => routing::page(app, call).await,
        Handler::DrainForm | Handler::UndrainForm => routing::change_form(app, call, handler).await,
        Handler::ApiPolicies => routing::api_policies(app),
        Handler::TopologyPage => topology::page(app, call),
        Handler::ApiTopology => topology::api(app),
        Handler::ApiExplainPaths => routing::api_explain(app, call).await,
        Handler::ApiDrain | Handler::ApiUndrain => routing::api_change(app, call, handler).await,
        Handler::FirewallPage => firewall::page(app, call).await,
        Handler::ApiFirewall => firewall::api_rules(app).await,
        Handler::ApiExplain => firewall::api_explain(app, call).await,
        Handler::FlowsPage => flows::page(app, call).await,
        Handler::ApiFlows => flows::api_flows(app).await,
        Handler::ForwardsPage => forwards::page(app, call).await,
        Handler::ForwardForm => forwards::add_form(app, call).await,
        Handler::ForwardRemoveForm => forwards::remove_form(app, call).await,
        Handler::ApiForwards => forwards::api_list(app),
        Handler::ApiForwardAdd => forwards::api_add(app, call).await,
        Handler::ApiForwardRemove => forwards::api_remove(app, call).await,
        Handler::EventsPage => events::page(app, call),
        Handler::ApiEvents => events::api_events(app, call),
        Handler::ApiRotate => paths::api_rotate(app, call).await,
    }
}

/// What went wrong on the way to an answer.
enum Failure {
    /// A refusal of our own.
    Refused(Refusal),
    /// Nothing was changed, for these reasons.
    Rejected(Vec<config::Problem>),
}

impl From<&mesh::Problem> for Failure {
    fn from(problem: &mesh::Problem) -> Self {
        let view::sdwan::Problem { code, message } = view::sdwan::problem(problem);
        Self::Rejected(vec![config::Problem { code, at: String::new(), message }])
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CallError> for Failure {
    fn from(_: CallError) -> Self {
        Self::Refused(Refusal::Unavailable)
    }
}

impl Failure {
    /// A reason of our own, about one field.
    fn about(at: &str, code: &str, message: impl Into<String>) -> Self {
        let problem = config::Problem { code: code.to_owned(), at: at.to_owned(), message: message.into() };
        Self::Rejected(vec![problem])
    }

    /// What a person reads.
    fn message(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.message().to_owned(),
            Self::Rejected(problems) => {
                problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// The status of an answer that tells it.
    fn status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Rejected(_) => 422,
        }
    }

    /// As the API tells it.
    fn into_json(self, app: &App) -> Reply {
        match self {
            Self::Refused(refusal) => {
                app.refusals.count(refusal);
                reply::refusal(refusal, false)
            }
            Self::Rejected(problems) => rejected_json(&problems),
        }
    }

    /// As a page tells it.
    fn into_page(self, app: &App) -> Reply {
        match self {
            Self::Refused(refusal) => {
                app.refusals.count(refusal);
                reply::refusal(refusal, true)
            }
            Self::Rejected(_) => reply::page(422, pages::notice("This did not work", &self.message())),
        }
    }
}

/// `config`'s reasons as an error of the API; the first one is the headline.
fn rejected_json(problems: &[config::Problem]) -> Reply {
    let all: Vec<_> = problems
        .iter()
        .map(|problem| serde_json::json!({ "code": problem.code, "at": problem.at, "message": problem.message }))
        .collect();
    let (code, message) =
        problems.first().map_or(("rejected", "Nothing was changed."), |p| (p.code.as_str(), p.message.as_str()));
    reply::json(422, &serde_json::json!({ "error": { "code": code, "message": message, "problems": all } }))
}

/// Reads a JSON body.
fn read_json<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    serde_json::from_slice(&call.body).map_err(|_| Refusal::BadBody)
}
