//! [`PooledRecipient`]: one key pair with its document.

use std::fmt;
use std::ops::RangeInclusive;

use nsm_attest::{PcrIndex, PcrValue, UnverifiedDocument};

use crate::action::{Recipient, to_base64};
use crate::cms::EnvelopedData;
use crate::error::Error;
use crate::plaintext::Plaintext;
use crate::recipient::{OpensOnce, RecipientKeyPair};

/// A key pair and the document that vouches for it, as requests carry it.
pub(crate) struct PooledRecipient {
    key: OpensOnce,
    /// In base64, since that is what every request needs.
    document: String,
    image: Option<PcrValue>,
}

impl PooledRecipient {
    pub(super) fn new(pair: RecipientKeyPair, document: &[u8]) -> Self {
        // A document that this crate cannot read may still be one that KMS accepts: there is less to say then if not.
        let image = UnverifiedDocument::from_bytes(document)
            .ok()
            .and_then(|document| document.unverified().pcrs.get(PcrIndex::IMAGE).copied());
        Self { key: OpensOnce::new(pair), document: to_base64(document), image }
    }

    /// What a request says of this recipient.
    pub(crate) fn as_field(&self) -> Recipient<'_> {
        Recipient::new(&self.document)
    }

    /// PCR0 in the document: what a key policy's condition is compared with.
    pub(crate) fn image(&self) -> Option<PcrValue> {
        self.image
    }

    /// Opens an envelope, unless it was opened before.
    pub(crate) fn open(&self, envelope: &EnvelopedData, len: &RangeInclusive<usize>) -> Result<Plaintext, Error> {
        self.key.open(envelope, len)
    }
}

impl fmt::Debug for PooledRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledRecipient").field("image", &self.image).finish_non_exhaustive()
    }
}
