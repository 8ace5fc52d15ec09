//! `CiphertextForRecipient` blobs that the real KMS made, read from the folder that `NITRO_VECTORS` names.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::{any, env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Every vector, or `None`, with a word that `test` is skipped, if no folder is named.
pub(crate) fn vectors<T>(test: T) -> Option<Vec<(String, Value)>> {
    let Some(folder) = env::var_os("NITRO_VECTORS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let skipped = writeln!(io::stderr(), "{} skipped: NITRO_VECTORS is not set", any::type_name_of_val(&test));
        skipped.expect("standard error is open");
        return None;
    };
    assert!(!folder.is_empty(), "NITRO_VECTORS is set, but names no folder");
    let folder = PathBuf::from(folder).join("kms");
    let mut vectors = Vec::new();
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            vectors.push((vector["name"].as_str().unwrap().to_owned(), vector));
        }
    }
    assert!(vectors.len() >= 6, "{} holds the real blobs", folder.display());
    Some(vectors)
}

pub(crate) fn blob(vector: &Value) -> Vec<u8> {
    STANDARD.decode(vector["cms_base64"].as_str().unwrap()).unwrap()
}

pub(crate) fn is_sha1(name: &str) -> bool {
    name.contains("oaep-sha1")
}
