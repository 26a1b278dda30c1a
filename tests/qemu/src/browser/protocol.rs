//! The way to the browser: its process, a WebSocket, calls and answers.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket, client::client};

/// Debian's names for it: without and with a screen.
const PROGRAMS: [&str; 2] = ["chromium-headless-shell", "chromium"];
/// Before this line the browser does not listen.
const LISTENING: &str = "DevTools listening on ";
/// One call; pictures of long pages take the longest.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A browser process with one tab.
#[derive(Debug)]
pub(super) struct Connection {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next_id: u64,
    requests: Vec<String>,
    _profile: TempDir,
}

impl Connection {
    /// Starts the browser and opens an empty tab.
    pub(super) fn open() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("patronus-browser-").tempdir()?;
        let mut child = start(&profile)?;
        let url = match listening_address(&mut child) {
            Ok(url) => url,
            Err(error) => {
                let _ = child.kill();
                return Err(error);
            }
        };
        let socket = connect(&url)?;
        let mut connection =
            Self { child, socket, session: String::new(), next_id: 1, requests: Vec::new(), _profile: profile };
        let tab = connection.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": tab.get("targetId"), "flatten": true });
        let attached = connection.call("Target.attachToTarget", &attach)?;
        connection.session = attached.get("sessionId").and_then(Value::as_str).context("no session")?.to_owned();
        Ok(connection)
    }

    /// One call; events that come before its answer are noted or dropped.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let (false, Some(fields)) = (self.session.is_empty(), message.as_object_mut()) {
            fields.insert("sessionId".to_owned(), json!(self.session));
        }
        self.socket.send(Message::text(message.to_string()))?;
        loop {
            let mut answer: Value = match self.socket.read().context("the browser does not answer")? {
                Message::Text(text) => serde_json::from_str(&text)?,
                _ => continue,
            };
            self.note(&answer);
            if answer.get("id") != Some(&json!(id)) {
                continue;
            }
            if let Some(error) = answer.get("error") {
                bail!("the browser refuses {method}: {error}");
            }
            return Ok(answer.get_mut("result").map(Value::take).unwrap_or_default());
        }
    }

    pub(super) fn requests(&self) -> &[String] {
        &self.requests
    }

    fn note(&mut self, message: &Value) {
        if message.get("method") == Some(&json!("Network.requestWillBeSent")) {
            let url = message.pointer("/params/request/url").and_then(Value::as_str);
            self.requests.extend(url.map(str::to_owned));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(profile: &TempDir) -> Result<Child> {
    let mut last = None;
    for program in PROGRAMS {
        let mut command = Command::new("setpriv");
        // The program is a script that starts the browser, which starts others: all of them end with their namespace.
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.args([program, "--headless", "--remote-debugging-port=0"]);
        command.args(["--ignore-certificate-errors", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
        // Its own sandbox needs rights that root in a container does not have; it only sees our page.
        command.args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        if which(program) {
            return Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
        }
        last = Some(program);
    }
    bail!("no browser: install one of {PROGRAMS:?} ({last:?} was tried last)")
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The browser says it on its standard error, which is read on so that it never blocks.
fn listening_address(child: &mut Child) -> Result<String> {
    let mut lines = BufReader::new(child.stderr.take().context("no pipe")?).lines();
    let url = loop {
        let line = lines.next().context("the browser ended at once")??;
        if let Some(url) = line.trim().strip_prefix(LISTENING) {
            break url.to_owned();
        }
    };
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Ok(url)
}

fn connect(url: &str) -> Result<WebSocket<TcpStream>> {
    let authority = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).context("not a ws:// address")?;
    let stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let (socket, _) = client(url, stream).map_err(|error| anyhow::anyhow!("no WebSocket: {error}"))?;
    Ok(socket)
}
