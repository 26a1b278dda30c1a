//! The running service: store, certificate, listeners, console, and its end.
//!
//! *Does*: store, certificate, then listeners where `link` says; ready once the first of them is open.
//! *Never does*: open anything before `link` names the LAN's addresses.

use std::{net::IpAddr, sync::Arc, time::Duration};

use patronus_ipc::{Context, ServiceError, init};
use patronus_pin::Fingerprint;
use patronus_store::StoreError;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    app::App,
    certificate::{self, CertificateError},
    claim_keeper, feed, limits,
    listen::Listeners,
    server::FrontDoor,
    store::Store,
};

/// One line: seconds since 1970.
const BUILD_TIME_FILE: &str = "/etc/patronus/build-time";
/// Pause before the console is told again, when PID 1 did not answer.
const CONSOLE_RETRY: Duration = Duration::from_secs(1);

/// How often to look whether the last connection has gone.
const FAREWELL_LOOK: Duration = Duration::from_millis(10);

/// Why the service ends. Always: exit with an error, be restarted.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// See [`StoreError`].
    #[error("state in web.redb: {0}")]
    Store(#[from] StoreError),
    /// See [`CertificateError`].
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signals(#[from] std::io::Error),
    /// The store failed while serving.
    #[error("the store failed")]
    StoreFailed,
}

/// Runs until SIGTERM or a failure.
///
/// # Errors
/// See [`ShellError`].
pub async fn run(context: Context) -> Result<(), ShellError> {
    // Installed first: PID 1 of a pid namespace gets no default action.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let state_dir = context.state_dir.as_ref().ok_or(ServiceError::Missing("a directory for state"))?;
    let store = Store::open(state_dir)?;
    let app = Arc::new(App::open(context.ipc_dir.clone(), store)?);
    tokio::spawn(claim_keeper::keep(Arc::clone(&app)));
    tokio::spawn(keep_console(Arc::clone(&app)));
    tokio::spawn(feed::watch(Arc::clone(&app)));
    let opened = Arc::new(Notify::new());
    let serving = serve(Arc::clone(&app), Arc::clone(&opened));
    // Not sooner: those that need this service would take its place on the processors, and people wait for the page.
    tokio::spawn(async move {
        opened.notified().await;
        context.ready();
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = app.fatal.notified() => return Err(ShellError::StoreFailed),
        failed = serving => return failed,
    }
    say_farewell(&app).await;
    Ok(())
}

/// Whoever asked for the restart gets the answer before the door closes.
async fn say_farewell(app: &App) {
    app.closing.send_replace(true);
    let gone = async {
        while !app.gate().is_empty() {
            sleep(FAREWELL_LOOK).await;
        }
    };
    let _ = timeout(limits::FAREWELL, gone).await;
}

/// Follows `link` and keeps the front door open where it says.
async fn serve(app: Arc<App>, opened: Arc<Notify>) -> Result<(), ShellError> {
    let mut links = app.link.clone();
    let identity = match app.store.identity()? {
        Some(identity) => identity,
        None => {
            let identity = certificate::make(build_unix_s())?;
            app.store.put_identity(&identity)?;
            identity
        }
    };
    app.fingerprint.send_replace(Some(Fingerprint::of(&identity.certificate).to_string()));
    let door = FrontDoor::new(Arc::clone(&app), certificate::tls_config(&identity)?);
    let mut listeners = Listeners::new(door, opened);
    loop {
        let now = links.borrow_and_update().clone().unwrap_or_default();
        listeners.handle_links(&now);
        if links.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Away from a box there is no such file: then the certificate is valid from today.
fn build_unix_s() -> i64 {
    let text = std::fs::read_to_string(BUILD_TIME_FILE).unwrap_or_default();
    text.trim().parse().unwrap_or_else(|_| jiff::Timestamp::now().as_second())
}

/// Tells PID 1 what people in front of the machine shall see, at each change.
async fn keep_console(app: Arc<App>) {
    let (mut config, mut links) = (app.config.clone(), app.link.clone());
    let (mut fingerprint, mut claim_code) = (app.fingerprint.subscribe(), app.claim_code.subscribe());
    let mut shown = None;
    loop {
        let facts = console_facts(&app);
        if facts.is_some() && shown != facts {
            if let Some(facts) = facts.clone()
                && app.ask::<init::Init>(init::Request::ShowConsole(facts)).await.is_err()
            {
                sleep(CONSOLE_RETRY).await;
                continue;
            }
            shown = facts;
        }
        tokio::select! {
            _ = config.changed() => {}
            _ = links.changed() => {}
            _ = fingerprint.changed() => {}
            _ = claim_code.changed() => {}
        }
    }
}

/// `None` while the certificate, `config`'s state or an unclaimed box's code is not there yet.
fn console_facts(app: &App) -> Option<init::ConsoleFacts> {
    let fingerprint = app.fingerprint.borrow().clone()?;
    let claimed = app.configuration()?.claimed;
    let claim_code = match claimed {
        None => Some(app.claim_code.borrow().as_ref()?.to_string()),
        Some(_) => None,
    };
    let links = app.links();
    let urls = links.lan.addresses.iter().filter_map(|address| match address.addr() {
        IpAddr::V4(address) => Some(format!("https://{address}/")),
        IpAddr::V6(address) if address.is_unicast_link_local() => None,
        IpAddr::V6(address) => Some(format!("https://[{address}]/")),
    });
    Some(init::ConsoleFacts {
        urls: urls.collect(),
        fingerprint,
        claim_code,
        site: claimed.map(|claimed| claimed.document.site.name.to_string()),
    })
}
