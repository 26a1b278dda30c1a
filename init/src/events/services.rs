//! The services as processes: what the supervisor wants, done; what they do, told to the supervisor.
//!
//! *Never does*: decide when; that is `supervise`.
#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::{
        fd::BorrowedFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
};

use patronus_ipc::init::{Service as ServiceStatus, ServiceState};

use super::{journal::Journal, now_ms, process::Process, reaper};
use crate::{
    cgroup::{self, Cgroup},
    logs::Logs,
    manifest::{Manifest, Service},
    sandbox::{paths, syscalls::Filters},
    server::Server,
    spawn::{self, Launch},
    supervise::{Action, Event, Note, Supervisor},
};

/// Reads of one service's output in one round of the loop.
const MAX_READS: usize = 8;
/// Output taken from a service that has ended: what fits into a pipe.
const MAX_LAST_READS: usize = 16;

pub(super) struct Services {
    supervisor: Supervisor,
    places: Vec<Place>,
}

/// A service with its present process.
struct Place {
    launch: Launch,
    process: Option<Process>,
    last_exit: Option<String>,
}

/// The socket on which PID 1 itself answers.
pub(super) fn listen_as_init(manifest: &Manifest, journal: &mut Journal) -> Option<Server> {
    let server = listen("init").and_then(|listener| Server::new(listener, manifest.init_access()));
    server.map_err(|error| journal.say(now_ms(), &format!("ipc socket: {error}"))).ok()
}

/// Anybody may connect: who may call is decided by the user id of the caller, for each call.
fn listen(name: &str) -> io::Result<UnixListener> {
    fs::create_dir_all(paths::SOCKETS)?;
    let path = paths::socket(name);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

impl Services {
    /// Everything that is made once: sockets, state directories, cgroups, filters. What cannot be made is said; the service is
    /// then started without it, and its sandbox or the service itself refuses.
    pub(super) fn new(manifest: &Manifest, journal: &mut Journal) -> Self {
        if let Err(error) = cgroup::enable_controllers() {
            journal.say(now_ms(), &format!("cgroup controllers: {error}"));
        }
        let place = |service: &Service| {
            let mut said = |what: &str, error: &dyn std::fmt::Display| {
                journal.say(now_ms(), &format!("{}: {what}: {error}", service.name));
            };
            if service.state
                && let Err(error) = spawn::make_state_dir(service)
            {
                said("state directory", &error);
            }
            if let Err(error) = spawn::give_devices(service) {
                said("devices", &error);
            }
            let filters = (!service.unconfined).then(|| Filters::of(service)).transpose();
            let listener = service.socket.then(|| listen(&service.name)).transpose();
            Place {
                launch: Launch {
                    listener: listener.map_err(|error| said("socket", &error)).ok().flatten(),
                    filters: filters.map_err(|error| said("filter", &error)).ok().flatten(),
                    access: manifest.access(service),
                    cgroup: Cgroup::make(service).map_err(|error| said("cgroup", &error)).ok(),
                    service: service.clone(),
                },
                process: None,
                last_exit: None,
            }
        };
        let places = manifest.services().iter().map(place).collect();
        if let Err(error) = spawn::keep_state_dirs() {
            journal.say(now_ms(), &format!("state directories: {error}"));
        }
        Self { supervisor: Supervisor::from_manifest(manifest), places }
    }

    pub(super) fn have_started(&self) -> bool {
        self.supervisor.has_started()
    }

    pub(super) fn are_finished(&self) -> bool {
        self.supervisor.is_finished()
    }

    pub(super) fn are_healthy(&self) -> bool {
        self.supervisor.is_healthy()
    }

    /// The services that are not ready, for people.
    pub(super) fn unready(&self) -> String {
        let unready = self.status().into_iter().filter(|service| service.state != ServiceState::Ready);
        let named: Vec<String> = unready
            .map(|service| match service.last_exit {
                Some(exit) => format!("{} {exit}", service.name),
                None => format!("{} is not ready", service.name),
            })
            .collect();
        named.join(", ")
    }

    /// When the loop must come round at the latest: for the supervisor, or for output that waits in a pipe.
    pub(super) fn deadline(&self, now_ms: u64, logs: &Logs) -> Option<u64> {
        let running = self.places.iter().filter(|place| place.process.is_some());
        let pauses = running.filter_map(|place| logs.paused_until(now_ms, &place.launch.service.name));
        pauses.chain(self.supervisor.deadline()).min()
    }

    pub(super) fn stop(&mut self, now_ms: u64) {
        self.supervisor.handle_event(now_ms, Event::Stop);
    }

    /// A service that writes more than its ring takes is left to wait, or its pipe would keep PID 1 awake for nothing.
    pub(super) fn interests(&self, now_ms: u64, logs: &Logs) -> impl Iterator<Item = BorrowedFd<'_>> {
        let running = self.places.iter().filter_map(|place| Some((place, place.process.as_ref()?)));
        running.flat_map(move |(place, process)| {
            process.interests(logs.paused_until(now_ms, &place.launch.service.name).is_none())
        })
    }

    pub(super) fn status(&self) -> Vec<ServiceStatus> {
        let one = |(index, place): (usize, &Place)| ServiceStatus {
            name: place.launch.service.name.clone(),
            state: self.supervisor.state(index).unwrap_or(ServiceState::Stopped),
            pid: place.process.as_ref().map(|process| process.pid.as_raw_nonzero().get().unsigned_abs()),
            uid: place.launch.service.uid,
            restarts: self.supervisor.restarts(index),
            memory_bytes: place.launch.cgroup.as_ref().map_or(0, Cgroup::memory_bytes),
            last_exit: place.last_exit.clone(),
        };
        self.places.iter().enumerate().map(one).collect()
    }

    /// Takes what the services wrote and which processes have ended.
    pub(super) fn read(&mut self, now_ms: u64, journal: &mut Journal) {
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(process) = &mut place.process else { continue };
            if journal.logs.paused_until(now_ms, &place.launch.service.name).is_none() {
                process.read_output(now_ms, &place.launch.service.name, journal, MAX_READS);
            }
            if process.says_ready() {
                self.supervisor.handle_event(now_ms, Event::Ready(index));
            }
            process.read_failure(now_ms, &place.launch.service.name, journal);
        }
        for _ in 0..reaper::MAX_REAPED {
            let Some(ended) = reaper::next() else { break };
            self.handle_ended(now_ms, &ended, journal);
        }
    }

    /// Lets time pass, and does what is to be done.
    pub(super) fn advance(&mut self, now_ms: u64, journal: &mut Journal) {
        self.supervisor.handle_event(now_ms, Event::Tick);
        while let Some(action) = self.supervisor.poll_action() {
            match action {
                Action::Start(index) => self.start(now_ms, index, journal),
                Action::Terminate(index) => self.with_process(index, |_, process| spawn::terminate(&process.pidfd)),
                Action::Kill(index) => self.with_process(index, kill),
                Action::Report(index, note) => {
                    if let Some(place) = self.places.get(index) {
                        journal.say(now_ms, &format!("{} {}", place.launch.service.name, describe(note)));
                    }
                }
            }
        }
    }

    fn start(&mut self, now_ms: u64, index: usize, journal: &mut Journal) {
        let Some(place) = self.places.get_mut(index) else { return };
        match spawn::start(&place.launch) {
            Ok(started) => place.process = Some(Process::new(started)),
            Err(error) => {
                let text = format!("no process: {error}");
                journal.say(now_ms, &format!("{} {text}", place.launch.service.name));
                place.last_exit = Some(text);
                self.supervisor.handle_event(now_ms, Event::Ended(index));
            }
        }
    }

    fn with_process(&mut self, index: usize, act: impl Fn(&Launch, &Process) -> io::Result<()>) {
        // What cannot be signalled has ended, and will be reaped.
        if let Some(place) = self.places.get(index)
            && let Some(process) = &place.process
        {
            let _ = act(&place.launch, process);
        }
    }

    fn handle_ended(&mut self, now_ms: u64, ended: &reaper::Ended, journal: &mut Journal) {
        let is_it = |place: &Place| place.process.as_ref().is_some_and(|process| process.pid == ended.pid);
        let Some(index) = self.places.iter().position(is_it) else {
            journal.say(now_ms, &format!("orphan {} {}", ended.pid.as_raw_nonzero(), ended.how));
            return;
        };
        let Some(place) = self.places.get_mut(index) else { return };
        let name = &place.launch.service.name;
        if let Some(mut process) = place.process.take() {
            process.read_output(now_ms, name, journal, MAX_LAST_READS);
            process.read_failure(now_ms, name, journal);
            process.end_output(now_ms, name, journal);
        }
        // Children that it left behind.
        if let Some(cgroup) = &place.launch.cgroup {
            let _ = cgroup.kill();
        }
        journal.say(now_ms, &format!("{name} {}", ended.how));
        place.last_exit = Some(ended.how.clone());
        self.supervisor.handle_event(now_ms, Event::Ended(index));
    }
}

fn kill(launch: &Launch, process: &Process) -> io::Result<()> {
    match &launch.cgroup {
        Some(cgroup) => cgroup.kill(),
        None => spawn::kill(&process.pidfd),
    }
}

fn describe(note: Note) -> String {
    match note {
        Note::Ready => "is ready".to_owned(),
        Note::ReadyTooLate => "is not ready in time and is killed".to_owned(),
        Note::BackOff { pause_ms } => format!("starts again in {pause_ms} ms"),
        Note::StopTooLate => "does not end in time and is killed".to_owned(),
        Note::Abandoned => "cannot be ended and is left behind".to_owned(),
    }
}
