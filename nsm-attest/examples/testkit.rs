//! Makes `tests/vectors` afresh: `cargo run -p nsm-attest --features sim --example testkit`.
#![allow(clippy::unwrap_used, reason = "a tool of the tests")]

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/support/testkit/mod.rs"]
mod testkit;

use std::fs;

use testkit::{ANCHOR_FILE, DOCUMENT_FILE, EXPECTATION_FILE, Kit, ROOT_FILE, cache, cases, folder, verify};

fn main() -> std::io::Result<()> {
    let kit = Kit::new();
    let cases = cases(&kit);
    let (cache, mut wrong) = (cache(), 0);
    for case in &cases {
        let root = case.anchor.as_deref().unwrap_or(&kit.root);
        let outcome = verify(&case.document, root, &case.demands, case.time, &cache);
        if outcome != case.outcome {
            println!("{}: {outcome:?} instead of {:?}", case.name, case.outcome);
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "nothing was written: a case's outcome is not the one it declares");

    for entry in fs::read_dir(folder())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    fs::write(folder().join(ROOT_FILE), &kit.root)?;
    for case in &cases {
        let folder = folder().join(&case.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(DOCUMENT_FILE), &case.document)?;
        fs::write(folder.join(EXPECTATION_FILE), case.expectation(&kit.root).to_string())?;
        if let Some(anchor) = &case.anchor {
            fs::write(folder.join(ANCHOR_FILE), anchor)?;
        }
    }
    let refused = cases.iter().filter(|case| case.outcome.is_err()).count();
    println!("{} cases, {refused} of them negative, in {}", cases.len(), folder().display());
    Ok(())
}
