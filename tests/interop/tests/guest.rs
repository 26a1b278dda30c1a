//! A machine with our kernel, our tunnel as it ships, and the WireGuard of that kernel and of Debian.
//!
//! Its clock runs by the instructions that it executes and jumps over the time in which it has nothing to do, so three changes of keys,
//! six minutes, pass in seconds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use patronus_image::{initramfs, tree::Tree};
use patronus_qemu::{Boot, Image, Machine, Place};

const LIMIT: Duration = Duration::from_secs(900);
/// What the scenarios call.
const TOOLS: [&str; 5] = ["ip", "setpriv", "tc", "wg", "wireguard-go"];
/// Eight nanoseconds an instruction: about as fast as the emulation of one processor.
const VIRTUAL_CLOCK: [&str; 2] = ["-icount", "shift=3,sleep=off"];

#[test]
fn our_tunnel_holds_with_wireguard_of_the_kernel_and_in_go_and_in_a_flood() {
    let scratch = Place::from_env().scratch("interop").unwrap();
    let initramfs = scratch.path().join("initramfs");
    fs::write(&initramfs, initramfs::archive(&tree().unwrap()).unwrap()).unwrap();
    let kernel = Image::shipped().unwrap().bzimage;
    let boot = Boot::Direct { kernel, initramfs, command_line: "console=ttyS0 panic=-1 loglevel=4".to_owned() };
    let mut machine = Machine::new("interop", boot).memory_mib(768).without_watchdog();
    for argument in VIRTUAL_CLOCK.iter().chain(&["-no-reboot"]) {
        machine = machine.argument(argument);
    }
    let guest = machine.start(fs::File::create(scratch.path().join("console")).unwrap()).unwrap();
    let console = guest.console().clone();
    let ended = guest.after_power_off(LIMIT);
    let text = console.text();
    println!("{text}");
    ended.unwrap();
    for (name, _) in patronus_interop::all() {
        assert!(text.contains(&format!("passed {name} ")), "{name}");
    }
}

/// The machine's whole file system.
fn tree() -> Result<Tree> {
    let mut tree = Tree::default();
    for directory in ["dev", "proc", "run", "sys", "tmp", "var"] {
        tree.directory(directory, 0o755)?;
    }
    tree.directory("bin", 0o755)?;
    add(&mut tree, Path::new(env!("CARGO_BIN_EXE_patronus-interop")), "init")?;
    add(&mut tree, &Place::from_env().services()?, "bin/tunnel")?;
    for tool in TOOLS {
        add(&mut tree, &found(tool)?, &format!("bin/{tool}"))?;
    }
    Ok(tree)
}

/// A program without its debug symbols, and the libraries that it asks for.
fn add(tree: &mut Tree, program: &Path, place: &str) -> Result<()> {
    let stripped = tempfile::NamedTempFile::new()?;
    let strip = Command::new("strip").arg("-o").arg(stripped.path()).arg(program).status()?;
    ensure!(strip.success(), "cannot strip {}", program.display());
    tree.program(place, fs::read(stripped.path())?)?;
    // `ldd` fails for a program without libraries, and then there is nothing to add.
    let libraries = Command::new("ldd").arg(program).output()?.stdout;
    for library in String::from_utf8(libraries)?.split_whitespace().filter(|word| word.starts_with('/')) {
        let place = library.trim_start_matches('/');
        let parents = Path::new(place).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        for parent in parents.collect::<Vec<_>>().into_iter().rev() {
            // It is there already, from another library.
            let _ = tree.directory(&parent.to_string_lossy(), 0o755);
        }
        if !tree.iter().any(|(path, _)| path == place) {
            tree.program(place, fs::read(library)?)?;
        }
    }
    Ok(())
}

fn found(tool: &str) -> Result<PathBuf> {
    let places = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(|place| Path::new(place).join(tool));
    places.into_iter().find(|path| path.is_file()).with_context(|| format!("{tool} is not installed"))
}
