//! The command line of `kms`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use kms_enclave_client::{DataKeySpec, EncryptionAlgorithm, KeyArn};
use vsock_rpc::Addr;

use crate::arguments::HttpsUrl;

#[derive(Debug, Subcommand)]
pub(crate) enum KmsCommand {
    /// Decrypt a ciphertext blob; only this enclave can read the answer of KMS.
    #[command(after_help = RESULTS)]
    Decrypt(Box<DecryptArguments>),
    /// Encrypt 1 to 4096 bytes. There is no attestation in it: the plaintext is known already.
    #[command(after_help = RESULTS)]
    Encrypt(Box<EncryptArguments>),
    /// Make a data key; only this enclave can read the answer of KMS.
    #[command(after_help = RESULTS)]
    GenerateDataKey(Box<GenerateDataKeyArguments>),
    /// Draw random bytes in KMS; only this enclave can read the answer.
    #[command(after_help = RESULTS)]
    GenerateRandom(Box<GenerateRandomArguments>),
    /// DEBUGGING: open a CiphertextForRecipient with an RSA key from a file, and print the plaintext in hex.
    ///
    /// In an enclave the recipient's key never leaves memory, and there is nothing to open by hand. This is for looking at
    /// what a KMS, or something that stands in for one, made for a key that was never to protect anything.
    OpenRecipient(OpenRecipientArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DecryptArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(flatten)]
    pub(crate) nsm: NsmArguments,
    #[command(flatten)]
    pub(crate) key: KeyArguments,
    #[command(flatten)]
    pub(crate) ciphertext: CiphertextArguments,
    /// The algorithm by which the key encrypted.
    #[arg(long, value_enum, default_value_t = Algorithm::SymmetricDefault)]
    pub(crate) encryption_algorithm: Algorithm,
    /// Write the plaintext to this new file, which only its owner can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The ciphertext blob, in one of two ways.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CiphertextArguments {
    /// The ciphertext blob in base64; @FILE for a file with base64, - for standard input with base64.
    #[arg(long, value_name = "BASE64|@FILE|-")]
    pub(crate) ciphertext: Option<CiphertextArgument>,
    /// The ciphertext blob as bytes; - for standard input.
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

impl CiphertextArguments {
    /// The file that it comes from.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.ciphertext {
            Some(CiphertextArgument::File(path)) => Some(path),
            _ => self.input.as_deref(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EncryptArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    /// Take the time from an NSM rather than from the system; inside an enclave the system's is the parent's.
    #[arg(long, value_enum)]
    pub(crate) nsm: Option<NsmSource>,
    #[command(flatten)]
    pub(crate) key: KeyArguments,
    /// The algorithm by which the key encrypts.
    #[arg(long, value_enum, default_value_t = Algorithm::SymmetricDefault)]
    pub(crate) encryption_algorithm: Algorithm,
    /// The plaintext as bytes, 1 to 4096 of them; - for standard input. There is no option that takes it as a word:
    /// other users of the machine see those.
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Write the ciphertext blob to this new file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateDataKeyArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(flatten)]
    pub(crate) nsm: NsmArguments,
    #[command(flatten)]
    pub(crate) key: KeyArguments,
    /// The kind of key.
    #[arg(long, value_enum, conflicts_with = "number_of_bytes")]
    pub(crate) key_spec: Option<KeySpec>,
    /// The key's length instead, 1 to 1024.
    #[arg(long, value_name = "N")]
    pub(crate) number_of_bytes: Option<usize>,
    /// Write the plaintext key to this new file, which only its owner can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateRandomArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(flatten)]
    pub(crate) nsm: NsmArguments,
    /// How many bytes, 1 to 1024.
    #[arg(long, value_name = "N")]
    pub(crate) number_of_bytes: usize,
    /// Write the bytes to this new file, which only its owner can read, instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenRecipientArguments {
    /// The RSA private key (PEM, PKCS#8 or PKCS#1, not encrypted); - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The CiphertextForRecipient: bytes or base64; - for standard input.
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: PathBuf,
}

/// Which KMS, how to reach it, and as whom.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArguments {
    /// The region of KMS; that of --key-arn unless said.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Another endpoint than the region's public one: https://host or https://host:port. Its certificate must be under
    /// Amazon's roots, or under those of --ca.
    #[arg(long, value_name = "URL", conflicts_with = "fips")]
    pub(crate) endpoint: Option<HttpsUrl>,
    /// The region's endpoint that is validated under FIPS 140.
    #[arg(long)]
    pub(crate) fips: bool,
    /// What relays to the endpoint: vsock:3:8000, tcp:host:port or unix:/path. TLS goes through it. Without it, the
    /// endpoint is connected to over TCP.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) via: Option<Addr>,
    /// Credentials instead of those in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: an AWS credentials
    /// file, or what a credential_process prints; - for standard input. Nobody but its owner may be able to read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// The profile of the credentials file; "default" unless said.
    #[arg(long, value_name = "NAME", requires = "credentials")]
    pub(crate) profile: Option<String>,
}

/// Which key, and what goes with it.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The key's ARN. A reply about any other key is refused.
    #[arg(long, value_name = "ARN")]
    pub(crate) key_arn: KeyArn,
    /// A pair of the encryption context; may be given more than once. Not secret: KMS logs it.
    #[arg(long = "encryption-context", value_name = "NAME=VALUE")]
    pub(crate) encryption_context: Vec<ContextPair>,
    /// A token of a grant that KMS may not know everywhere yet; may be given up to 10 times. Not secret.
    #[arg(long = "grant-token", value_name = "TOKEN")]
    pub(crate) grant_tokens: Vec<String>,
}

/// What attests.
#[derive(Debug, Args)]
pub(crate) struct NsmArguments {
    /// What makes the attestation document.
    #[arg(long, value_enum, default_value_t = NsmSource::Device)]
    pub(crate) nsm: NsmSource,
    /// What the simulated NSM signs with (an encoded nsm_attest::sim::Authority); a fresh one unless said.
    #[cfg(feature = "sim")]
    #[arg(long, value_name = "FILE")]
    pub(crate) simulated_authority: Option<PathBuf>,
}

impl NsmArguments {
    /// The file of the simulated authority.
    pub(crate) fn authority(&self) -> Option<&Path> {
        #[cfg(feature = "sim")]
        return self.simulated_authority.as_deref();
        #[cfg(not(feature = "sim"))]
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NsmSource {
    /// The Nitro Secure Module of the enclave this runs in: /dev/nsm.
    Device,
    /// A simulated one, whose documents only a simulated KMS believes. It protects nothing.
    #[cfg(feature = "sim")]
    Simulated,
}

/// [`EncryptionAlgorithm`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    #[value(name = "RSAES_OAEP_SHA_1")]
    RsaesOaepSha1,
    #[value(name = "RSAES_OAEP_SHA_256")]
    RsaesOaepSha256,
    #[value(name = "SYMMETRIC_DEFAULT")]
    SymmetricDefault,
}

impl From<Algorithm> for EncryptionAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RsaesOaepSha1 => Self::RsaesOaepSha1,
            Algorithm::RsaesOaepSha256 => Self::RsaesOaepSha256,
            Algorithm::SymmetricDefault => Self::SymmetricDefault,
        }
    }
}

/// [`DataKeySpec`] on the command line; `kmstool-enclave-cli` spells it with a hyphen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeySpec {
    #[value(name = "AES_128", alias = "AES-128")]
    Aes128,
    #[value(name = "AES_256", alias = "AES-256")]
    Aes256,
}

impl From<KeySpec> for DataKeySpec {
    fn from(spec: KeySpec) -> Self {
        match spec {
            KeySpec::Aes128 => Self::Aes128,
            KeySpec::Aes256 => Self::Aes256,
        }
    }
}

/// Where a ciphertext blob in base64 is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CiphertextArgument {
    /// Here.
    Base64(String),
    /// In a file; `-` is standard input.
    File(PathBuf),
}

impl FromStr for CiphertextArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix('@')) {
            ("", _) | (_, Some("")) => Err("expected base64, @FILE or -"),
            ("-", _) => Ok(Self::File(text.into())),
            (_, Some(path)) => Ok(Self::File(path.into())),
            (base64, None) => Ok(Self::Base64(base64.to_owned())),
        }
    }
}

/// `NAME=VALUE` of an encryption context. The first `=` ends the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextPair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for ContextPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("expected NAME=VALUE, with a name"),
        }
    }
}

const RESULTS: &str = "Prints PLAINTEXT: and CIPHERTEXT: lines in base64, as kmstool-enclave-cli does.\nExit codes: 0 \
                       done, 1 refused by KMS, or a reply that is refused, 2 malformed input, 3 unreadable or \
                       unreachable, 64 usage";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_end_their_name_at_the_first_equals_sign() {
        let parsed = |text: &str| text.parse::<ContextPair>().map(|pair| (pair.name, pair.value));
        let expect = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parsed("purpose=record-v1"), expect("purpose", "record-v1"));
        assert_eq!(parsed("a=b=c"), expect("a", "b=c"));
        assert_eq!(parsed("a="), expect("a", ""));
        for bad in ["", "=", "=a", "a"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ciphertexts_are_base64_or_name_a_file() {
        let file = |path: &str| Ok(CiphertextArgument::File(path.into()));
        assert_eq!("@a/b".parse(), file("a/b"));
        assert_eq!("-".parse(), file("-"));
        assert_eq!("@@".parse(), file("@"));
        assert_eq!("AQID".parse(), Ok(CiphertextArgument::Base64("AQID".to_owned())));
        for bad in ["", "@"] {
            assert!(bad.parse::<CiphertextArgument>().is_err(), "{bad}");
        }
    }
}
