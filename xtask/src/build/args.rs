//! What a person can ask of `xtask image`.

use clap::Args;

/// Arguments of `xtask image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Only the raw disk: no compressed copies, no bill of materials.
    #[arg(long)]
    pub raw_only: bool,
    /// Only print the directory of the cache where the kernel of this configuration lies, or would lie.
    #[arg(long)]
    pub print_kernel_place: bool,
}
