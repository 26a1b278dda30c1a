//! THE table of what can be asked of this box over HTTP, and who may.
//!
//! *Does*: list every route once; decide what becomes of (method, path, phase, identity). Dispatch, the OpenAPI document and the authorisation
//! test are all made from the table.
//! *Never does*: match by prefix or pattern: a path is one of these or unknown.

use hyper::Method;

use crate::{limits, refusal::Refusal, session::Identity};

/// When a route exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the box is claimed; afterwards it answers 404.
    SetUp,
    /// Once the box is claimed.
    Claimed,
    /// Always.
    Both,
}

/// How a request shows that the person meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It changes nothing.
    Read,
    /// A browser names our origin: forms before there is a session.
    Origin,
    /// The same, and the session's token is in the form.
    Token,
    /// A bearer token, which no browser sends by itself.
    Bearer,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    Nothing,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// `application/toml`.
    Toml,
}

/// How long the body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is none.
    No,
    /// A code, a password, a number.
    Small,
    /// The set-up form.
    SetUp,
    /// A configuration.
    Large,
}

impl Room {
    /// In bytes, at most.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::No => 0,
            Self::Small => limits::SMALL_BODY_BYTES,
            Self::SetUp => limits::SET_UP_BODY_BYTES,
            Self::Large => limits::BODY_BYTES,
        }
    }
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Handler {
    Style,
    Script,
    Icon,
    ClaimCodePage,
    ClaimCode,
    SetUpPage,
    SetUp,
    SetUpFinish,
    SetUpStrength,
    StatusPage,
    ConfigPage,
    ConfigSubmit,
    ConfigConfirmForm,
    ConfigRollbackForm,
    ConfigExport,
    SitesPage,
    SitePage,
    RevokePage,
    RevokeForm,
    RenameForm,
    RenewForm,
    TokensPage,
    TokenForm,
    RootKeyForm,
    RootFileForm,
    CreateNetworkForm,
    MakeSignerForm,
    WithdrawSignerForm,
    JoinForm,
    PathsPage,
    TopologyPage,
    PolicyPage,
    DrainForm,
    UndrainForm,
    PathPage,
    PathTestForm,
    EventsPage,
    FlowsPage,
    FirewallPage,
    ForwardsPage,
    ForwardForm,
    ForwardRemoveForm,
    RotateForm,
    LogsPage,
    SystemPage,
    RebootForm,
    PowerOffForm,
    PasswordForm,
    LoginPage,
    Login,
    LogoutForm,
    OpenApi,
    ApiLogin,
    ApiLogout,
    ApiStatus,
    ApiServices,
    ApiLogs,
    ApiConfig,
    ApiConfigApply,
    ApiConfigCheck,
    ApiConfigConfirm,
    ApiConfigRollback,
    ApiConfigHistory,
    ApiReboot,
    ApiPowerOff,
    ApiPassword,
    ApiSites,
    ApiPaths,
    ApiPathTest,
    ApiPolicies,
    ApiTopology,
    ApiExplainPaths,
    ApiDrain,
    ApiUndrain,
    ApiMetrics,
    Metrics,
    ApiFlows,
    ApiFirewall,
    ApiExplain,
    ApiForwards,
    ApiForwardAdd,
    ApiForwardRemove,
    ApiTokens,
    ApiToken,
    ApiCreateNetwork,
    ApiMakeSigner,
    ApiWithdrawSigner,
    ApiJoin,
    ApiRevoke,
    ApiRename,
    ApiRenew,
    ApiRotate,
    ApiEvents,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The whole path.
    pub path: &'static str,
    /// When it exists.
    pub phase: Phase,
    /// The least that the caller must be.
    pub who: Identity,
    /// How intent is shown.
    pub intent: Intent,
    /// What the body is.
    pub body: BodyKind,
    /// How long the body may be.
    pub room: Room,
    /// What answers.
    pub handler: Handler,
    /// For the OpenAPI document.
    pub summary: &'static str,
}

#[rustfmt::skip]
macro_rules! table {
    ($($method:ident $path:literal $phase:ident $who:ident $intent:ident $body:ident $room:ident $handler:ident $summary:literal)*) => {
        /// All routes.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method), path: $path, phase: Phase::$phase, who: Identity::$who, intent: Intent::$intent,
            body: BodyKind::$body, room: Room::$room, handler: Handler::$handler, summary: $summary,
        },)*];
    };
}

table! {
    GET    "/assets/style.css"        Both    Anyone        Read   Nothing No    Style              "Style sheet"
    GET    "/assets/patronus.js"      Both    Anyone        Read   Nothing No    Script             "Script"
    GET    "/assets/icon.svg"         Both    Anyone        Read   Nothing No    Icon               "Icon"

    GET    "/setup/code"              SetUp   Anyone        Read   Nothing No    ClaimCodePage      "Page that asks for the claim code"
    POST   "/setup/code"              SetUp   Anyone        Origin Form    Small ClaimCode          "Give the claim code"
    GET    "/setup"                   SetUp   Claimant      Read   Nothing No    SetUpPage          "Set-up page"
    POST   "/setup"                   SetUp   Claimant      Token  Form    SetUp SetUp              "Set up the router"
    POST   "/setup/finish"            SetUp   Claimant      Token  Form    SetUp SetUpFinish        "Finish a set-up that moves the page"
    POST   "/setup/strength"          SetUp   Claimant      Token  Form    SetUp SetUpStrength      "Judge a password"

    GET    "/"                        Claimed Administrator Read   Nothing No    StatusPage         "Status page"
    GET    "/configuration"           Claimed Administrator Read   Nothing No    ConfigPage         "Configuration page"
    POST   "/configuration"           Claimed Administrator Token  Form    Large ConfigSubmit       "Check or apply a configuration"
    POST   "/configuration/confirm"   Claimed Administrator Token  Form    Small ConfigConfirmForm  "Keep the configuration on trial"
    POST   "/configuration/rollback"  Claimed Administrator Token  Form    Small ConfigRollbackForm "Go back to an earlier configuration"
    GET    "/configuration/export"    Claimed Administrator Read   Nothing No    ConfigExport       "Download the configuration"
    GET    "/sites"                   Claimed Administrator Read   Nothing No    SitesPage          "The network and its sites, or the way into one"
    GET    "/sites/site"              Claimed Administrator Read   Nothing No    SitePage           "One site: ?id=SITE"
    GET    "/sites/revoke"            Claimed Administrator Read   Nothing No    RevokePage         "Page that asks before a site is revoked: ?id=SITE"
    POST   "/sites/revoke"            Claimed Administrator Token  Form    Small RevokeForm         "Revoke a site"
    POST   "/sites/rename"            Claimed Administrator Token  Form    Small RenameForm         "Rename a site"
    POST   "/sites/renew"             Claimed Administrator Token  Form    Small RenewForm          "Renew a site's record"
    GET    "/sites/tokens"            Claimed Administrator Read   Nothing No    TokensPage         "Tokens page"
    POST   "/sites/tokens"            Claimed Administrator Token  Form    Small TokenForm          "Make a token"
    POST   "/network/key"             Claimed Administrator Token  Form    Small RootKeyForm        "Make a recovery key"
    POST   "/network/file"            Claimed Administrator Token  Form    Small RootFileForm       "Download a recovery key"
    POST   "/network/create"          Claimed Administrator Token  Form    Small CreateNetworkForm  "Create a network with a recovery key"
    POST   "/network/signer"          Claimed Administrator Token  Form    Small MakeSignerForm     "Make this site a signer with the recovery key"
    POST   "/network/withdraw"        Claimed Administrator Token  Form    Small WithdrawSignerForm "Withdraw another signer with the recovery key"
    POST   "/network/join"            Claimed Administrator Token  Form    Small JoinForm           "Join a network with a token"
    GET    "/paths"                   Claimed Administrator Read   Nothing No    PathsPage          "Paths page"
    GET    "/paths/path"              Claimed Administrator Read   Nothing No    PathPage           "How a path was: ?peer=SITE&local=SLOT&remote=SLOT&span=hour|day|week"
    POST   "/paths/test"              Claimed Administrator Token  Form    Small PathTestForm       "Test a path now"
    POST   "/paths/rotate"            Claimed Administrator Token  Form    Small RotateForm         "Give an uplink a new WireGuard key"
    GET    "/topology"                Claimed Administrator Read   Nothing No    TopologyPage       "Sites and the paths to them as a picture"
    GET    "/policy"                  Claimed Administrator Read   Nothing No    PolicyPage         "Policy page: which class uses which path, and why: ?site=SITE"
    POST   "/policy/drain"            Claimed Administrator Token  Form    Small DrainForm          "Drain an uplink, a path or a site"
    POST   "/policy/undrain"          Claimed Administrator Token  Form    Small UndrainForm        "Use it again"
    GET    "/events"                  Claimed Administrator Read   Nothing No    EventsPage         "What happened in the network, the newest first"
    GET    "/flows"                   Claimed Administrator Read   Nothing No    FlowsPage          "Flows page"
    GET    "/forwards"                Claimed Administrator Read   Nothing No    ForwardsPage       "Port forwards page"
    POST   "/forwards"                Claimed Administrator Token  Form    Small ForwardForm        "Add a port forward"
    POST   "/forwards/remove"         Claimed Administrator Token  Form    Small ForwardRemoveForm  "Remove a port forward"
    GET    "/firewall"                Claimed Administrator Read   Nothing No    FirewallPage       "Rules, and why a packet would pass: ?source=&destination=&protocol=&port="
    GET    "/logs"                    Claimed Administrator Read   Nothing No    LogsPage           "Logs page"
    GET    "/system"                  Claimed Administrator Read   Nothing No    SystemPage         "System page"
    POST   "/system/reboot"           Claimed Administrator Token  Form    Small RebootForm         "Restart the router"
    POST   "/system/power-off"        Claimed Administrator Token  Form    Small PowerOffForm       "Switch the router off"
    POST   "/system/password"         Claimed Administrator Token  Form    Small PasswordForm       "Change the password"
    GET    "/login"                   Claimed Anyone        Read   Nothing No    LoginPage          "Page to sign in"
    POST   "/login"                   Claimed Anyone        Origin Form    Small Login              "Sign in"
    POST   "/logout"                  Claimed Administrator Token  Form    Small LogoutForm         "Sign out"

    GET    "/api/openapi.json"        Both    Anyone        Read   Nothing No    OpenApi            "This document"
    POST   "/api/session"             Claimed Anyone        Bearer Json    Small ApiLogin           "Sign in: {\"password\"} gives {\"token\"}"
    DELETE "/api/session"             Claimed Administrator Bearer Nothing No    ApiLogout          "Sign out"
    GET    "/api/status"              Claimed Administrator Read   Nothing No    ApiStatus          "The machine, its uplinks and its LAN"
    GET    "/api/services"            Claimed Administrator Read   Nothing No    ApiServices        "Every service with its state"
    GET    "/api/logs"                Claimed Administrator Read   Nothing No    ApiLogs            "Log lines: ?source=NAME&after=SEQUENCE"
    GET    "/api/flows"               Claimed Administrator Read   Nothing No    ApiFlows           "Flows between LAN and Internet, and what was not carried"
    GET    "/api/forwards"            Claimed Administrator Read   Nothing No    ApiForwards        "Port forwards"
    POST   "/api/forwards"            Claimed Administrator Bearer Json    Small ApiForwardAdd      "Add one: {\"name\", \"protocol\", \"outside\", \"inside\", \"uplink\", \"sources\"} ?confirm_within_s=SECONDS"
    POST   "/api/forwards/remove"     Claimed Administrator Bearer Json    Small ApiForwardRemove   "Remove one: {\"name\"} ?confirm_within_s=SECONDS"
    GET    "/api/firewall"            Claimed Administrator Read   Nothing No    ApiFirewall        "The rules in force, and what they have decided"
    GET    "/api/firewall/explain"    Claimed Administrator Read   Nothing No    ApiExplain         "What would become of a packet, and why: ?source=ADDRESS&destination=ADDRESS&protocol=NAME&port=PORT"
    GET    "/api/config"              Claimed Administrator Read   Nothing No    ApiConfig          "The configuration as TOML: ?generation=N"
    PUT    "/api/config"              Claimed Administrator Bearer Toml    Large ApiConfigApply     "Apply: ?base=GENERATION&confirm_within_s=SECONDS"
    POST   "/api/config/check"        Claimed Administrator Bearer Toml    Large ApiConfigCheck     "Check without applying"
    POST   "/api/config/confirm"      Claimed Administrator Bearer Json    Small ApiConfigConfirm   "Keep the trial: {\"generation\"}"
    POST   "/api/config/rollback"     Claimed Administrator Bearer Json    Small ApiConfigRollback  "Go back: {\"generation\"} or {}"
    GET    "/api/config/history"      Claimed Administrator Read   Nothing No    ApiConfigHistory   "The last revisions, newest first"
    POST   "/api/system/reboot"       Claimed Administrator Bearer Json    Small ApiReboot          "Restart the router: {}"
    POST   "/api/system/power-off"    Claimed Administrator Bearer Json    Small ApiPowerOff        "Switch the router off: {}"
    POST   "/api/password"            Claimed Administrator Bearer Json    Small ApiPassword        "Change the password: {\"current\", \"new\"}"

    GET    "/api/sdwan/sites"         Claimed Administrator Read   Nothing No    ApiSites           "The network, the way into one, and all sites"
    GET    "/api/sdwan/paths"         Claimed Administrator Read   Nothing No    ApiPaths           "Keys of the uplinks and every path"
    POST   "/api/sdwan/paths/test"    Claimed Administrator Bearer Json    Small ApiPathTest        "Test a path now: {\"peer\", \"local\", \"remote\"}"
    GET    "/api/sdwan/policies"      Claimed Administrator Read   Nothing No    ApiPolicies        "How each class is carried, which traffic it is, and the path of each class to each site"
    GET    "/api/sdwan/topology"      Claimed Administrator Read   Nothing No    ApiTopology        "All sites, and the paths from this one with what they carry"
    GET    "/api/sdwan/explain"       Claimed Administrator Read   Nothing No    ApiExplainPaths    "Why each class takes the path that it takes: ?site=SITE"
    POST   "/api/sdwan/drain"         Claimed Administrator Bearer Json    Small ApiDrain           "Drain: {\"local\"}, {\"local\", \"remote\", \"site\"} or {\"site\"}, and {\"within_s\"}"
    POST   "/api/sdwan/undrain"       Claimed Administrator Bearer Json    Small ApiUndrain         "Use it again: the same without {\"within_s\"}"
    GET    "/api/sdwan/metrics"       Claimed Administrator Read   Nothing No    ApiMetrics         "How good each path is, or how one was: ?peer=SITE&local=SLOT&remote=SLOT&span=hour|day|week"
    GET    "/metrics"                 Claimed Administrator Read   Nothing No    Metrics            "The same for Prometheus, with what is and is not carried"
    GET    "/api/sdwan/tokens"        Claimed Administrator Read   Nothing No    ApiTokens          "The tokens made here, newest first"
    POST   "/api/sdwan/tokens"        Claimed Administrator Bearer Json    Small ApiToken           "Make a token: {\"valid_s\", \"roles\", \"prefixes\", \"seeds\"}"
    POST   "/api/sdwan/network"       Claimed Administrator Bearer Json    Small ApiCreateNetwork   "Create a network: {\"root_secret\"} or {}"
    POST   "/api/sdwan/signers"       Claimed Administrator Bearer Json    Small ApiMakeSigner      "Make this site a signer: {\"root_secret\"}"
    POST   "/api/sdwan/signers/withdraw" Claimed Administrator Bearer Json Small ApiWithdrawSigner  "Withdraw another signer: {\"root_secret\", \"signer\"}"
    POST   "/api/sdwan/join"          Claimed Administrator Bearer Json    Small ApiJoin            "Join a network: {\"token\", \"prefixes\"}"
    POST   "/api/sdwan/sites/revoke"  Claimed Administrator Bearer Json    Small ApiRevoke          "Revoke a site: {\"site\"}"
    POST   "/api/sdwan/sites/rename"  Claimed Administrator Bearer Json    Small ApiRename          "Rename a site: {\"site\", \"name\"}"
    POST   "/api/sdwan/sites/renew"   Claimed Administrator Bearer Json    Small ApiRenew           "Renew a site's record: {\"site\"}"
    GET    "/api/events"              Claimed Administrator Read   Nothing No    ApiEvents          "The last events, or by WebSocket all that come: ?cursor=CURSOR"
    POST   "/api/sdwan/slots/rotate"  Claimed Administrator Bearer Json    Small ApiRotate          "Give an uplink a new WireGuard key: {\"slot\"}"
}

/// Whether programs ask for it: they authenticate with a bearer token, and are answered in JSON when something is wrong.
#[must_use]
pub fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

/// What becomes of a request whose head was let in.
#[derive(Clone, Copy, Debug)]
pub enum Decision {
    /// The route answers.
    Go(&'static Route),
    /// A person is sent to the page that comes first.
    Redirect(&'static str),
    /// Neither.
    Refuse(Refusal),
}

/// Decides by the table alone.
#[must_use]
pub fn decide(method: &Method, path: &str, claimed: bool, identity: Identity) -> Decision {
    let is_page = *method == Method::GET && !is_for_programs(path);
    let there: Vec<&Route> = ROUTES.iter().filter(|route| route.path == path && exists(route.phase, claimed)).collect();
    if there.is_empty() {
        return match (claimed, ROUTES.iter().any(|route| route.path == path)) {
            (false, _) if is_page => Decision::Redirect("/setup/code"),
            (false, true) => Decision::Refuse(Refusal::NotClaimed),
            (true, true) => Decision::Refuse(Refusal::AlreadyClaimed),
            (_, false) => Decision::Refuse(Refusal::NoRoute),
        };
    }
    let Some(route) = there.into_iter().find(|route| route.method == method.as_str()) else {
        return Decision::Refuse(Refusal::NoMethod);
    };
    match route.who {
        Identity::Anyone => Decision::Go(route),
        needed if needed == identity => Decision::Go(route),
        Identity::Claimant if is_page => Decision::Redirect("/setup/code"),
        Identity::Claimant => Decision::Refuse(Refusal::NoSetupSession),
        Identity::Administrator if is_page => Decision::Redirect("/login"),
        Identity::Administrator => Decision::Refuse(Refusal::NotSignedIn),
    }
}

fn exists(phase: Phase, claimed: bool) -> bool {
    match phase {
        Phase::Both => true,
        Phase::SetUp => !claimed,
        Phase::Claimed => claimed,
    }
}

#[cfg(test)]
mod tests;
