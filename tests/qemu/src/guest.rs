//! A machine that runs.
//!
//! *Does*: switch on, press buttons, pull cables, cut the power.
//! *Never does*: outlive its owner: dropping a guest cuts its power, and should this process die, the kernel does it.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::{Agent, Boot, Console, Machine, Page, Qmp, SecondLan};

/// QEMU ends within this time after its guest has switched off, or after a kill.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A running machine.
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    child: Child,
    console: Console,
    qmp: Qmp,
    page_ports: Vec<(u8, u16)>,
    sockets: TempDir,
}

impl Machine {
    /// Switches the machine on. `log` gets a copy of everything that the serial console shows.
    ///
    /// # Errors
    /// If QEMU does not start.
    pub fn start(self, log: File) -> Result<Guest> {
        // Short paths: a socket's may have 107 bytes.
        let sockets = tempfile::Builder::new().prefix("patronus-").tempdir()?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(self.arguments(sockets.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A Ctrl-C at the terminal is ours to answer, with a clean power-down.
            .process_group(0)
            .spawn()
            .context("cannot start setpriv and qemu-system-x86_64: install util-linux and qemu-system-x86")?;
        let serial = child.stdout.take().context("QEMU has no output")?;
        let console = Console::follow(serial, log);
        let mut guest = match Qmp::connect(&sockets.path().join("qmp")) {
            Ok(qmp) => Guest { machine: self, child, console, qmp, page_ports: Vec::new(), sockets },
            Err(error) => {
                let _ = child.kill();
                return Err(error);
            }
        };
        guest.page_ports = guest.find_page_ports()?;
        Ok(guest)
    }
}

impl Guest {
    /// What the serial console shows.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The page, through the computer on the LAN port; trusts no certificate yet.
    ///
    /// # Errors
    /// If the machine has no LAN port.
    pub fn page(&self) -> Result<Page> {
        let (_, port) = self.page_ports.first().context("this machine has no LAN port")?;
        Ok(Page::at(([127, 0, 0, 1], *port).into()))
    }

    /// The page where it is once the box has moved into another network, through the computer there.
    ///
    /// # Errors
    /// If there is no computer in this network.
    pub fn page_in(&self, lan: SecondLan) -> Result<Page> {
        let (_, port) = self.page_ports.iter().find(|(network, _)| *network == lan.0).context("nobody lives there")?;
        Ok(Page::at(([127, 0, 0, 1], *port).into()))
    }

    /// The agent of the test image.
    ///
    /// # Errors
    /// If the machine has no port for it, or the agent does not answer in time.
    pub fn agent(&self, limit: Duration) -> Result<Agent> {
        anyhow::ensure!(self.machine.has_agent(), "this machine has no port for an agent");
        Agent::connect(&self.sockets.path().join("agent"), limit)
    }

    /// QEMU's control channel.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn press_power_button(&mut self) -> Result<()> {
        self.qmp.execute("system_powerdown", &json!({})).map(drop)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn press_reset_button(&mut self) -> Result<()> {
        self.qmp.execute("system_reset", &json!({})).map(drop)
    }

    /// Presses Ctrl-Alt-Del on the keyboard.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn press_ctrl_alt_del(&mut self) -> Result<()> {
        let keys: Vec<_> = ["ctrl", "alt", "delete"].map(|key| json!({ "type": "qcode", "data": key })).into();
        self.qmp.execute("send-key", &json!({ "keys": keys })).map(drop)
    }

    /// Plugs a cable in or out; ports are `wan0`, `wan1`, ..., `lan0`.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn set_cable(&mut self, port: &str, plugged: bool) -> Result<()> {
        self.qmp.execute("set_link", &json!({ "name": format!("nic-{port}"), "up": plugged })).map(drop)
    }

    /// Takes a picture of the screen (PNG).
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn photograph(&mut self, path: &std::path::Path) -> Result<()> {
        self.qmp.execute("screendump", &json!({ "filename": path, "format": "png" })).map(drop)
    }

    /// Whether the machine is still on.
    ///
    /// # Errors
    /// If the kernel does not know the process.
    pub fn is_on(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until the machine has switched itself off.
    ///
    /// # Errors
    /// If it does not in time; the message shows the end of the console.
    pub fn wait_for_power_off(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.console.wait_until(usize::MAX, "power off", Duration::ZERO, |_| false)?;
                bail!("the machine did not switch off");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pulls the power cord: QEMU is killed. What the guest had written stays, what it had not is lost.
    ///
    /// # Errors
    /// If QEMU had ended before: then this was no power cut.
    pub fn cut_power(mut self) -> Result<Machine> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the machine was off before its power was cut ({status})");
        }
        self.child.kill()?;
        self.wait_for_power_off(END_LIMIT)?;
        Ok(self.into_machine())
    }

    /// The machine, switched off by itself before.
    ///
    /// # Errors
    /// If it still runs after `limit`.
    pub fn after_power_off(mut self, limit: Duration) -> Result<Machine> {
        self.wait_for_power_off(limit)?;
        Ok(self.into_machine())
    }

    fn into_machine(mut self) -> Machine {
        let boot = Boot::Uefi { code: PathBuf::new(), variables: PathBuf::new() };
        std::mem::replace(&mut self.machine, Machine::new("", boot))
    }

    /// For each network on the LAN port's wire, the port that leads to the page. QEMU picks it itself, so that no two guests can want the same.
    fn find_page_ports(&mut self) -> Result<Vec<(u8, u16)>> {
        let wanted = self.machine.lans();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let table = self.qmp.monitor("info usernet")?;
        // `TCP[HOST_FORWARD] descriptor 127.0.0.1 PORT 192.168.N.1 443 ...`
        let forward = |network: u8| {
            let address = format!("192.168.{network}.1");
            let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let mut rows = rows.filter(|row| row.first().is_some_and(|kind| kind.contains("HOST_FORWARD")));
            let row = rows.find(|row| row.get(4).is_some_and(|to| *to == address))?;
            Some((network, row.get(3)?.parse().ok()?))
        };
        let found: Option<Vec<_>> = wanted.into_iter().map(forward).collect();
        found.with_context(|| format!("QEMU forwards no port to the page:\n{table}"))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
