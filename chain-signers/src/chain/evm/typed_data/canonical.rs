//! Typed data written in one way.

use super::types::{Definition, Types};

/// `domain` and `message` are canonical already.
pub(super) fn json(types: &Types, domain: &str, message: &str) -> String {
    let definitions: Vec<_> = types.definitions().iter().map(definition).collect();
    let primary = &types.definition(types.primary()).name;
    format!(
        r#"{{"types":{{{}}},"primaryType":"{primary}","domain":{domain},"message":{message}}}"#,
        definitions.join(",")
    )
}

/// Names and types are plain characters that JSON does not escape.
fn definition(definition: &Definition) -> String {
    let fields =
        definition.fields.iter().map(|field| format!(r#"{{"name":"{}","type":"{}"}}"#, field.name, field.written));
    format!(r#""{}":[{}]"#, definition.name, fields.collect::<Vec<_>>().join(","))
}
