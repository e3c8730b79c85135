//! `yinyom`: the three services in one program, and the commands of whoever works with them.

use std::process::ExitCode;

use all_in_one::Cli;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let _failpoints = yinyom_failpoints::Scenario::from_environment();
    match all_in_one::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("yinyom: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
