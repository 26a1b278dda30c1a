//! Which path carries what: why, and what is relieved of traffic.

use serde_json::{Value, json};

use crate::{
    arguments::{DrainArguments, PathCommand},
    client::{Client, Content},
    error::Error,
    sdwan, show,
};

pub(crate) async fn why(client: &Client, site: &str, as_json: bool) -> Result<(), Error> {
    let id = id(client, site).await?;
    let answer = client.ask_json("GET", &format!("/api/sdwan/explain?site={id}"), Content::Nothing).await?;
    if as_json {
        println!("{answer}")
    } else {
        print!("{}", show::why(&answer))
    }
    Ok(())
}

pub(crate) async fn path(client: &Client, command: &PathCommand, as_json: bool) -> Result<(), Error> {
    let PathCommand::Test { site, local, remote } = command;
    let body = json!({ "peer": id(client, site).await?, "local": local, "remote": remote });
    let answer = client.ask_json("POST", "/api/sdwan/paths/test", Content::Json(body)).await?;
    if as_json {
        println!("{answer}")
    } else {
        print!("{}", show::path_test(&answer))
    }
    Ok(())
}

pub(crate) async fn drain(client: &Client, wish: &DrainArguments, as_json: bool) -> Result<(), Error> {
    if wish.uplink.is_some() || wish.site.is_some() {
        let mut body = json!({});
        let mut put = |name: &str, value: Option<Value>| {
            if let (Some(value), Some(fields)) = (value, body.as_object_mut()) {
                fields.insert(name.to_owned(), value);
            }
        };
        put("local", wish.uplink.map(Value::from));
        put("remote", wish.remote.map(Value::from));
        if let Some(site) = &wish.site {
            put("site", Some(id(client, site).await?.into()));
        }
        put("within_s", (!wish.undo).then(|| wish.within.into()));
        let path = if wish.undo { "/api/sdwan/undrain" } else { "/api/sdwan/drain" };
        client.ask_json("POST", path, Content::Json(body)).await?;
    }
    let answer = client.ask_json("GET", "/api/sdwan/policies", Content::Nothing).await?;
    if as_json {
        println!("{}", answer.get("drains").unwrap_or(&Value::Null));
    } else {
        print!("{}", show::drains(&answer));
    }
    Ok(())
}

async fn id(client: &Client, site: &str) -> Result<String, Error> {
    Ok(show::word(sdwan::find(&sdwan::all(client).await?, site)?, "/id"))
}
