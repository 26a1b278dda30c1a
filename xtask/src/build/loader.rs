//! systemd-boot and its stub, from the exact Debian package that `image/loader.toml` pins.
//!
//! *Does*: fetches the package from the machine's own Debian archive, checks its hash, unpacks two files, keeps them in the cache.
//! *Never does*: install it, or name an archive of its own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use patronus_image::sums;
use serde::Deserialize;

use super::shell::run;
use super::{cache, packages};
use crate::progress;
use crate::workspace::Workspace;

/// The pin file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pub(super) package: String,
    suite: String,
    pub(super) version: String,
    pub(super) sha256: String,
    pub(super) license: String,
    loader: String,
    stub: String,
}

/// The two programs, and where they come from.
pub(super) struct Loader {
    pub(super) pin: Pin,
    pub(super) loader: Vec<u8>,
    pub(super) stub: Vec<u8>,
}

/// Finds the programs in the cache or fetches them.
///
/// # Errors
/// When the archive does not have the pinned version or its hash differs.
pub(super) fn fetch(workspace: &Workspace) -> Result<Loader> {
    let text = std::fs::read_to_string(workspace.root.join("image/loader.toml"))?;
    let pin: Pin = toml::from_str(&text).context("image/loader.toml")?;
    let place = cache::entry(&workspace.cache, "loader", &pin.sha256, |place| {
        progress::step(&format!("fetch {} {}", pin.package, pin.version), || fetch_into(&pin, place))
    })?;
    let read = |path: &str| std::fs::read(place.join(path)).with_context(|| format!("read {path} of {}", pin.package));
    Ok(Loader { loader: read(&pin.loader)?, stub: read(&pin.stub)?, pin })
}

fn fetch_into(pin: &Pin, place: &Path) -> Result<()> {
    let apt = tempfile::tempdir()?;
    for directory in ["state/lists/partial", "cache/archives/partial", "download"] {
        std::fs::create_dir_all(apt.path().join(directory))?;
    }
    let sources = format!("deb {} {} main\n", packages::main_archive()?, pin.suite);
    std::fs::write(apt.path().join("sources.list"), sources)?;
    run(apt_get(apt.path()).arg("update"))?;
    let download = apt.path().join("download");
    let exact = format!("{}={}", pin.package, pin.version);
    run(apt_get(apt.path()).args(["download", &exact]).current_dir(&download))?;
    let file = std::fs::read_dir(&download)?.next().context("apt-get downloaded nothing")??.path();
    sums::check(&file, &pin.sha256)?;
    run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(place)).map(drop)
}

/// apt with state of its own: the machine's package lists stay as they are, and no root is needed.
fn apt_get(state: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q");
    let directories = [("State", "state"), ("Cache", "cache"), ("Etc::sourcelist", "sources.list")];
    for (name, place) in directories {
        command.arg("-o").arg(format!("Dir::{name}={}", state.join(place).display()));
    }
    command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Acquire::Languages=none"]);
    command
}
