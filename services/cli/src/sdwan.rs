//! The network of sites: create it, join it, make tokens, change sites.
//!
//! *Does*: write the recovery key to disk before the network is created with it, so that it cannot get lost.
//! *Never does*: keep a token.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use patronus_types::RootSecret;
use patronus_wire::recovery_text;
use serde_json::{Value, json};

mod signers;

use crate::{
    arguments::{NetworkCommand, SiteChange, SitesCommand, TokenCommand},
    client::{Client, Content},
    error::Error,
    prompt, show,
};

/// Looks whether the network has answered a wish to join.
const JOIN_LOOKS: u32 = 30;
/// Pause between two of them.
const JOIN_PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn network(client: &Client, command: &NetworkCommand, as_json: bool) -> Result<(), Error> {
    let recovery_file = match command {
        NetworkCommand::Create { recovery_file } => recovery_file,
        NetworkCommand::Signer(command) => return signers::run(client, command, as_json).await,
    };
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let root = RootSecret(secret);
    match recovery_file {
        Some(path) => keep(path, &recovery_text(&root))?,
        None if as_json => {}
        None => println!("{}", recovery_text(&root)),
    }
    io::stdout().flush()?;
    let created = post(client, "/api/sdwan/network", json!({ "root_secret": root.to_hex() })).await;
    let mut answer = created.map_err(|error| after_failure(error, recovery_file.as_ref()))?;
    if as_json {
        if let (None, Some(fields)) = (recovery_file, answer.as_object_mut()) {
            fields.insert("root_secret".to_owned(), root.to_hex().into());
        }
        println!("{answer}");
    } else {
        println!(
            "The network {} is created. Make a token for the next site: patronusctl token make",
            show::word(&answer, "/network")
        );
    }
    Ok(())
}

/// The key of a network that was surely not created is of no use; of one that may have been it must be kept.
fn after_failure(error: Error, recovery_file: Option<&PathBuf>) -> Error {
    match (error, recovery_file) {
        (error @ (Error::Refused { .. } | Error::NotSignedIn(_)), Some(path)) => {
            let _ = fs::remove_file(path);
            error
        }
        (error @ (Error::Unreachable { .. } | Error::BadAnswer), Some(path)) => {
            Error::Unsure { file: path.clone(), cause: error.to_string() }
        }
        (error, _) => error,
    }
}

/// Writes a new file for its owner only, to the disk itself.
fn keep(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())).map_err(failed)
}

pub(crate) async fn join(client: &Client, token: &str, as_json: bool) -> Result<(), Error> {
    let token = if token == "-" { prompt::line()? } else { token.to_owned() };
    post(client, "/api/sdwan/join", json!({ "token": token })).await?;
    let mut answer = Value::Null;
    for _ in 0..JOIN_LOOKS {
        tokio::time::sleep(JOIN_PAUSE).await;
        answer = all(client).await?;
        if !answer.pointer("/network").is_none_or(Value::is_null) {
            if as_json {
                println!("{answer}");
            } else {
                println!("Joined.");
                print!("{}", show::sites(&answer));
            }
            return Ok(());
        }
        if answer.pointer("/joining/problem").is_some_and(Value::is_object) {
            break;
        }
    }
    let word = |field: &str, otherwise: &str| match show::word(&answer, &format!("/joining/problem/{field}")) {
        text if text.is_empty() => otherwise.to_owned(),
        text => text,
    };
    let message = word(
        "message",
        "Nobody has answered yet. Is the site that made the token, or a seed that it names, switched on?",
    );
    Err(Error::NotJoined { code: word("code", "no-answer"), message })
}

pub(crate) async fn token(client: &Client, command: &TokenCommand, as_json: bool) -> Result<(), Error> {
    let list = client.ask_json("GET", "/api/sdwan/tokens", Content::Nothing).await?;
    let TokenCommand::Make { prefix, hours, role, seed } = command else {
        if as_json {
            println!("{list}")
        } else {
            print!("{}", show::tokens(&list))
        }
        return Ok(());
    };
    let next = show::word(&list, "/next_free_prefix");
    let prefixes = if prefix.is_empty() && !next.is_empty() { vec![next] } else { prefix.clone() };
    let seeds = if seed.is_empty() { list.get("seeds").cloned().unwrap_or_default() } else { json!(seed) };
    let body = json!({ "valid_s": hours * 3600, "roles": role, "prefixes": prefixes, "seeds": seeds });
    let answer = post(client, "/api/sdwan/tokens", body).await?;
    if as_json {
        println!("{answer}");
    } else {
        eprintln!("For a site with the LAN {}, once, within {hours} h:", prefixes.join(", "));
        println!("{}", show::word(&answer, "/token"));
    }
    Ok(())
}

pub(crate) async fn sites(client: &Client, command: Option<&SitesCommand>, as_json: bool) -> Result<(), Error> {
    let answer = all(client).await?;
    let print = |value: &Value, text: fn(&Value) -> String| {
        if as_json { println!("{value}") } else { print!("{}", text(value)) }
    };
    match command {
        None => print(&answer, show::sites),
        Some(SitesCommand::Show { site }) => print(find(&answer, site)?, show::site),
        Some(SitesCommand::Change(command)) => {
            let Change { path, body, said } = change(&answer, command)?;
            let answer = post(client, path, body).await?;
            if as_json { println!("{answer}") } else { println!("{said}") }
        }
    }
    Ok(())
}

/// What is asked of the router, and what is said when it is done.
struct Change {
    path: &'static str,
    body: Value,
    said: String,
}

/// Asks first where it cannot be undone.
fn change(answer: &Value, command: &SiteChange) -> Result<Change, Error> {
    let (SiteChange::Revoke { site, .. } | SiteChange::Rename { site, .. } | SiteChange::Renew { site }) = command;
    let id = show::word(find(answer, site)?, "/id");
    let (path, body, said) = match command {
        SiteChange::Revoke { yes, .. } => {
            let question = format!("Revoke {site} for ever? It can never be a member again with its present identity.");
            if !yes && !prompt::confirm(&question)? {
                return Err(Error::NotDone);
            }
            ("/api/sdwan/sites/revoke", json!({ "site": id }), format!("{site} is revoked."))
        }
        SiteChange::Rename { name, .. } => {
            ("/api/sdwan/sites/rename", json!({ "site": id, "name": name }), format!("{site} is called {name} now."))
        }
        SiteChange::Renew { .. } => {
            ("/api/sdwan/sites/renew", json!({ "site": id }), format!("The record of {site} is new."))
        }
    };
    Ok(Change { path, body, said })
}

/// By id, or by name.
pub(crate) fn find<'a>(answer: &'a Value, wanted: &str) -> Result<&'a Value, Error> {
    let mut sites = answer.pointer("/sites").and_then(Value::as_array).into_iter().flatten();
    let found = sites.find(|site| show::word(site, "/id") == wanted || show::word(site, "/name") == wanted);
    found.ok_or_else(|| Error::NoSite(wanted.to_owned()))
}

pub(crate) async fn all(client: &Client) -> Result<Value, Error> {
    client.ask_json("GET", "/api/sdwan/sites", Content::Nothing).await
}

async fn post(client: &Client, path: &str, body: Value) -> Result<Value, Error> {
    client.ask_json("POST", path, Content::Json(body)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::Refused { code: "in-a-network".to_owned(), message: String::new() }
    }

    #[test]
    fn a_recovery_file_is_for_its_owner_never_replaced_and_kept_when_in_doubt() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recovery.txt");
        keep(&path, "one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(keep(&path, "two"), Err(Error::File { .. })));
        let away = Error::Unreachable { host: "hq".to_owned(), cause: "reset".to_owned() };
        let unsure = after_failure(away, Some(&path));
        assert!(unsure.to_string().contains("Keep ") && unsure.exit_code() == 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert!(matches!(after_failure(refused(), Some(&path)), Error::Refused { .. }));
        assert!(!path.exists(), "of no use: no network was created with it");
    }

    #[test]
    fn sites_are_found_by_name_and_by_id() {
        let answer = json!({ "sites": [{ "id": "ab", "name": "hq" }, { "id": "cd", "name": "lab" }] });
        assert_eq!(find(&answer, "lab").unwrap(), find(&answer, "cd").unwrap());
        assert!(matches!(find(&answer, "l"), Err(Error::NoSite(_))));
    }
}
