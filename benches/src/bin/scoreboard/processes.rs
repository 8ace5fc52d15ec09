//! A row in further processes of this program.
//!
//! Where code and data come to lie in memory is another chance in each process, and moves a time of microseconds by some
//! hundredths: a single process measures its own luck, too.

use std::process::{Command, Stdio};

use crate::row::{Failure, Row};
use crate::run::{self, Plan};
use crate::verdict::{Cell, Scores};

/// The argument by which this program is told to [`print`]; after it comes which row.
pub(crate) const ARGUMENT: &str = "--samples-of";

/// The option for a smoke run.
pub(crate) const SMOKE: &str = "--smoke";

/// Has another process measure the row of this name, and adds what it printed.
///
/// # Errors
/// If that process fails, or says something else.
pub(crate) fn add_another(name: &str, plan: &Plan, scores: &mut Scores) -> Result<(), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ARGUMENT, name]).args(plan.smoke.then_some(SMOKE));
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a further process of {name}: {}", output.status).into());
    }
    let cells =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("a further process of {name}: {error}"))?;
    scores.add(cells)
}

/// Measures the row in this process alone, and prints what came of each contestant.
///
/// # Errors
/// If the row cannot be set up.
pub(crate) fn print(row: &Row, plan: &Plan) -> Result<(), Failure> {
    let cells: Vec<Cell> = run::in_this_process(row, plan)?.into_cells();
    println!("{}", serde_json::to_string(&cells)?);
    Ok(())
}
