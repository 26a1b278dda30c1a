//! What a manifest must not say.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

use crate::sandbox::paths::is_given;

use super::{Callers, LEAST_UID, MAX_FILES, MAX_SERVICES, Service};

/// Why a manifest is refused as a whole. PID 1 then starts no service; the other slot is tried after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// No TOML, a field that is missing, unknown or of the wrong kind. The text names the line.
    #[error("manifest: {0}")]
    Syntax(String),
    /// More services than [`MAX_SERVICES`].
    #[error("manifest: {0} services are over the limit of {MAX_SERVICES}")]
    TooManyServices(usize),
    /// A field of one service holds what it must not.
    #[error("service \"{service}\": {field} {reason}")]
    Field {
        /// The entry.
        service: String,
        /// Its field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Services that wait for each other could never start.
    #[error("services need each other in a circle: {0}")]
    Circle(String),
    /// Callers of PID 1 name nobody.
    #[error("init: callers name \"{0}\", which is no service")]
    UnknownInitCaller(String),
}

/// Checks everything that the types do not say.
pub(super) fn check(services: &[Service], init_callers: &Callers) -> Result<(), ManifestError> {
    if services.len() > MAX_SERVICES {
        return Err(ManifestError::TooManyServices(services.len()));
    }
    let names: BTreeSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let of = |service: &Service, (field, reason): Fault| ManifestError::Field {
        service: service.name.clone(),
        field,
        reason,
    };
    for (index, service) in services.iter().enumerate() {
        let before = services.get(..index).unwrap_or_default();
        check_identity(service, before).map_err(|fault| of(service, fault))?;
    }
    for service in services {
        check_paths(service).map_err(|fault| of(service, fault))?;
        check_limits(service).map_err(|fault| of(service, fault))?;
        check_references(service, &names).map_err(|fault| of(service, fault))?;
    }
    if let Some(unknown) = init_callers.keys().find(|caller| !names.contains(caller.as_str())) {
        return Err(ManifestError::UnknownInitCaller(unknown.clone()));
    }
    check_circles(services)
}

type Fault = (&'static str, String);

fn check_identity(service: &Service, before: &[Service]) -> Result<(), Fault> {
    let fault = |field, reason: &str| Err((field, reason.to_owned()));
    if !is_name(&service.name) {
        return fault("name", "must have 1 to 15 of the letters a-z, digits and \"-\"");
    }
    if service.name == "init" || service.name == "kernel" {
        return fault("name", "is taken by the system itself");
    }
    if before.iter().any(|other| other.name == service.name) {
        return fault("name", "is used twice");
    }
    let taken = |path: &&PathBuf| is_given(path) && before.iter().any(|other| other.write.contains(path));
    if let Some(path) = service.write.iter().find(taken) {
        return Err(("write", format!("\"{}\" belongs to another service already", path.display())));
    }
    if let Some(other) = before.iter().find(|other| other.uid == service.uid) {
        return Err(("uid", format!("{} belongs to \"{}\" already", service.uid, other.name)));
    }
    if service.unconfined != (service.uid == 0) {
        return fault("uid", "must be 0 for an unconfined service, and must not be 0 for any other");
    }
    if !service.unconfined && service.uid < LEAST_UID {
        return Err(("uid", format!("must be at least {LEAST_UID}")));
    }
    Ok(())
}

fn check_paths(service: &Service) -> Result<(), Fault> {
    let plain = |path: &Path| {
        path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    let bad = |field, path: &Path| (field, format!("\"{}\" must be an absolute path without \"..\"", path.display()));
    if !plain(&service.exec) {
        return Err(bad("exec", &service.exec));
    }
    for (field, paths) in [("read", &service.read), ("write", &service.write)] {
        if let Some(path) = paths.iter().find(|path| !plain(path)) {
            return Err(bad(field, path));
        }
        if let Some(path) = paths.iter().find(|path| *path == Path::new("/") || path.starts_with("/data")) {
            return Err((field, format!("\"{}\" would open the state of other services", path.display())));
        }
    }
    Ok(())
}

fn check_limits(service: &Service) -> Result<(), Fault> {
    let limits = [
        ("memory_max_bytes", service.memory_max_bytes, 1 << 20, 1 << 40),
        ("pids_max", service.pids_max, 1, 4096),
        ("cpu_weight", service.cpu_weight, 1, 10_000),
        ("files_max", service.files_max, 16, MAX_FILES),
        ("ready_within_ms", service.ready_within_ms, 1, 600_000),
        ("stop_within_ms", service.stop_within_ms, 1, 60_000),
        ("restart.first_ms", service.restart.first_ms, 1, service.restart.most_ms),
        ("restart.most_ms", service.restart.most_ms, 1, 600_000),
    ];
    match limits.into_iter().find(|(_, value, least, most)| value < least || value > most) {
        Some((field, value, least, most)) => Err((field, format!("is {value}, must be {least} to {most}"))),
        None => Ok(()),
    }
}

fn check_references(service: &Service, names: &BTreeSet<&str>) -> Result<(), Fault> {
    if let Some(need) = service.needs.iter().find(|need| !names.contains(need.as_str())) {
        return Err(("needs", format!("names \"{need}\", which is no service")));
    }
    if let Some(caller) = service.callers.keys().find(|caller| !names.contains(caller.as_str())) {
        return Err(("callers", format!("name \"{caller}\", which is no service")));
    }
    let words = |operations: &Vec<String>| operations.iter().all(|word| is_name(word));
    if let Some((caller, _)) = service.callers.iter().find(|(_, operations)| !words(operations)) {
        return Err(("callers", format!("give \"{caller}\" an operation that is no name")));
    }
    if !service.callers.is_empty() && !service.socket {
        return Err(("callers", "are given, but it has no socket".to_owned()));
    }
    Ok(())
}

/// Removes services whose needs are all removed, until none is left, or a circle.
fn check_circles(services: &[Service]) -> Result<(), ManifestError> {
    let mut left: Vec<&Service> = services.iter().collect();
    loop {
        let is_left = |need: &String| left.iter().any(|service| service.name == *need);
        let remaining: Vec<&Service> =
            left.iter().copied().filter(|service| service.needs.iter().any(is_left)).collect();
        if remaining.is_empty() {
            return Ok(());
        }
        if remaining.len() == left.len() {
            let names: Vec<&str> = left.iter().map(|service| service.name.as_str()).collect();
            return Err(ManifestError::Circle(names.join(", ")));
        }
        left = remaining;
    }
}

/// Names become file names, cgroup names and words of the access table.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=15).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}
