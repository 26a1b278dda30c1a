//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// The network of sites.
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Join a network with a token, and wait until it answers.
    Join {
        /// The token; `-` reads it from standard input.
        token: String,
    },
    /// Tokens with which other sites join.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The sites of the network; all of them unless told otherwise.
    Sites {
        #[command(subcommand)]
        command: Option<SitesCommand>,
    },
    /// All sites, and the paths to them with what they carry.
    Topology,
    /// The paths to other sites.
    Paths,
    /// One path to another site.
    #[command(subcommand)]
    Path(PathCommand),
    /// Which class of traffic takes which path to each site.
    Policy,
    /// Why each class takes the path that it takes to a site.
    Why {
        /// Its name, or its id.
        site: String,
    },
    /// Let new traffic leave an uplink, a path or a site; without any, show what is drained.
    Drain(DrainArguments),
    /// Who on the LAN talks to whom on the Internet, and what was not carried.
    Flows,
    /// Ports outside that lead to computers on the LAN; all of them unless told otherwise.
    Forwards {
        #[command(subcommand)]
        command: Option<ForwardsCommand>,
    },
    /// The rules of the firewall, and what they have decided.
    Firewall,
    /// What would become of a packet, and why.
    Explain {
        /// The address that would send it.
        source: std::net::Ipv4Addr,
        /// To whom.
        destination: std::net::Ipv4Addr,
        /// tcp, udp, icmp, or a number.
        protocol: String,
        /// The port there, for TCP and UDP.
        #[arg(default_value_t = 0)]
        port: u16,
    },
    /// What happened in the network.
    Events {
        /// Go on until interrupted.
        #[arg(long, short)]
        follow: bool,
        /// Only what came after this one.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Restart the router.
    Reboot,
    /// Switch the router off.
    Poweroff,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PathCommand {
    /// Measure it now, for three seconds at most: round trip, jitter, loss, and how much it carries to there.
    Test {
        /// The site at the far end: its name, or its id.
        site: String,
        /// The slot of this router.
        local: u8,
        /// The slot at the far end.
        remote: u8,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DrainArguments {
    /// A slot of this router.
    #[arg(long, value_name = "SLOT")]
    pub(crate) uplink: Option<u8>,
    /// The slot at the far end, of a path.
    #[arg(long, value_name = "SLOT", requires = "uplink", requires = "site")]
    pub(crate) remote: Option<u8>,
    /// The site of a path, or all paths to it: its name, or its id.
    #[arg(long)]
    pub(crate) site: Option<String>,
    /// Seconds after which the last flow leaves, too.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) within: u32,
    /// Use it again.
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForwardsCommand {
    /// Add one.
    Add {
        /// What it shall be called.
        name: String,
        /// What is forwarded.
        #[arg(value_parser = ["tcp", "udp"])]
        protocol: String,
        /// The port outside, or several that follow each other, such as 8000-8010.
        outside: String,
        /// The computer on the LAN and its port, such as 192.168.42.10:80.
        inside: String,
        /// On this uplink only.
        #[arg(long)]
        uplink: Option<String>,
        /// For this prefix only. May be given several times.
        #[arg(long, value_name = "PREFIX")]
        source: Vec<String>,
        /// Go back by itself unless confirmed within so many seconds.
        #[arg(long, value_name = "SECONDS")]
        confirm_within: Option<u32>,
    },
    /// Remove one; what came by it ends.
    Remove {
        name: String,
        /// Go back by itself unless confirmed within so many seconds.
        #[arg(long, value_name = "SECONDS")]
        confirm_within: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Create a network with this router as its first site. Its recovery key is made here and written before anything is created.
    Create {
        /// Where to keep the recovery key; the file must not be there yet. Without it the key is printed.
        #[arg(long, value_name = "FILE")]
        recovery_file: Option<PathBuf>,
    },
    /// What the network's recovery key can do about signers.
    #[command(flatten)]
    Signer(SignerCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignerCommand {
    /// Make this router a signer of its network: it makes tokens and renews records from now on.
    MakeSigner {
        /// The recovery file, or one with its 64 digits; `-` reads it from standard input.
        #[arg(value_name = "RECOVERY_FILE")]
        recovery_file: PathBuf,
    },
    /// Withdraw another signer for ever. This router signs anew what is to stay.
    WithdrawSigner {
        /// Its key, or the beginning of it, as `network signers` shows it.
        signer: String,
        /// The recovery file, or one with its 64 digits; `-` reads it from standard input.
        #[arg(value_name = "RECOVERY_FILE")]
        recovery_file: PathBuf,
    },
    /// The signers of the network.
    Signers,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for one site.
    Make {
        /// The LAN of the new site; the next free one by default. May be given several times.
        #[arg(long, value_name = "PREFIX")]
        prefix: Vec<String>,
        /// For how many hours it is good.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=720))]
        hours: u64,
        /// What the site may be; `site` by default.
        #[arg(long, value_parser = ["site", "hub", "seed", "relay"])]
        role: Vec<String>,
        /// Where the network is found beyond the LAN; the seeds that this router knows by default.
        #[arg(long, value_name = "HOST:PORT")]
        seed: Vec<String>,
    },
    /// The tokens made on this router, newest first.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SitesCommand {
    /// Everything about one site.
    Show {
        /// Its name, or its id.
        site: String,
    },
    #[command(flatten)]
    Change(SiteChange),
}

/// What a signer's box does to a site.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteChange {
    /// End a site's membership for ever.
    Revoke {
        /// Its name, or its id.
        site: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Give a site another name.
    Rename {
        /// Its name, or its id.
        site: String,
        /// The new one.
        name: String,
    },
    /// Renew a site's record now.
    Renew {
        /// Its name, or its id.
        site: String,
    },
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
