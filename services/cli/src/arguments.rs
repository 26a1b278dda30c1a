//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use patronus_pin::Fingerprint;

/// Control a Patronus router from a terminal.
#[derive(Debug, Parser)]
#[command(name = "patronusctl", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// The router; by default the one signed in to last.
    #[arg(long, value_name = "HOST[:PORT]", global = true, env = "PATRONUS_HOST")]
    pub(crate) host: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in; the password is asked for, or read from standard input.
    Login {
        /// Address or name of the router, with a port if it is not 443.
        #[arg(value_name = "HOST[:PORT]")]
        host: String,
        /// The certificate's fingerprint, as the router's console shows it.
        #[arg(long)]
        fingerprint: Option<Fingerprint>,
    },
    /// Sign out and forget the token.
    Logout,
    /// The machine, its uplinks and its LAN.
    Status,
    /// Every service with its state.
    Services,
    /// Log lines, oldest first.
    Logs {
        /// `kernel`, `init` or a service; all by default.
        source: Option<String>,
        /// Go on until interrupted.
        #[arg(long, short)]
        follow: bool,
    },
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Restart the router.
    Reboot,
    /// Switch the router off.
    Poweroff,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print it as TOML.
    Show {
        /// An earlier one.
        generation: Option<u64>,
    },
    /// Check a file without applying it.
    Check { file: PathBuf },
    /// Apply a file.
    Apply {
        file: PathBuf,
        /// Go back by itself unless confirmed within so many seconds.
        #[arg(long, value_name = "SECONDS")]
        confirm_within: Option<u32>,
        /// Only if this is still the running generation.
        #[arg(long, value_name = "GENERATION")]
        base: Option<u64>,
    },
    /// Keep the configuration that is on trial.
    Confirm,
    /// Go back to the one before, or to an earlier one.
    Rollback { generation: Option<u64> },
    /// The last revisions, newest first.
    History,
}
