//! Port forwards: each change is one of the configuration.

use serde_json::{Value, json};

use crate::{
    arguments::ForwardsCommand,
    client::{Client, Content},
    commands::applied,
    error::Error,
    show,
};

pub(crate) async fn run(client: &Client, command: Option<&ForwardsCommand>, as_json: bool) -> Result<(), Error> {
    let Some(command) = command else {
        let answer = client.ask_json("GET", "/api/forwards", Content::Nothing).await?;
        if as_json {
            println!("{answer}")
        } else {
            print!("{}", show::forwards(&answer))
        }
        return Ok(());
    };
    let (path, body, confirm_within) = request(command);
    let trial = confirm_within.map(|seconds| format!("?confirm_within_s={seconds}")).unwrap_or_default();
    let answer = client.ask_json("POST", &format!("{path}{trial}"), Content::Json(body)).await?;
    if as_json {
        println!("{answer}")
    } else {
        print!("{}", applied(&answer, confirm_within))
    }
    Ok(())
}

fn request(command: &ForwardsCommand) -> (&'static str, Value, Option<u32>) {
    match command {
        ForwardsCommand::Add { name, protocol, outside, inside, uplink, source, confirm_within } => {
            let uplink = uplink.as_deref().unwrap_or_default();
            let body = json!({
                "name": name, "protocol": protocol, "outside": outside, "inside": inside, "uplink": uplink, "sources": source,
            });
            ("/api/forwards", body, *confirm_within)
        }
        ForwardsCommand::Remove { name, confirm_within } => {
            ("/api/forwards/remove", json!({ "name": name }), *confirm_within)
        }
    }
}
