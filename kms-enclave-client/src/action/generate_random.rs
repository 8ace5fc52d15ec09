//! GenerateRandom.

use serde::Serialize;

use super::{Recipient, RecipientAction, Reply, Sealed, check_number_of_bytes};
use crate::client::KmsClient;
use crate::error::Error;
use crate::key_id::PermittedKeys;
use crate::plaintext::Plaintext;

/// How many random bytes to draw.
#[derive(Clone, Copy, Debug)]
pub struct GenerateRandomRequest {
    number_of_bytes: usize,
}

impl GenerateRandomRequest {
    /// `number_of_bytes` random bytes: 1 to 1024.
    #[must_use]
    pub fn new(number_of_bytes: usize) -> Self {
        Self { number_of_bytes }
    }
}

impl KmsClient {
    /// Draws random bytes in KMS. They are encrypted to a key of this enclave and opened here.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{Error, GenerateRandomRequest, KmsClient};
    /// # async fn example(client: &KmsClient) -> Result<(), Error> {
    /// let drawn = client.generate_random(GenerateRandomRequest::new(32)).await?;
    /// assert_eq!(drawn.as_bytes().len(), 32);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// No key has a part in it, hence no key policy: that it is this enclave that asks can only be a condition of the
    /// principal's identity policy.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub async fn generate_random(&self, request: GenerateRandomRequest) -> Result<Plaintext, Error> {
        self.perform(&request).await
    }
}

impl RecipientAction for GenerateRandomRequest {
    const NAME: &'static str = "GenerateRandom";
    type Answer = Plaintext;

    fn check(&self, _: &PermittedKeys) -> Result<(), Error> {
        check_number_of_bytes(self.number_of_bytes)
    }

    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a {
        Body { number_of_bytes: self.number_of_bytes, recipient }
    }

    fn read(&self, reply: Reply, _: &PermittedKeys) -> Result<Sealed<Plaintext>, Error> {
        Ok(Sealed::new(reply.envelope()?, self.number_of_bytes..=self.number_of_bytes, Ok))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    number_of_bytes: usize,
    recipient: Recipient<'a>,
}
