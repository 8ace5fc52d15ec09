//! [`KeySpec`] and [`KeyUsage`]: the kinds of keys that the simulator makes.

use std::fmt;

/// What a key is made of, and so what it can do.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySpec {
    /// NIST P-256, for key agreement.
    EccNistP256,
    /// NIST P-384, for key agreement.
    EccNistP384,
    /// NIST P-521, for key agreement.
    EccNistP521,
    /// RSA of 2048 bits, for encryption.
    Rsa2048,
    /// RSA of 3072 bits, for encryption.
    Rsa3072,
    /// RSA of 4096 bits, for encryption.
    Rsa4096,
    /// AES-256-GCM, for encryption and data keys.
    #[default]
    SymmetricDefault,
}

impl KeySpec {
    /// As KMS spells it, for example `RSA_2048`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EccNistP256 => "ECC_NIST_P256",
            Self::EccNistP384 => "ECC_NIST_P384",
            Self::EccNistP521 => "ECC_NIST_P521",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
        }
    }

    /// The one that KMS spells so, if the simulator makes it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.as_str() == name)
    }

    /// Whether there is a public half.
    pub(crate) const fn is_asymmetric(self) -> bool {
        !matches!(self, Self::SymmetricDefault)
    }

    /// The usage that the simulator implements for it.
    pub(crate) const fn usage(self) -> KeyUsage {
        match self {
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 => KeyUsage::KeyAgreement,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::SymmetricDefault => KeyUsage::EncryptDecrypt,
        }
    }

    /// The `EncryptionAlgorithms` of such a key.
    pub(crate) const fn encryption_algorithms(self) -> &'static [&'static str] {
        match self {
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 => &[],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
            Self::SymmetricDefault => &["SYMMETRIC_DEFAULT"],
        }
    }

    /// The `KeyAgreementAlgorithms` of such a key.
    pub(crate) const fn key_agreement_algorithms(self) -> &'static [&'static str] {
        match self.usage() {
            KeyUsage::EncryptDecrypt => &[],
            KeyUsage::KeyAgreement => &["ECDH"],
        }
    }

    const ALL: [Self; 7] = [
        Self::EccNistP256,
        Self::EccNistP384,
        Self::EccNistP521,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::SymmetricDefault,
    ];
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key is for. It is chosen when the key is made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsage {
    /// Encrypt, Decrypt and, with symmetric keys, data keys.
    EncryptDecrypt,
    /// DeriveSharedSecret.
    KeyAgreement,
}

impl KeyUsage {
    /// As KMS spells it: `ENCRYPT_DECRYPT` or `KEY_AGREEMENT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
            Self::KeyAgreement => "KEY_AGREEMENT",
        }
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
