//! What each command does.

use std::{fs, path::Path, time::Duration};

use patronus_pin::Fingerprint;
use serde_json::{Value, json};

use crate::{
    account::{Account, Accounts},
    arguments::{Arguments, Command, ConfigCommand},
    client::{self, Client, Content},
    error::Error,
    events, forwards, prompt,
    router::Router,
    routing, sdwan, show,
};

/// Pause between two looks at the logs.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Error> {
    if let Command::Login { host, fingerprint } = &arguments.command {
        return login(arguments, host, *fingerprint).await;
    }
    let client = signed_in(arguments)?;
    let print = |value: &Value, text: fn(&Value) -> String| {
        if arguments.json { println!("{value}") } else { print!("{}", text(value)) }
    };
    match &arguments.command {
        Command::Login { .. } => {}
        Command::Logout => logout(&client).await?,
        Command::Status => print(&client.ask_json("GET", "/api/status", Content::Nothing).await?, show::status),
        Command::Services => print(&client.ask_json("GET", "/api/services", Content::Nothing).await?, show::services),
        Command::Logs { source, follow } => logs(&client, source.as_deref(), *follow, arguments.json).await?,
        Command::Config(command) => return config(&client, command, arguments.json).await,
        Command::Network(command) => return sdwan::network(&client, command, arguments.json).await,
        Command::Join { token } => return sdwan::join(&client, token, arguments.json).await,
        Command::Token(command) => return sdwan::token(&client, command, arguments.json).await,
        Command::Sites { command } => return sdwan::sites(&client, command.as_ref(), arguments.json).await,
        Command::Events { follow, cursor } => {
            return events::run(&client, cursor.as_deref(), *follow, arguments.json).await;
        }
        Command::Path(command) => return routing::path(&client, command, arguments.json).await,
        Command::Policy => {
            print(&client.ask_json("GET", "/api/sdwan/policies", Content::Nothing).await?, show::policies);
        }
        Command::Why { site } => return routing::why(&client, site, arguments.json).await,
        Command::Drain(drain) => return routing::drain(&client, drain, arguments.json).await,
        Command::Flows => print(&client.ask_json("GET", "/api/flows", Content::Nothing).await?, show::flows),
        Command::Forwards { command } => return forwards::run(&client, command.as_ref(), arguments.json).await,
        Command::Firewall => print(&client.ask_json("GET", "/api/firewall", Content::Nothing).await?, show::firewall),
        Command::Explain { source, destination, protocol, port } => {
            let protocol: String = protocol.chars().filter(char::is_ascii_alphanumeric).collect();
            let port = if *port == 0 { String::new() } else { format!("&port={port}") };
            let path =
                format!("/api/firewall/explain?source={source}&destination={destination}&protocol={protocol}{port}");
            print(&client.ask_json("GET", &path, Content::Nothing).await?, show::explanation);
        }
        Command::Topology => {
            print(&client.ask_json("GET", "/api/sdwan/topology", Content::Nothing).await?, show::topology);
        }
        Command::Paths => print(&client.ask_json("GET", "/api/sdwan/paths", Content::Nothing).await?, show::paths),
        Command::Reboot => {
            let answer = client.ask_json("POST", "/api/system/reboot", Content::Json(json!({}))).await?;
            print(&answer, |_| "The router restarts now.\n".to_owned());
        }
        Command::Poweroff => {
            let answer = client.ask_json("POST", "/api/system/power-off", Content::Json(json!({}))).await?;
            print(&answer, |_| "The router switches off now.\n".to_owned());
        }
    }
    Ok(())
}

/// The router that is meant, with the pin and token of its account.
fn signed_in(arguments: &Arguments) -> Result<Client, Error> {
    let accounts = Accounts::open()?;
    let named = arguments.host.as_deref().map(str::parse).transpose()?;
    let router: Router = named.or_else(|| accounts.last()).ok_or(Error::NoHost)?;
    let account = accounts.read(&router).filter(|account| !account.token.is_empty());
    let account = account.ok_or_else(|| Error::NotSignedIn(router.to_string()))?;
    Ok(Client { router, pin: account.fingerprint.parse()?, token: Some(account.token) })
}

async fn login(arguments: &Arguments, host: &str, given: Option<Fingerprint>) -> Result<(), Error> {
    let router: Router = host.parse()?;
    let accounts = Accounts::open()?;
    let known = accounts.read(&router).and_then(|account| account.fingerprint.parse().ok());
    let pin = match given.or(known) {
        Some(pin) => pin,
        None => confirmed(&router).await?,
    };
    let client = Client { router, pin, token: None };
    // A wrong certificate is told before anybody types a password.
    client.ask("GET", "/api/openapi.json", Content::Nothing).await?;
    let password = prompt::password()?;
    let answer = client.ask_json("POST", "/api/session", Content::Json(json!({ "password": password }))).await?;
    let token = answer.get("token").and_then(Value::as_str).ok_or(Error::BadAnswer)?.to_owned();
    accounts.write(&client.router, &Account { fingerprint: pin.to_string(), token })?;
    if arguments.json {
        println!("{}", json!({ "host": client.router.to_string() }));
    } else {
        println!("Signed in to {}.", client.router);
    }
    Ok(())
}

/// Shows the router's fingerprint and asks whether it is the right one.
async fn confirmed(router: &Router) -> Result<Fingerprint, Error> {
    let seen = client::look(router).await?;
    eprintln!("{router} shows a certificate with this fingerprint:\n  {seen}");
    if prompt::confirm("Is it the same as on the router's console?")? { Ok(seen) } else { Err(Error::NotConfirmed) }
}

/// Forgets the token even if the router is away; keeps the pin.
async fn logout(client: &Client) -> Result<(), Error> {
    let gone = client.ask("DELETE", "/api/session", Content::Nothing).await;
    let account = Account { fingerprint: client.pin.to_string(), token: String::new() };
    Accounts::open()?.write(&client.router, &account)?;
    match gone {
        Ok(_) | Err(Error::NotSignedIn(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn logs(client: &Client, source: Option<&str>, follow: bool, as_json: bool) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let source: String = source.unwrap_or_default().bytes().filter(|byte| plain(*byte)).map(char::from).collect();
    let mut after = 0;
    loop {
        let path = format!("/api/logs?source={source}&after={after}");
        let page = client.ask_json("GET", &path, Content::Nothing).await?;
        for line in page.get("lines").and_then(Value::as_array).into_iter().flatten() {
            if as_json { println!("{line}") } else { println!("{}", show::log_line(line)) }
        }
        after = page.get("next_after").and_then(Value::as_u64).unwrap_or(after);
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_PAUSE).await;
    }
}

async fn config(client: &Client, command: &ConfigCommand, as_json: bool) -> Result<(), Error> {
    let answer = match command {
        ConfigCommand::Show { generation } => {
            let query = generation.map(|generation| format!("?generation={generation}")).unwrap_or_default();
            let toml = client.ask("GET", &format!("/api/config{query}"), Content::Nothing).await?;
            if as_json {
                println!("{}", json!({ "toml": toml }))
            } else {
                print!("{toml}")
            }
            return Ok(());
        }
        ConfigCommand::Check { file } => {
            client.ask_json("POST", "/api/config/check", Content::Toml(read(file)?)).await?
        }
        ConfigCommand::Apply { file, confirm_within, base } => {
            let pairs = [("confirm_within_s", confirm_within.map(u64::from)), ("base", *base)];
            let pairs: Vec<String> =
                pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
            let path =
                if pairs.is_empty() { "/api/config".to_owned() } else { format!("/api/config?{}", pairs.join("&")) };
            client.ask_json("PUT", &path, Content::Toml(read(file)?)).await?
        }
        ConfigCommand::Confirm => {
            let status = client.ask_json("GET", "/api/status", Content::Nothing).await?;
            let generation = status.get("generation").cloned().ok_or(Error::BadAnswer)?;
            client.ask_json("POST", "/api/config/confirm", Content::Json(json!({ "generation": generation }))).await?
        }
        ConfigCommand::Rollback { generation } => {
            let body = generation.map_or_else(|| json!({}), |generation| json!({ "generation": generation }));
            client.ask_json("POST", "/api/config/rollback", Content::Json(body)).await?
        }
        ConfigCommand::History => client.ask_json("GET", "/api/config/history", Content::Nothing).await?,
    };
    if as_json {
        println!("{answer}");
    } else {
        print!("{}", describe(command, &answer));
    }
    Ok(())
}

/// What became of a change.
pub(crate) fn applied(answer: &Value, confirm_within: Option<u32>) -> String {
    let generation = show::word(answer, "/generation");
    match confirm_within {
        Some(seconds) => format!(
            "Generation {generation} runs on trial. Keep it within {seconds} s with: patronusctl config confirm\n"
        ),
        None => format!("Generation {generation} runs.\n"),
    }
}

fn describe(command: &ConfigCommand, answer: &Value) -> String {
    let generation = answer.get("generation").and_then(Value::as_u64).unwrap_or_default();
    match command {
        ConfigCommand::Show { .. } => String::new(),
        ConfigCommand::Check { .. } => "The configuration is valid. Nothing was changed.\n".to_owned(),
        ConfigCommand::Apply { confirm_within, .. } => applied(answer, *confirm_within),
        ConfigCommand::Confirm => format!("Generation {generation} stays.\n"),
        ConfigCommand::Rollback { .. } => format!("Went back; this is generation {generation} now.\n"),
        ConfigCommand::History => show::history(answer),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|source| Error::File { path: file.to_owned(), source })
}
