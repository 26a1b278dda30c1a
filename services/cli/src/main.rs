//! `patronusctl`: a Patronus router from a terminal, by the same API as its page.
//!
//! *Does*: sign in, show, change the configuration, create and join networks, restart; text for people, `--json` for programs.
//! *Never does*: trust a certificate whose fingerprint nobody has confirmed; keep a password.
//! *Spec*: `docs/api.md`. Exit codes: 0 done, 1 refused by the router, 2 wrong usage, 3 not reachable, 4 not signed in, 5 wrong certificate.
#![forbid(unsafe_code)]

mod account;
mod arguments;
mod client;
mod commands;
mod error;
mod events;
mod forwards;
mod prompt;
mod router;
mod routing;
mod sdwan;
mod show;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(&arguments)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if arguments.json {
                eprintln!("{}", serde_json::json!({ "error": { "code": error.code(), "message": error.to_string() } }));
            } else {
                eprintln!("patronusctl: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
