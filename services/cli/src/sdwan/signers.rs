//! Signers: make this router one, withdraw another, both with the recovery key.
//!
//! *Never does*: keep the key, or show it.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use patronus_wire::parse_recovery;
use serde_json::{Value, json};

use super::{all, post};
use crate::{arguments::SignerCommand, client::Client, error::Error, show};

/// Longest recovery file that is read.
const FILE_BYTES: u64 = 4_096;

pub(super) async fn run(client: &Client, command: &SignerCommand, as_json: bool) -> Result<(), Error> {
    let said = match command {
        SignerCommand::Signers => {
            let answer = all(client).await?;
            if as_json {
                println!("{}", answer.pointer("/network/signers").unwrap_or(&Value::Null));
            } else {
                print!("{}", show::signers(&answer));
            }
            return Ok(());
        }
        SignerCommand::MakeSigner { recovery_file } => {
            post(client, "/api/sdwan/signers", json!({ "root_secret": read(recovery_file)? })).await?;
            "This router is a signer now. Make a token for the next site: patronusctl token make"
        }
        SignerCommand::WithdrawSigner { signer, recovery_file } => {
            let key = find(&all(client).await?, signer)?;
            let body = json!({ "root_secret": read(recovery_file)?, "signer": key });
            post(client, "/api/sdwan/signers/withdraw", body).await?;
            "This router has signed anew what stays. In ten seconds the other one is no signer any more."
        }
    };
    if as_json {
        println!("{{}}")
    } else {
        println!("{said}")
    }
    Ok(())
}

/// The root's secret in such a file.
fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(FILE_BYTES).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text))
    };
    read.map_err(failed)?;
    let root = parse_recovery(&text).ok_or_else(|| failed(io::Error::other("there is no recovery key in it")))?;
    Ok(root.to_hex())
}

/// The whole key that begins so.
fn find(answer: &Value, wanted: &str) -> Result<String, Error> {
    let keys = answer.pointer("/network/signers").and_then(Value::as_array).into_iter().flatten();
    let mut found = keys.map(|signer| show::word(signer, "/key")).filter(|key| key.starts_with(wanted));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(Error::NoSigner(wanted.to_owned())),
    }
}
