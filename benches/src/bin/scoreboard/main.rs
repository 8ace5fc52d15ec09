//! What performance is promised, beside what was measured in this run: ours, the least it could cost, other people's
//! implementations, the bars, and whether they are met.
//!
//! Exit status: 0 if every bar is met, 1 if not, 64 for wrong usage.

mod processes;
mod report;
mod row;
mod rows;
mod run;
mod stats;
mod verdict;

use std::process::ExitCode;

use benches::attested::Failure;
use benches::child::{self, Service};
use benches::echo::everyone::Servers as EchoServers;
use benches::hostile;
use benches::kms::servers::Servers as KmsServers;
use clap::Parser;

use crate::row::Row;
use crate::run::Plan;
use crate::verdict::Outcome;

/// Measures, and holds the results against the bars.
#[derive(Debug, Parser)]
#[command(name = "scoreboard")]
struct Arguments {
    /// Only the row of this name, or the rows of this subject (what a name begins with). May be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// One round of one iteration, in two processes where times are taken: shows that each row runs. Only the bar of
    /// attestation-allocations is judged.
    #[arg(long)]
    smoke: bool,
    /// Be these servers, for a row that has them in a process of their own.
    #[arg(long, hide = true)]
    serve: Option<String>,
    /// Measure this row in this process alone, for another one that adds it to its own.
    #[arg(long, hide = true)]
    samples_of: Option<String>,
    /// Be the server that is attacked.
    #[arg(long, hide = true)]
    serve_hostile: bool,
    /// Be those who attack it.
    #[arg(long, hide = true)]
    attack_hostile: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    if let Some(name) = arguments.serve {
        return serve(&name);
    }
    if arguments.serve_hostile {
        return exit_code(hostile::server::serve());
    }
    if arguments.attack_hostile {
        return exit_code(hostile::attackers::attack());
    }
    let plan = if arguments.smoke { Plan::smoke() } else { Plan::full() };
    if let Some(name) = arguments.samples_of {
        let row = rows::all().into_iter().find(|row| row.name == name);
        return exit_code(
            row.ok_or_else(|| format!("no row is called {name}").into()).and_then(|row| processes::print(&row, &plan)),
        );
    }
    let rows = match select(rows::all(), &arguments.only) {
        Ok(rows) => rows,
        Err(unknown) => {
            let names: Vec<_> = rows::all().iter().map(|row| row.name).collect();
            eprintln!("no row or subject {unknown}; there are: {}", names.join(", "));
            return ExitCode::from(USAGE);
        }
    };
    let outcomes: Vec<Outcome> = rows.iter().map(|row| run::row(row, &plan)).collect();
    if arguments.json {
        println!("{:#}", report::json(&outcomes, &plan));
    } else {
        print!("{}", report::table(&outcomes, &plan));
    }
    if outcomes.iter().all(Outcome::passes) { ExitCode::SUCCESS } else { ExitCode::from(MISSED) }
}

fn serve(name: &str) -> ExitCode {
    let mut served = Ok(());
    // As where it is measured: times are not to contain the counting.
    allocation_counter::opt_out(|| {
        served = match name {
            EchoServers::NAME => child::serve::<EchoServers>(),
            KmsServers::NAME => child::serve::<KmsServers>(),
            unknown => Err(format!("no servers are called {unknown}").into()),
        };
    });
    exit_code(served)
}

/// Of what was a process of a row.
fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// clap's own exit status for wrong usage, 2, would mean something else here.
fn explain(error: &clap::Error) -> ExitCode {
    // If even this cannot be written, the exit status still says what happened.
    let written = error.print();
    if error.use_stderr() || written.is_err() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// The rows that were asked for, in the scoreboard's order, or a name that fits none.
fn select(rows: Vec<Row>, only: &[String]) -> Result<Vec<Row>, String> {
    if let Some(unknown) = only.iter().find(|name| !rows.iter().any(|row| row.is_called(name))) {
        return Err(unknown.clone());
    }
    let wanted = |row: &Row| only.is_empty() || only.iter().any(|name| row.is_called(name));
    Ok(rows.into_iter().filter(wanted).collect())
}

const MISSED: u8 = 1;
const USAGE: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Result<Vec<&'static str>, String> {
        let only: Vec<_> = only.iter().map(ToString::to_string).collect();
        Ok(select(rows::all(), &only)?.iter().map(|row| row.name).collect())
    }

    #[test]
    fn selects_a_row_by_its_name_and_several_by_their_subject() {
        assert_eq!(names(&["attestation-decode"]).unwrap(), ["attestation-decode"]);
        let subject = names(&["attestation"]).unwrap();
        assert!(subject.len() > 3 && subject.iter().all(|name| name.starts_with("attestation-")), "{subject:?}");
        assert_eq!(names(&[]).unwrap().len(), rows::all().len());
    }

    #[test]
    fn refuses_a_name_that_no_row_has() {
        assert_eq!(names(&["attestation-decode", "attest"]), Err("attest".to_owned()));
        assert_eq!(names(&[""]), Err(String::new()));
    }

    #[test]
    fn row_names_are_unique() {
        let mut names = names(&[]).unwrap();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
