//! Tokens with which sites join: make them, list them.
//!
//! *Never does*: keep or log a token; its text is in one answer and nowhere else.

use patronus_ipc::mesh::{Reply as Answer, Request, Role, State};
use patronus_types::{IpNet, Ipv4Net};
use serde::Deserialize;
use serde_json::json;

use super::{
    Failure,
    network::{ask, not_a_prefix},
    read_json,
    sites::{network, timezone},
};
use crate::{
    app::App,
    dispatch::Call,
    form::Form,
    network::{read_prefixes, suggest_lan, suggest_seeds, words},
    pages::{self, tokens::Said},
    refusal::Refusal,
    reply::{self, Reply},
    view::sdwan,
};

/// For how long a token is good unless somebody chooses otherwise: a day, in seconds.
const VALID_S: u64 = 86_400;
/// The roles of a form, with the names of their fields.
const ROLES: [(&str, Role); 4] =
    [("role-site", Role::Site), ("role-hub", Role::Hub), ("role-seed", Role::Seed), ("role-relay", Role::Relay)];

/// What a token is to be like.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    valid_s: Option<u64>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    seeds: Vec<String>,
}

impl Wanted {
    /// As it stands in the form.
    fn of_form(form: &Form) -> Result<Self, Failure> {
        let valid_s = match form.text("valid_s") {
            "" => None,
            text => Some(text.parse().map_err(|_| Refusal::BadBody)?),
        };
        let roles = ROLES.iter().filter(|(field, _)| form.raw(field) == "yes").map(|(_, role)| *role).collect();
        Ok(Self { valid_s, roles, prefixes: words(form.raw("prefixes")), seeds: words(form.raw("seeds")) })
    }
}

async fn make(app: &App, wanted: Wanted) -> Result<String, Failure> {
    let prefixes = read_prefixes(&wanted.prefixes).map_err(|word| not_a_prefix(&word))?;
    if prefixes.is_empty() {
        let message = "Say which LAN the site has, such as 10.2.0.0/24. Each site needs one of its own.";
        return Err(Failure::about("prefixes", "prefix-missing", message));
    }
    let valid_s = wanted.valid_s.unwrap_or(VALID_S);
    let request = Request::MakeToken { valid_s, roles: wanted.roles, prefixes, seeds: wanted.seeds };
    match ask(app, request).await? {
        Answer::Token { token } => Ok(token),
        _ => Err(Refusal::Unavailable.into()),
    }
}

/// The next LAN that neither a site has nor a token that is still good grants.
fn suggestion(app: &App, state: &State) -> Option<Ipv4Net> {
    let own = app.configuration()?.claimed?.document.lan.address;
    let now_s = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let open = state.tokens.iter().filter(|token| token.used.is_none() && token.expires_unix_s >= now_s);
    let taken: Vec<IpNet> = [IpNet::V4(own.trunc())]
        .into_iter()
        .chain(state.sites.iter().flat_map(|site| site.prefixes.iter().copied()))
        .chain(open.flat_map(|token| token.prefixes.iter().copied()))
        .collect();
    suggest_lan(own, &taken)
}

/// Where the new site may find the network.
fn seeds(state: &State) -> Vec<String> {
    suggest_seeds(&state.sites).iter().map(ToString::to_string).collect()
}

pub(super) fn page(app: &App, call: &Call) -> Reply {
    let mut form = Form::default();
    let state = app.network().unwrap_or_default();
    form.set("prefixes", suggestion(app, &state).map(|lan| lan.to_string()).unwrap_or_default());
    form.set("seeds", seeds(&state).join(", "));
    form.set("valid_s", VALID_S.to_string());
    form.set("role-site", "yes");
    show(app, call, 200, &form, &Said::None)
}

pub(super) async fn make_form(app: &App, call: &Call) -> Reply {
    let made = async { make(app, Wanted::of_form(&call.form)?).await };
    match made.await {
        Ok(token) => show(app, call, 200, &call.form, &Said::Token(token)),
        Err(failure) => show(app, call, failure.status(), &call.form, &Said::Error(failure.message())),
    }
}

fn show(app: &App, call: &Call, status: u16, form: &Form, said: &Said) -> Reply {
    let Some(state) = app.network() else { return reply::page(503, pages::sites::away(&app.site(), call.csrf())) };
    let tokens = sdwan::tokens(&state, jiff::Timestamp::now().as_second());
    let shown = pages::tokens::Shown {
        tokens: &tokens,
        is_signer: state.network.is_some_and(|network| network.is_signer),
        form,
        said,
        timezone: &timezone(app),
    };
    reply::page(status, pages::tokens::page(&shown, &app.site(), call.csrf()))
}

pub(super) fn api_list(app: &App) -> Reply {
    match network(app) {
        Ok(state) => {
            let tokens = sdwan::tokens(&state, jiff::Timestamp::now().as_second());
            let next = suggestion(app, &state).map(|lan| lan.to_string());
            reply::json(200, &json!({ "tokens": tokens, "next_free_prefix": next, "seeds": seeds(&state) }))
        }
        Err(failure) => failure.into_json(app),
    }
}

pub(super) async fn api_make(app: &App, call: &Call) -> Reply {
    let made = async { make(app, read_json(call)?).await };
    match made.await {
        Ok(token) => reply::json(200, &json!({ "token": token })),
        Err(failure) => failure.into_json(app),
    }
}
