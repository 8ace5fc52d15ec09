// The README's examples are whole programs, and one of them needs the simulator: without it they are not doctests.
#![cfg_attr(any(feature = "sim", not(doctest)), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod action;
mod channel;
mod client;
pub mod cms;
mod connections;
mod credentials;
mod deadline;
mod endpoint;
mod error;
mod json_object;
mod key_arn;
mod key_id;
mod plaintext;
mod planted;
mod pool;
mod recipient;
mod retry;
mod service_error;
mod sigv4;
mod skew;
mod tls;
mod transport;

#[cfg(feature = "sim")]
pub mod sim;

pub use crate::action::{
    DataKey, DataKeyPair, DataKeyPairSpec, DataKeySpec, DecryptRequest, Decrypted, DeriveSharedSecretRequest,
    EncryptRequest, Encrypted, EncryptionAlgorithm, EncryptionContext, GenerateDataKeyPairRequest,
    GenerateDataKeyRequest, GenerateRandomRequest, SharedSecret,
};
pub use crate::client::{BuildError, KmsClient, KmsClientBuilder};
pub use crate::credentials::{Credentials, CredentialsError, ProvideCredentials};
pub use crate::endpoint::{Endpoint, InvalidEndpoint};
pub use crate::error::{Error, LocalFailure, MalformedReply, RequestLimit};
pub use crate::key_arn::{KeyArn, KeyArnError};
pub use crate::key_id::{KeyId, KeyIdError};
pub use crate::plaintext::Plaintext;
pub use crate::pool::{InvalidPoolOption, PoolStats, RecipientPool, RecipientPoolBuilder};
pub use crate::recipient::{RecipientKeyPair, RecipientKeyRejected};
pub use crate::retry::RetryPolicy;
pub use crate::service_error::{ServiceError, ServiceErrorCode};
pub use crate::tls::{InvalidRoot, TlsRoots};
pub use crate::transport::{BoxFuture, ByteStream, TcpTransport, Transport};
