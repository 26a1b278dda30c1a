//! `xtask image`: builds the image that ships and says where it is.

use anyhow::Result;

use super::args::ImageArgs;
use super::assemble;
use super::kernel;
use super::variant::Variant;
use crate::workspace::Workspace;

/// Runs the command.
///
/// # Errors
/// As [`assemble::image`].
pub fn image(workspace: &Workspace, args: &ImageArgs) -> Result<()> {
    if args.print_kernel_place {
        println!("{}", kernel::place(workspace)?.display());
        return Ok(());
    }
    let variant = if args.raw_only { Variant::raw() } else { Variant::default() };
    let built = assemble::image(workspace, &variant)?;
    println!("image      {}", built.raw.display());
    println!("root hash  {}", built.root_hash);
    Ok(())
}
