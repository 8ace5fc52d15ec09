//! A row in further processes of this program.
//!
//! Where code and data come to lie in memory is another chance in each process, and moves a time of microseconds: a single
//! process measures its own luck, too.

use std::process::{Command, Stdio};

use crate::row::{Failure, Row};
use crate::run::{self, Plan};
use crate::verdict::{Cell, Scores};

/// Has another process measure the row of this name, and adds what it printed.
///
/// # Errors
/// If that process fails, or says something else.
pub(crate) fn add_another(name: &str, plan: &Plan, scores: &mut Scores) -> Result<(), Failure> {
    // Also if another build has taken its place meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.args([ARGUMENT, name]).args(plan.smoke.then_some(SMOKE));
    let output = command.stderr(Stdio::inherit()).output()?;
    let printed = serde_json::from_slice(&output.stdout);
    let cells: Result<Vec<(String, Cell)>, String> =
        printed.map_err(|error| format!("a further process ({}): {error}", output.status))?;
    let cells = cells.map_err(|reason| format!("in a further process: {reason}"))?;
    if !output.status.success() {
        return Err(format!("a further process ended badly: {}", output.status).into());
    }
    scores.add_process(cells)
}

/// Measures the row in this process alone, and prints what came of each contestant, or why it could not be set up.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(row: &Row, plan: &Plan) -> Result<(), Failure> {
    let cells = run::in_this_process(row, plan).map(Scores::into_cells);
    println!("{}", serde_json::to_string(&cells)?);
    Ok(())
}

/// The argument by which this program is told to [`print`]; after it comes which row.
const ARGUMENT: &str = "--samples-of";

/// And this, if it is a smoke run.
const SMOKE: &str = "--smoke";
