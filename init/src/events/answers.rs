//! What PID 1 answers to callers.
#![forbid(unsafe_code)]

use patronus_ipc::init::{Boot, ConsoleFacts, Data, Reply, Request, Status};
use patronus_types::SiteName;

use super::{journal::Journal, services::Services};
use crate::{data, shutdown::End, status};

/// What does not change while the machine runs.
pub(super) struct Facts {
    pub(super) boot: Boot,
    pub(super) data: Data,
    pub(super) version: String,
    pub(super) kernel: String,
    pub(super) watchdog: Option<String>,
}

/// Answers one request; `wish` becomes what the caller wants of the whole machine.
pub(super) fn answer(
    now_ms: u64,
    request: Request,
    facts: &Facts,
    services: &Services,
    journal: &mut Journal,
    wish: &mut Option<End>,
) -> Reply {
    match request {
        Request::Status => return Reply::Status(Box::new(status(now_ms, facts, services))),
        Request::Logs { source, after, limit } => {
            return Reply::Logs(journal.logs.page(source.as_deref(), after, limit));
        }
        Request::ShowConsole(shown) => {
            name_host(now_ms, &shown, journal);
            journal.console.show(now_ms, shown);
        }
        Request::Reboot => *wish = wish.or(Some(End::Reboot)),
        Request::PowerOff => *wish = wish.or(Some(End::PowerOff)),
    }
    Reply::Accepted
}

fn status(now_ms: u64, facts: &Facts, services: &Services) -> Status {
    let (size_bytes, free_bytes) = data::usage();
    Status {
        version: facts.version.clone(),
        kernel: facts.kernel.clone(),
        boot: facts.boot.clone(),
        uptime_ms: now_ms,
        services: services.status(),
        data: Data { state: facts.data.state.clone(), size_bytes, free_bytes },
        memory: status::memory(),
        processes: status::processes(),
        watchdog: facts.watchdog.clone(),
    }
}

/// The site's name is the host's name. `web` is not trusted with its form.
fn name_host(now_ms: u64, shown: &ConsoleFacts, journal: &mut Journal) {
    let Some(Ok(name)) = shown.site.as_deref().map(str::parse::<SiteName>) else { return };
    if let Err(error) = rustix::system::sethostname(name.as_str().as_bytes()) {
        journal.say(now_ms, &format!("host name: {error}"));
    }
}
