//! The binary: arguments and standard streams for [`eif::cli::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    ExitCode::from(eif::cli::run(std::env::args_os(), &mut stdout, &mut stderr))
}
