//! All services in one program: the name under which it is started says which one it is.
//!
//! *Does*: hand over to that service.
//! *Never does*: anything of its own. What a service may do follows from its sandbox, not from what its program holds.
//! *Spec*: `docs/adr/0004-one-program.md`.
#![forbid(unsafe_code)]

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let path = env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_name().and_then(|name| name.to_str());
    // As a package of its own each is called `patronus-NAME`.
    match name.map(|name| name.strip_prefix("patronus-").unwrap_or(name)) {
        Some("clock") => patronus_clock::main(),
        Some("config") => patronus_config::main(),
        Some("datapath") => patronus_datapath::main(),
        Some("link") => patronus_link::main(),
        Some("mesh") => patronus_mesh::main(),
        Some("prober") => patronus_prober::main(),
        Some("router") => patronus_router::main(),
        Some("tunnel") => patronus_tunnel::main(),
        Some("web") => patronus_web::main(),
        other => {
            println!("{} is no service", other.unwrap_or("this"));
            ExitCode::FAILURE
        }
    }
}
