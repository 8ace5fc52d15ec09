//! The binary: arguments and standard streams for [`signerctl::run`].

use std::process::ExitCode;

use signerctl::Streams;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let streams = Streams { stdin: std::io::stdin(), stdout: std::io::stdout(), stderr: std::io::stderr() };
    ExitCode::from(signerctl::run(std::env::args_os(), streams).await)
}
