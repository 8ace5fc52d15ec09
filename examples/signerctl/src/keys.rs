//! `keys`: generate, list, show.

use std::fmt::Write as _;
use std::io::Read;

use signer_protocol::birth::Asked;
use signer_protocol::client::{KeyAnswer, KeyPage};
use signer_protocol::record::MAX_POLICY_LEN;

use crate::arguments::{KeysCommand, ParentArguments};
use crate::birth;
use crate::chains;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use crate::service;
use crate::terminal::escaped;

pub(crate) async fn execute(
    command: KeysCommand,
    parent: &ParentArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let client = || service::client(parent);
    match command {
        KeysCommand::Address(arguments) => chains::address(&arguments, stdin, output),
        KeysCommand::Generate { family, policy, callers, pcr0, trust_anchor } => {
            let client = client()?;
            let policy = files::read(&policy, stdin, MAX_POLICY_LEN as u64)?;
            let anchor = birth::trust_anchor(trust_anchor.as_deref(), stdin)?;
            let key = client.create_key_for(&family, &policy, &callers).await?;
            let birth = if pcr0.is_empty() {
                "not verified: give --pcr0 to know that the enclave made this key as asked"
            } else {
                let asked = Asked { family: &family, policy: &policy, callers: &callers };
                birth::check(&key, &asked, &anchor, pcr0)?;
                "verified: an enclave of this PCR0 made this key, of this family, under this policy, for these callers"
            };
            output.result(&key, || format!("{}\nbirth          {birth}", describe(&key)))
        }
        KeysCommand::List => {
            let page = client()?.list_keys().await?;
            output.result(&page, || table(&page))?;
            match page.unreadable.len() {
                0 => Ok(()),
                count => Err(Failure::UnreadableKeys { count }),
            }
        }
        KeysCommand::Show { id } => {
            let key = client()?.show_key(&id).await?;
            output.result(&key, || describe(&key))
        }
    }
}

/// A key, a line a field.
pub(crate) fn describe(key: &KeyAnswer) -> String {
    let mut lines = vec![
        format!("id             {}", key.id),
        format!("family         {}", escaped(&key.family)),
        format!("curve          {}", key.curve.as_str()),
        format!("public key     {}", hex::encode(&key.public_key)),
        format!("address        {}", escaped(&key.address)),
        format!("revision       {}", key.revision),
        format!("record digest  {}", key.record_digest),
    ];
    lines.extend(key.callers.iter().flatten().map(|caller| format!("caller         {caller}")));
    if let Some(document) = &key.birth_document {
        lines.push(format!("birth document {} bytes (--json prints it)", document.len()));
    }
    lines.join("\n")
}

fn table(page: &KeyPage) -> String {
    let mut text = format!("{:<32}  {:<8}  ADDRESS", "ID", "FAMILY");
    for key in &page.keys {
        // Writing to a String never fails.
        let _ = write!(text, "\n{:<32}  {:<8}  {}", key.id, escaped(&key.family), escaped(&key.address));
    }
    for key in &page.unreadable {
        let _ = write!(text, "\n{:<32}  cannot be read: {}", key.id, escaped(&key.detail));
    }
    text
}
