//! The eBPF object, from `ebpf/`, by a compiler that has its library's source.
//!
//! *Does*: installs compiler and linker, builds the object, keeps linker and object in the cache under the hash of what they are made from.
//! *Never does*: use the compiler of the rest: that of rustup comes without this source, and the rest is built without this one.
//! *Spec*: `docs/datapath.md`, section "Building".

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use patronus_image::tree::Tree;

use super::{cache, packages, shell::run};
use crate::{progress, workspace::Workspace};

/// Compiler, its library's source, and the LLVM of the same version for the linker.
const TOOLS: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev"];
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const LLVM: &str = "/usr/lib/llvm-22";
const LINKER_VERSION: &str = "0.13.0";
const TARGET: &str = "bpfel-unknown-none";
/// Part of the cache key: raise it when the steps below change what comes out.
const RECIPE: &str = "v3, no debug information; 2";
/// The programs, and what measures them.
const OBJECTS: [&str; 2] = ["datapath", "bench"];
/// What the objects are made from.
const SOURCES: [&str; 3] = ["ebpf/abi", "ebpf/core", "ebpf/programs"];

/// Finds the object in the cache or builds it (once a minute or two for the linker, then seconds), and puts it where tests look for it.
///
/// # Errors
/// When a tool cannot be had, or it does not compile.
pub(crate) fn object(workspace: &Workspace) -> Result<PathBuf> {
    packages::ensure(TOOLS)?;
    let compiler = run(Command::new(RUSTC).arg("--version"))?;
    let linker = linker(workspace, &compiler)?;
    let sources = sources(workspace)?;
    // The versions and lints that the sources take from there.
    let shared = std::fs::read(workspace.root.join("Cargo.toml"))?;
    let key = cache::key(&[
        ("compiler", compiler.as_bytes()),
        ("linker", LINKER_VERSION.as_bytes()),
        ("sources", sources.as_bytes()),
        ("workspace", &shared),
        ("recipe", RECIPE.as_bytes()),
    ]);
    let place = cache::entry(&workspace.cache, "ebpf", &key, |place| {
        progress::step("compile the eBPF programs", || compile(workspace, &linker, place))
    })?;
    let directory = workspace.target.join("ebpf");
    std::fs::create_dir_all(&directory)?;
    for name in OBJECTS {
        let file = format!("{name}.o");
        std::fs::copy(place.join(&file), directory.join(&file)).context("put the eBPF objects in place")?;
    }
    Ok(directory.join("datapath.o"))
}

fn linker(workspace: &Workspace, compiler: &str) -> Result<PathBuf> {
    let key = cache::key(&[("version", LINKER_VERSION.as_bytes()), ("compiler", compiler.as_bytes())]);
    let place = cache::entry(&workspace.cache, "bpf-linker", &key, |place| {
        let mut install = Command::new(CARGO);
        install.args(["install", "bpf-linker", "--locked", "--version", LINKER_VERSION, "--no-default-features"]);
        install.args(["--features", "llvm-22", "--root"]).arg(place).env("LLVM_PREFIX", LLVM);
        ours(&mut install);
        install.envs(packages::QUICKLY);
        install.env("CARGO_TARGET_DIR", workspace.target.join("bpf-linker"));
        let log = workspace.target.join("bpf-linker.log");
        std::fs::create_dir_all(&workspace.target)?;
        progress::long_command(&mut install, &log, 1)
    })?;
    Ok(place.join("bin/bpf-linker"))
}

fn compile(workspace: &Workspace, linker: &Path, place: &Path) -> Result<()> {
    let mut build = Command::new(CARGO);
    build.current_dir(workspace.root.join("ebpf/programs"));
    build.args(["build", "--locked", "--release", "--target", TARGET, "-Z", "build-std=core"]);
    ours(&mut build);
    // The programs are checked by the kernel, not by the processor: version 3 is what all kernels since 5.1 take.
    let flags = [format!("-Clinker={}", linker.display()), "-Ctarget-cpu=v3".to_owned()];
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let target = workspace.target.join("ebpf-build");
    let status = build.env("CARGO_TARGET_DIR", &target).status().context("start cargo")?;
    ensure!(status.success(), "the eBPF programs do not compile");
    for name in OBJECTS {
        let built = target.join(TARGET).join("release").join(name);
        std::fs::copy(built, place.join(format!("{name}.o"))).context("take the eBPF objects")?;
    }
    Ok(())
}

/// Debian's compiler as it is, whatever this program was started with.
fn ours(command: &mut Command) {
    for name in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    // The programs are for a machine that this compiler knows as experimental.
    command.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1");
}

fn sources(workspace: &Workspace) -> Result<String> {
    let mut all = String::new();
    for directory in SOURCES {
        let mut tree = Tree::default();
        tree.skeleton(&workspace.root.join(directory))?;
        all.push_str(&format!("{directory} {tree:?}\n"));
    }
    Ok(all)
}
