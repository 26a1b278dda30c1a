//! The loop: ask, decide, correct, publish; then wait.
//!
//! *Does*: bring a clock that starts outside its bounds to the floor, before anything is asked.
//! *Never does*: hold up its readiness until a server answers: a site without uplink has a clock, too.

use std::{fs, io, time::Duration};

use patronus_clock::{Bounds, Correction, Discipline, limit};
use patronus_ipc::{
    Context, ServiceError,
    clock::{Clock, State},
    config::{self, Config},
    link::{self, Link},
};
use patronus_store::{Spare, StoreError};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    Fatal,
    round::{Asker, Round, Sources},
    store::Store,
    time::{correct, now_us, uptime_ms},
};

/// When the image was built, in seconds since 1970: one decimal number.
const BUILD_TIME: &str = "/etc/patronus/build-time";
/// 2026-01-01: no image is older than the first line of this code.
const EARLIEST_BUILD_S: i64 = 1_767_225_600;

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let mut service = Service::start(&context)?;
    let mut answering = patronus_ipc::publish::<Clock>(&context, &service.state)?;
    let mut config = patronus_ipc::follow::<Config>(&context.ipc_dir, || config::Request::Watch);
    let mut link = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    context.ready();
    loop {
        let sources = sources(&config.borrow_and_update(), &link.borrow_and_update());
        tokio::select! {
            outcome = service.round(&sources) => outcome?,
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return service.stop(),
        }
        let pause = tokio::time::sleep(Duration::from_millis(service.pause_ms()));
        tokio::pin!(pause);
        // New servers are asked at once; any other change of these states is no reason.
        loop {
            tokio::select! {
                () = &mut pause => break,
                Ok(()) = config.changed() => {}
                Ok(()) = link.changed() => {}
                ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
                _ = terminate.recv() => return service.stop(),
            }
            if self::sources(&config.borrow_and_update(), &link.borrow_and_update()) != sources {
                break;
            }
        }
    }
}

struct Service {
    bounds: Bounds,
    discipline: Discipline,
    asker: Asker,
    /// The last correction really happened.
    is_set: bool,
    store: Spare<Store>,
    marked_ms: Option<u64>,
    state: watch::Sender<State>,
}

impl Service {
    fn start(context: &Context) -> Result<Self, Fatal> {
        let state_dir = context.state_dir.clone().ok_or(ServiceError::Missing("a directory for state"))?;
        let mut store = Spare::open(move || Ok(Store::open(&state_dir)?.content))?;
        let bounds = Bounds::new(build_time_s(), store.with(Store::load)?.flatten());
        if let Some(step_us) = bounds.first_step(now_us()) {
            tracing::warn!(step_us, "the clock was outside its bounds");
            set(Correction::Step(step_us));
        }
        let state = State { floor_unix_s: bounds.floor_s, ..State::default() };
        Ok(Self {
            bounds,
            discipline: Discipline::new(bounds),
            asker: Asker::default(),
            is_set: false,
            store,
            marked_ms: None,
            state: watch::Sender::new(state),
        })
    }

    async fn round(&mut self, sources: &Sources) -> Result<(), Fatal> {
        let Round { outcome, server } = self.asker.round(sources, self.bounds.floor_s, uptime_ms()).await;
        let decision = self.discipline.handle_round(outcome, now_us(), uptime_ms());
        match decision {
            Ok(correction) => {
                self.is_set = set(correction);
                if self.is_set {
                    self.mark()?;
                }
            }
            Err(reason) => tracing::info!(%reason, "clock left alone"),
        }
        let is_synchronised = self.is_set && self.discipline.is_synchronised(uptime_ms());
        self.publish(|state| {
            state.synchronised = is_synchronised;
            if let (Ok(choice), Ok(_)) = (outcome, decision) {
                state.server = server;
                state.offset_us = Some(choice.offset_us);
                state.stratum = Some(choice.stratum);
            }
        });
        Ok(())
    }

    fn publish(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            let is_new = *state != before;
            if is_new {
                state.generation = before.generation.next();
            }
            is_new
        });
    }

    /// Writes the mark, unless that was done a moment ago.
    fn mark(&mut self) -> Result<(), StoreError> {
        let uptime_ms = uptime_ms();
        if self.marked_ms.is_none_or(|marked| uptime_ms.saturating_sub(marked) >= limit::MARK_INTERVAL_MS) {
            self.store.with(|store| store.save(now_us().div_euclid(1_000_000)))?;
            self.marked_ms = Some(uptime_ms);
        }
        Ok(())
    }

    fn pause_ms(&self) -> u64 {
        self.discipline.pause_ms(super::random().unwrap_or(0))
    }

    /// A last mark, if the time was ever good.
    fn stop(mut self) -> Result<(), Fatal> {
        if self.marked_ms.take().is_some() {
            self.mark()?;
        }
        Ok(())
    }
}

/// Does a correction, and whether that worked.
fn set(correction: Correction) -> bool {
    if correction != Correction::None {
        tracing::info!(?correction, "clock");
    }
    let outcome: io::Result<()> = correct(correction);
    if let Err(error) = &outcome {
        tracing::error!(%error, ?correction, "clock cannot be set");
    }
    outcome.is_ok()
}

fn build_time_s() -> i64 {
    let text = fs::read_to_string(BUILD_TIME).unwrap_or_default();
    text.trim().parse().map_or(EARLIEST_BUILD_S, |built: i64| built.max(EARLIEST_BUILD_S))
}

fn sources(config: &Option<config::Reply>, link: &Option<link::State>) -> Sources {
    let config = match config {
        Some(config::Reply::State(state)) => Some(&**state),
        _ => None,
    };
    Sources::new(config, link.as_ref())
}
