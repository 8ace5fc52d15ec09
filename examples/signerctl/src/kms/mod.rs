//! `kms`: what an enclave asks of KMS, by hand.

mod answer;
pub(crate) mod arguments;
mod client;
mod credentials;
mod failure;
mod input;
mod nsm;
mod open_recipient;
mod private_key;

use std::io::{Read, Write};
use std::path::Path;

use kms_enclave_client::{DecryptRequest, EncryptRequest, GenerateDataKeyRequest, GenerateRandomRequest};

pub(crate) use self::failure::KmsFailure;

use self::answer::Answer;
use self::arguments::{
    DecryptArguments, EncryptArguments, GenerateDataKeyArguments, GenerateRandomArguments, KmsCommand,
};
use self::nsm::Module;
use crate::arguments::ParentArguments;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// What every command gets.
pub(crate) struct Context<'a> {
    pub(crate) common: &'a ParentArguments,
    pub(crate) stdin: &'a mut dyn Read,
    /// Standard error, for what must be said beside the result.
    pub(crate) notes: &'a mut dyn Write,
}

pub(crate) async fn execute(
    command: KmsCommand,
    mut context: Context<'_>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let context = &mut context;
    match command {
        KmsCommand::Decrypt(arguments) => decrypt(&arguments, context).await?.write(output),
        KmsCommand::Encrypt(arguments) => encrypt(&arguments, context).await?.write(output),
        KmsCommand::GenerateDataKey(arguments) => generate_data_key(&arguments, context).await?.write(output),
        KmsCommand::GenerateRandom(arguments) => generate_random(&arguments, context).await?.write(output),
        KmsCommand::OpenRecipient(arguments) => open_recipient::execute(&arguments, context.stdin, output),
    }
}

async fn decrypt<'a>(arguments: &'a DecryptArguments, context: &mut Context<'_>) -> Result<Answer<'a>, Failure> {
    let DecryptArguments { connection, nsm, key, ciphertext, encryption_algorithm, out } = arguments;
    let out = check_files(&[connection.credentials.as_deref(), ciphertext.file(), nsm.authority()], out.as_deref())?;
    let encryption_context = input::encryption_context(&key.encryption_context)?;
    let blob = input::ciphertext(ciphertext, context.stdin)?;
    let module = Module::open(nsm, context)?;
    let name = module.name;
    let client = client::client(connection, Some(&key.key_arn), module, context)?;
    let request = DecryptRequest::new(&key.key_arn, &blob)
        .encryption_algorithm((*encryption_algorithm).into())
        .encryption_context(encryption_context)
        .grant_tokens(key.grant_tokens.iter().cloned());
    let decrypted = client.decrypt(request).await.map_err(KmsFailure::from)?;
    let (key_arn, plaintext) = (Some(decrypted.key_arn), Some(decrypted.plaintext));
    Ok(Answer { key_arn, plaintext, out, nsm: name, ciphertext: None })
}

async fn encrypt<'a>(arguments: &'a EncryptArguments, context: &mut Context<'_>) -> Result<Answer<'a>, Failure> {
    let EncryptArguments { connection, nsm, key, encryption_algorithm, input, out } = arguments;
    let out = check_files(&[connection.credentials.as_deref(), Some(input)], out.as_deref())?;
    let encryption_context = input::encryption_context(&key.encryption_context)?;
    let plaintext = input::plaintext(input, context.stdin)?;
    let module = Module::for_time_only(*nsm)?;
    let client = client::client(connection, Some(&key.key_arn), module, context)?;
    let request = EncryptRequest::new(&key.key_arn, &plaintext)
        .encryption_algorithm((*encryption_algorithm).into())
        .encryption_context(encryption_context)
        .grant_tokens(key.grant_tokens.iter().cloned());
    let encrypted = client.encrypt(request).await.map_err(KmsFailure::from)?;
    let (key_arn, ciphertext) = (Some(encrypted.key_arn), Some(encrypted.ciphertext_blob));
    Ok(Answer { key_arn, ciphertext, out, ..Answer::default() })
}

async fn generate_data_key<'a>(
    arguments: &'a GenerateDataKeyArguments,
    context: &mut Context<'_>,
) -> Result<Answer<'a>, Failure> {
    let GenerateDataKeyArguments { connection, nsm, key, key_spec, number_of_bytes, out } = arguments;
    let out = check_files(&[connection.credentials.as_deref(), nsm.authority()], out.as_deref())?;
    let encryption_context = input::encryption_context(&key.encryption_context)?;
    let module = Module::open(nsm, context)?;
    let name = module.name;
    let client = client::client(connection, Some(&key.key_arn), module, context)?;
    let mut request = GenerateDataKeyRequest::new(&key.key_arn)
        .encryption_context(encryption_context)
        .grant_tokens(key.grant_tokens.iter().cloned());
    if let Some(spec) = key_spec {
        request = request.key_spec((*spec).into());
    }
    if let Some(len) = number_of_bytes {
        request = request.number_of_bytes(*len);
    }
    let made = client.generate_data_key(request).await.map_err(KmsFailure::from)?;
    let (ciphertext, plaintext) = (Some(made.ciphertext_blob), Some(made.plaintext));
    Ok(Answer { key_arn: Some(made.key_arn), ciphertext, plaintext, out, nsm: name })
}

async fn generate_random<'a>(
    arguments: &'a GenerateRandomArguments,
    context: &mut Context<'_>,
) -> Result<Answer<'a>, Failure> {
    let GenerateRandomArguments { connection, nsm, number_of_bytes, out } = arguments;
    let out = check_files(&[connection.credentials.as_deref(), nsm.authority()], out.as_deref())?;
    let module = Module::open(nsm, context)?;
    let name = module.name;
    let client = client::client(connection, None, module, context)?;
    let request = GenerateRandomRequest::new(*number_of_bytes);
    let plaintext = client.generate_random(request).await.map_err(KmsFailure::from)?;
    Ok(Answer { plaintext: Some(plaintext), out, nsm: name, ..Answer::default() })
}

/// What can be known to be wrong with files before anything is read or asked for. Returns `out`.
fn check_files<'a>(read: &[Option<&Path>], out: Option<&'a Path>) -> Result<Option<&'a Path>, Failure> {
    if read.iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::StandardInputTwice);
    }
    out.map_or(Ok(()), files::check_new)?;
    Ok(out)
}
