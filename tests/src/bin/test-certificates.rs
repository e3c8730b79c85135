//! Writes what a foreign client needs to speak mutual TLS into a directory: `test-certificates DIRECTORY`.
//!
//! `ca.crt` is the authority, `port` and `client` are of it, `stranger` is of another.

use std::path::PathBuf;
use std::process::ExitCode;

use yinyom_testkit::certificates::Authority;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: test-certificates DIRECTORY");
        return ExitCode::FAILURE;
    };
    let authority = Authority::new();
    if let Err(error) = std::fs::write(directory.join("ca.crt"), authority.pem()) {
        eprintln!("{}: {error}", directory.display());
        return ExitCode::FAILURE;
    }
    authority.certify(&[]).write(&directory, "port");
    authority.certify(&["spiffe://yinyom.example/client"]).write(&directory, "client");
    Authority::new().certify(&["spiffe://yinyom.example/client"]).write(&directory, "stranger");
    ExitCode::SUCCESS
}
