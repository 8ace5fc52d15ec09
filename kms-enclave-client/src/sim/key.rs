//! One key: what it is made of, and the ciphertexts made under it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::agreement::{self, ParsedPublicKey, ParsedPublicKeyFormat};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use nsm_attest::UnixTime;
use zeroize::Zeroizing;

use crate::action::EncryptionContext;
use crate::key_arn::KeyArn;
use crate::sim::key_spec::KeySpec;

/// A key without its policy and aliases, which can change while it is in use.
pub(crate) struct Key {
    pub(crate) arn: KeyArn,
    pub(crate) created_at: UnixTime,
    pub(crate) description: String,
    pub(crate) spec: KeySpec,
    material: Material,
}

enum Material {
    Agreement { private: agreement::PrivateKey, public_der: Vec<u8> },
    Rsa { private: OaepPrivateDecryptingKey, public: PublicEncryptingKey, public_der: Vec<u8> },
    Symmetric { secret: Zeroizing<[u8; 32]>, id: String },
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("arn", &self.arn).field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Key {
    /// Makes a key. RSA takes tens to hundreds of milliseconds.
    pub(crate) fn generate(
        arn: KeyArn,
        created_at: UnixTime,
        description: String,
        spec: KeySpec,
    ) -> Result<Self, Unspecified> {
        let material = match spec {
            KeySpec::EccNistP256 => Material::agreement(&agreement::ECDH_P256)?,
            KeySpec::EccNistP384 => Material::agreement(&agreement::ECDH_P384)?,
            KeySpec::EccNistP521 => Material::agreement(&agreement::ECDH_P521)?,
            KeySpec::Rsa2048 => Material::rsa(KeySize::Rsa2048)?,
            KeySpec::Rsa3072 => Material::rsa(KeySize::Rsa3072)?,
            KeySpec::Rsa4096 => Material::rsa(KeySize::Rsa4096)?,
            KeySpec::SymmetricDefault => Material::symmetric()?,
        };
        Ok(Self { arn, created_at, description, spec, material })
    }

    /// The identifier of a symmetric key's material: 64 hex digits.
    pub(crate) fn material_id(&self) -> Option<&str> {
        match &self.material {
            Material::Symmetric { id, .. } => Some(id),
            Material::Agreement { .. } | Material::Rsa { .. } => None,
        }
    }

    /// The public half as `SubjectPublicKeyInfo`, if there is one.
    pub(crate) fn public_key_der(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Agreement { public_der, .. } | Material::Rsa { public_der, .. } => Some(public_der),
            Material::Symmetric { .. } => None,
        }
    }

    /// Makes a symmetric ciphertext blob: header, nonce, AES-256-GCM with header and context as additional data.
    pub(crate) fn encrypt(&self, plaintext: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Unspecified> {
        let header = self.header()?;
        let mut sealed = plaintext.to_vec();
        let nonce = RandomizedNonceKey::new(&AES_256_GCM, self.secret()?)?
            .seal_in_place_append_tag(Aad::from(additional_data(&header, context)), &mut sealed)?;
        Ok([&header, nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens a symmetric blob of this key. The reason of a failure is not told.
    pub(crate) fn decrypt(&self, blob: &[u8], context: &EncryptionContext) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (header, rest) = blob.split_first_chunk::<HEADER_LEN>().ok_or(Unspecified)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
        if *header != self.header()? {
            return Err(Unspecified);
        }
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let len = RandomizedNonceKey::new(&AES_256_GCM, self.secret()?)?
            .open_in_place(Nonce::from(nonce), Aad::from(additional_data(header, context)), &mut buffer)?
            .len();
        buffer.truncate(len);
        Ok(buffer)
    }

    /// Encrypts under the public half of an RSA key.
    pub(crate) fn encrypt_oaep(&self, plaintext: &[u8], algorithm: Oaep) -> Result<Vec<u8>, OaepFailure> {
        let Material::Rsa { public, .. } = &self.material else { return Err(OaepFailure::Failed) };
        let public = OaepPublicEncryptingKey::new(public.clone()).map_err(|_| OaepFailure::Failed)?;
        let max = public.max_plaintext_size(algorithm.parameters());
        if plaintext.len() > max {
            return Err(OaepFailure::TooLong { max });
        }
        let mut ciphertext = vec![0; public.ciphertext_size()];
        let sealed = public.encrypt(algorithm.parameters(), plaintext, &mut ciphertext, None);
        sealed.map_err(|_| OaepFailure::Failed)?;
        Ok(ciphertext)
    }

    /// Decrypts with an RSA key. The reason of a failure is not told.
    pub(crate) fn decrypt_oaep(&self, ciphertext: &[u8], algorithm: Oaep) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let Material::Rsa { private, .. } = &self.material else { return Err(Unspecified) };
        let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
        let len = private.decrypt(algorithm.parameters(), ciphertext, &mut buffer, None)?.len();
        buffer.truncate(len);
        Ok(buffer)
    }

    /// The raw shared secret with a peer, whose `SubjectPublicKeyInfo` must be on the key's own curve.
    pub(crate) fn agree(&self, peer_der: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let Material::Agreement { private, .. } = &self.material else { return Err(Unspecified) };
        let peer = agreement::UnparsedPublicKey::new(private.algorithm(), peer_der);
        let peer = ParsedPublicKey::try_from(peer).map_err(|_| Unspecified)?;
        // The library reads bare points, too.
        if peer.format() != ParsedPublicKeyFormat::X509 {
            return Err(Unspecified);
        }
        agreement::agree(private, peer, Unspecified, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }

    fn secret(&self) -> Result<&[u8], Unspecified> {
        match &self.material {
            Material::Symmetric { secret, .. } => Ok(&**secret),
            Material::Agreement { .. } | Material::Rsa { .. } => Err(Unspecified),
        }
    }

    fn header(&self) -> Result<[u8; HEADER_LEN], Unspecified> {
        let mut header = [0; HEADER_LEN];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..].copy_from_slice(&uuid_bytes(self.arn.key_id()).ok_or(Unspecified)?);
        Ok(header)
    }
}

impl Material {
    fn agreement(algorithm: &'static agreement::Algorithm) -> Result<Self, Unspecified> {
        let private = agreement::PrivateKey::generate(algorithm)?;
        let public_der: PublicKeyX509Der<'_> = private.compute_public_key()?.as_der()?;
        let public_der = public_der.as_ref().to_vec();
        Ok(Self::Agreement { private, public_der })
    }

    fn rsa(size: KeySize) -> Result<Self, Unspecified> {
        let private = PrivateDecryptingKey::generate(size)?;
        let public = private.public_key();
        let public_der = public.as_der()?.as_ref().to_vec();
        Ok(Self::Rsa { private: OaepPrivateDecryptingKey::new(private)?, public, public_der })
    }

    fn symmetric() -> Result<Self, Unspecified> {
        let (mut secret, mut id) = (Zeroizing::new([0; 32]), [0; 32]);
        aws_lc_rs::rand::fill(&mut *secret)?;
        aws_lc_rs::rand::fill(&mut id)?;
        Ok(Self::Symmetric { secret, id: hex::encode(id) })
    }
}

/// The two algorithms of RSA keys for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oaep {
    Sha1,
    Sha256,
}

impl Oaep {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "RSAES_OAEP_SHA_1" => Some(Self::Sha1),
            "RSAES_OAEP_SHA_256" => Some(Self::Sha256),
            _ => None,
        }
    }

    fn parameters(self) -> &'static OaepAlgorithm {
        match self {
            Self::Sha1 => &OAEP_SHA1_MGF1SHA1,
            Self::Sha256 => &OAEP_SHA256_MGF1SHA256,
        }
    }
}

/// Why RSA did not encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OaepFailure {
    Failed,
    TooLong { max: usize },
}

/// The id of the key that a blob says it was made under.
pub(crate) fn key_id_of_blob(blob: &[u8]) -> Option<String> {
    let (header, _) = blob.split_first_chunk::<HEADER_LEN>()?;
    let uuid = header.strip_prefix(&MAGIC)?;
    Some(uuid_text(uuid.try_into().ok()?))
}

/// A fresh version 4 UUID in lower case.
pub(crate) fn new_uuid() -> Result<String, Unspecified> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(uuid_text(bytes))
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let digits = hex::encode(bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    hex::decode(text.replace('-', "")).ok()?.try_into().ok()
}

/// The header and the context, each name and value after its length, so that no two contexts read alike.
fn additional_data(header: &[u8; HEADER_LEN], context: &EncryptionContext) -> Vec<u8> {
    let mut data = header.to_vec();
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        data.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        data.extend(text.as_bytes());
    }
    data
}

/// Marks a blob of the simulator; real blobs are as opaque as this.
const MAGIC: [u8; 4] = [1, 2, 2, 0];
const HEADER_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(spec: KeySpec) -> Key {
        let arn = format!("arn:aws:kms:us-east-1:111122223333:key/{}", new_uuid().unwrap()).parse().unwrap();
        Key::generate(arn, UnixTime::from_secs(1), String::new(), spec).unwrap()
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_blob_opens_under_its_key_and_context_only() {
        let (one, other) = (key(KeySpec::SymmetricDefault), key(KeySpec::SymmetricDefault));
        let bound = context(&[("a", "b"), ("c", "d")]);
        let blob = one.encrypt(b"secret", &bound).unwrap();
        assert_eq!(one.decrypt(&blob, &bound).unwrap().as_slice(), b"secret");
        assert!(other.decrypt(&blob, &bound).is_err());
        for wrong in [context(&[]), context(&[("a", "b")]), context(&[("a", "bc"), ("", "d")])] {
            assert!(one.decrypt(&blob, &wrong).is_err());
        }
        for index in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[index] ^= 1;
            assert!(one.decrypt(&damaged, &bound).is_err(), "byte {index}");
        }
        assert_eq!(key_id_of_blob(&blob).as_deref(), Some(one.arn.key_id()));
        assert_eq!(key_id_of_blob(&blob[..10]), None);
    }

    #[test]
    fn keys_of_another_kind_neither_encrypt_nor_agree() {
        let (symmetric, curve) = (key(KeySpec::SymmetricDefault), key(KeySpec::EccNistP256));
        let none = context(&[]);
        assert!(curve.encrypt(b"x", &none).is_err() && curve.decrypt(&[0; 64], &none).is_err());
        assert_eq!(curve.encrypt_oaep(b"x", Oaep::Sha256), Err(OaepFailure::Failed));
        assert!(symmetric.agree(curve.public_key_der().unwrap()).is_err());
        assert_eq!((symmetric.public_key_der(), curve.material_id()), (None, None));
    }

    #[test]
    fn two_keys_agree_on_their_own_curve_only_and_not_about_bare_points() {
        for (spec, len) in [(KeySpec::EccNistP256, 32), (KeySpec::EccNistP384, 48), (KeySpec::EccNistP521, 66)] {
            let (one, other) = (key(spec), key(spec));
            let secret = one.agree(other.public_key_der().unwrap()).unwrap();
            assert_eq!(secret, other.agree(one.public_key_der().unwrap()).unwrap());
            assert_eq!(secret.len(), len);
            let point = &other.public_key_der().unwrap()[other.public_key_der().unwrap().len() - 2 * len - 1..];
            assert!(point[0] == 4 && one.agree(point).is_err(), "{spec}");
        }
        let (p256, p384) = (key(KeySpec::EccNistP256), key(KeySpec::EccNistP384));
        assert!(p256.agree(p384.public_key_der().unwrap()).is_err());
    }

    #[test]
    fn debug_shows_no_material() {
        let key = key(KeySpec::SymmetricDefault);
        let text = format!("{key:?}");
        let secret = hex::encode(key.secret().unwrap());
        assert!(text.starts_with("Key { arn: ") && !text.contains(&secret) && !text.contains("material"), "{text}");
    }
}
