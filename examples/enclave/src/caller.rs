//! Who asks for a key to be used.

use std::fmt;

use signer_protocol::record::SpkiDigest;

use crate::error::ServiceError;

/// Who asks for a signature or a description, as the port knows it on which the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The parent, and with it whoever it speaks for.
    Parent,
    /// The client of a session, by SHA-256 of its subject public key info.
    Session(SpkiDigest),
}

impl Caller {
    /// Refuses a caller that `callers`, those of a record, do not name. A record that names none is the parent's.
    pub(crate) fn check(self, callers: &[SpkiDigest]) -> Result<(), ServiceError> {
        let is_named = match self {
            Self::Parent => callers.is_empty(),
            Self::Session(identity) => callers.contains(&identity),
        };
        if is_named { Ok(()) } else { Err(ServiceError::NotCaller { caller: self, callers: callers.len() }) }
    }

    /// What limits over time count a caller by.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Parent => b"parent",
            Self::Session(identity) => identity.as_bytes(),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => f.write_str("the parent"),
            Self::Session(identity) => identity.fmt(f),
        }
    }
}
