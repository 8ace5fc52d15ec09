//! Where callers open sessions, and who may.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signer_protocol::record::SpkiDigest;
use vsock_rpc::session::AllowedClients;
use vsock_rpc::{Addr, PeerIdentity};

use super::ConfigurationError;

/// The port on which callers open sessions that end in the enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionConfiguration {
    /// Where the enclave listens; another address than the parent's port.
    pub port: Addr,
    /// Who gets a session and evidence at all. Which key a client may have described or sign with is said by each key's
    /// record.
    pub clients: SessionClients,
}

impl SessionConfiguration {
    pub(super) fn check(&self, parent_port: &Addr) -> Result<(), ConfigurationError> {
        if self.port == *parent_port {
            return Err(ConfigurationError::PortTwice { port: self.port.clone() });
        }
        match &self.clients {
            SessionClients::Any => Ok(()),
            SessionClients::Only(clients) => check_clients(clients),
        }
    }
}

/// Who gets a session: in JSON `"any"`, or a list of 1 to 1024 identities, each once, in 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionClients {
    /// Whoever has a key, and keys cost nothing. Records still say who may have them described, or sign.
    Any,
    /// Those whose subject public key info has one of these SHA-256 digests.
    Only(Vec<SpkiDigest>),
}

impl SessionClients {
    pub(crate) fn allowed(&self) -> AllowedClients {
        match self {
            Self::Any => AllowedClients::any(),
            Self::Only(clients) => {
                AllowedClients::only(clients.iter().map(|client| PeerIdentity::from_bytes(*client.as_bytes())))
            }
        }
    }
}

impl Serialize for SessionClients {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str(ANY),
            Self::Only(clients) => clients.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SessionClients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClientsVisitor)
    }
}

struct ClientsVisitor;

impl<'de> Visitor<'de> for ClientsVisitor {
    type Value = SessionClients;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sessions.clients: \"any\", or a list of 1 to {MAX_CLIENTS} identities")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SessionClients, E> {
        if text == ANY {
            Ok(SessionClients::Any)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<SessionClients, A::Error> {
        let mut clients = Vec::new();
        while let Some(client) = entries.next_element()? {
            clients.push(client);
        }
        Ok(SessionClients::Only(clients))
    }
}

fn check_clients(clients: &[SpkiDigest]) -> Result<(), ConfigurationError> {
    let actual = clients.len();
    if !(1..=MAX_CLIENTS).contains(&actual) {
        return Err(ConfigurationError::SessionClientCount { actual, max: MAX_CLIENTS });
    }
    let mut sorted = clients.to_vec();
    sorted.sort_unstable();
    let repeated = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    repeated.map_or(Ok(()), |pair| Err(ConfigurationError::RepeatedClient { client: pair[0] }))
}

const ANY: &str = "any";

/// What 64 KiB of configuration could not exceed anyway.
const MAX_CLIENTS: usize = 1024;
