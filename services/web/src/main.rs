//! The shell of `web`: one thread, one event loop.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use patronus_ipc::Context;

fn main() -> ExitCode {
    let outcome = Context::from_env().map_err(|error| error.to_string()).and_then(|context| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(patronus_web::shell::run(&context)).map_err(|error| error.to_string())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("web: {message}");
            ExitCode::FAILURE
        }
    }
}
