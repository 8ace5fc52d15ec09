//! The simulator's certificate authorities and the certificates they issue.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, DnValue, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PublicKeyData, SerialNumber, string::PrintableString,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use super::defect::Defect;
use super::key::SimulatedKey;
use super::{SIMULATION_MARKER, SimError};
use crate::anchor::TrustAnchor;
use crate::time::UnixTime;

/// A root of its own and, below it, a regional, a zonal and an instance authority, as Nitro has them. Clones share it.
///
/// **Simulation only**: it holds all private keys, in memory like any others. Never put its trust anchor into a
/// verifier that protects something.
///
/// ```
/// use nsm_attest::UnixTime;
/// use nsm_attest::sim::Authority;
///
/// let authority = Authority::generate(UnixTime::from_secs(1_700_000_000))?;
/// let in_another_process = Authority::from_bytes(&authority.to_bytes())?;
/// assert_eq!(in_another_process.trust_anchor(), authority.trust_anchor());
/// # Ok::<(), nsm_attest::sim::SimError>(())
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Keys>);

struct Keys {
    /// All of it, encoded.
    stored: Zeroizing<Vec<u8>>,
    trust_anchor: TrustAnchor,
    root_certificate: Vec<u8>,
    /// Root, regional, zonal, instance.
    keys: [SimulatedKey; AUTHORITIES],
}

impl Authority {
    /// Makes the keys, and a root certificate valid from a day before `now` for 30 years. The other certificates are
    /// issued when a simulated enclave needs them.
    ///
    /// # Errors
    /// [`SimError`] if the cryptographic library fails or `now` is not a time that certificates can express.
    pub fn generate(now: UnixTime) -> Result<Self, SimError> {
        let keys = [(); AUTHORITIES].map(|()| SimulatedKey::generate());
        let [root, regional, zonal, instance] = keys;
        let root = root?;
        let root_certificate = self_signed_root(&root, now)?;
        Self::new(root_certificate, [root, regional?, zonal?, instance?])
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`SimError::Authority`] if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SimError> {
        if bytes.len() > MAX_STORED_LEN {
            return Err(SimError::Authority);
        }
        let mut stored: Stored = serde_cbor::from_slice(bytes).map_err(|_| SimError::Authority)?;
        let keys = stored.keys.each_ref().map(|pkcs8| SimulatedKey::from_pkcs8(pkcs8));
        stored.keys.iter_mut().for_each(|pkcs8| pkcs8.zeroize());
        if stored.kind != STORED_KIND {
            return Err(SimError::Authority);
        }
        let [root, regional, zonal, instance] = keys;
        Self::new(stored.root_certificate.into_vec(), [root?, regional?, zonal?, instance?])
    }

    fn new(root_certificate: Vec<u8>, keys: [SimulatedKey; AUTHORITIES]) -> Result<Self, SimError> {
        let trust_anchor = TrustAnchor::from_der(&root_certificate).map_err(|_| SimError::Authority)?;
        let stored = encode(&root_certificate, &keys)?;
        Ok(Self(Arc::new(Keys { stored, trust_anchor, root_certificate, keys })))
    }

    /// The whole authority, so that another process can use it.
    ///
    /// # Security
    /// These are its private keys.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.stored.clone()
    }

    /// What verifiers of this simulation trust.
    #[must_use]
    pub fn trust_anchor(&self) -> TrustAnchor {
        self.0.trust_anchor
    }

    /// The root certificate in DER.
    #[must_use]
    pub fn root_certificate(&self) -> &[u8] {
        &self.0.root_certificate
    }

    /// Issues certificates for `end_entity` and for the authorities above it, as of `now`.
    pub(super) fn issue(
        &self,
        names: &Names<'_>,
        end_entity: &SimulatedKey,
        now: UnixTime,
        defect: Option<Defect>,
    ) -> Result<Chain, SimError> {
        let mut plan = plan(names, now)?;
        if let Some(defect) = defect {
            defect.spoil_plan(&mut plan, now)?;
        }
        let other_curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut issuer_params = &authority_params(root_name()?, None, &[]);
        let other_root = match defect {
            Some(Defect::OtherRoot) => Some(SimulatedKey::generate()?),
            _ => None,
        };
        let mut certificates = vec![match &other_root {
            Some(key) => self_signed_root(key, now)?,
            None => self.0.root_certificate.clone(),
        }];
        for (index, params) in plan.iter().enumerate() {
            let key = other_root.as_ref().filter(|_| index == 0).unwrap_or(&self.0.keys[index]);
            let issuer = Issuer::from_params(issuer_params, key);
            let subject: &dyn PublicKeyData = match (self.0.keys.get(index + 1), defect) {
                (Some(authority), _) => authority,
                (None, Some(Defect::OtherCurve)) => &other_curve,
                (None, _) => end_entity,
            };
            certificates.push(params.signed_by(&subject, &issuer)?.der().to_vec());
            issuer_params = params;
        }
        let certificate = certificates.pop().ok_or(SimError::Certificate)?;
        let mut chain = Chain { cabundle: certificates, certificate };
        if let Some(defect) = defect {
            defect.spoil_chain(&mut chain);
        }
        Ok(chain)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("trust_anchor", &self.trust_anchor()).finish_non_exhaustive()
    }
}

/// What an enclave is called in its certificates.
pub(super) struct Names<'a> {
    pub(super) instance_id: &'a str,
    pub(super) module_id: &'a str,
}

/// The certificates of a document.
pub(super) struct Chain {
    pub(super) cabundle: Vec<Vec<u8>>,
    pub(super) certificate: Vec<u8>,
}

/// Regional, zonal, instance and end-entity certificates, before anything is signed.
pub(super) type Plan = [CertificateParams; AUTHORITIES];

/// How long an end-entity certificate is valid.
pub(super) const END_ENTITY_VALIDITY: Duration = Duration::from_secs(3 * 60 * 60);

fn plan(names: &Names<'_>, now: UnixTime) -> Result<Plan, SimError> {
    let signature = [KeyUsagePurpose::DigitalSignature];
    let regional_name = format!("0123456789abcdef.{REGION}.aws.nitro-enclaves");
    let mut regional = authority_params(aws_name(&regional_name, None)?, Some(2), &signature);
    set_validity(&mut regional, now.saturating_sub(DAY), 20 * DAY)?;
    add_issuer_details(&mut regional);

    let zonal_name = format!("fedcba9876543210.zonal.{REGION}.aws.nitro-enclaves");
    let mut zonal = authority_params(aws_name(&zonal_name, Some("WA"))?, Some(1), &signature);
    set_validity(&mut zonal, now.saturating_sub(HOUR), 6 * DAY)?;
    add_issuer_details(&mut zonal);

    let instance_name = format!("{}.{REGION}.aws.nitro-enclaves", names.instance_id);
    let mut instance = authority_params(aws_name(&instance_name, Some("Washington"))?, Some(0), &[]);
    set_validity(&mut instance, now.saturating_sub(HOUR), DAY)?;

    let mut end_entity = CertificateParams::default();
    end_entity.distinguished_name = aws_name(&format!("{}.{REGION}.aws", names.module_id), Some("Washington"))?;
    end_entity.is_ca = IsCa::ExplicitNoCa;
    end_entity.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    set_validity(&mut end_entity, now, END_ENTITY_VALIDITY)?;

    let mut plan = [regional, zonal, instance, end_entity];
    for params in &mut plan {
        params.serial_number = Some(serial_number()?);
    }
    Ok(plan)
}

fn self_signed_root(key: &SimulatedKey, now: UnixTime) -> Result<Vec<u8>, SimError> {
    let mut params = authority_params(root_name()?, None, &[KeyUsagePurpose::DigitalSignature]);
    params.serial_number = Some(serial_number()?);
    set_validity(&mut params, now.saturating_sub(DAY), 30 * 365 * DAY)?;
    Ok(params.self_signed(key)?.der().to_vec())
}

fn authority_params(name: DistinguishedName, path_len: Option<u8>, usages: &[KeyUsagePurpose]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(path_len.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = [usages, &[KeyUsagePurpose::KeyCertSign]].concat();
    params.key_identifier_method = KeyIdMethod::Sha256;
    params
}

fn add_issuer_details(params: &mut CertificateParams) {
    params.key_usages.push(KeyUsagePurpose::CrlSign);
    params.use_authority_key_identifier_extension = true;
    let uris =
        vec![format!("http://crl-{REGION}-aws-nitro-enclaves.invalid/crl/71c67b58-f2ad-4e2e-864c-0f86ed1c43d2.crl")];
    params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
}

pub(super) fn set_validity(params: &mut CertificateParams, from: UnixTime, length: Duration) -> Result<(), SimError> {
    let time = |time: UnixTime| {
        let seconds = i64::try_from(time.as_secs()).map_err(|_| SimError::Certificate)?;
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| SimError::Certificate)
    };
    params.not_before = time(from)?;
    params.not_after = time(from.saturating_add(length))?;
    Ok(())
}

fn root_name() -> Result<DistinguishedName, SimError> {
    aws_name("aws.nitro-enclaves", None)
}

/// AWS's naming, but for the organisation, which says what this is.
pub(super) fn aws_name(common_name: &str, state: Option<&str>) -> Result<DistinguishedName, SimError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, DnValue::PrintableString(PrintableString::try_from("US")?));
    if let Some(state) = state {
        name.push(DnType::StateOrProvinceName, state);
        name.push(DnType::LocalityName, "Seattle");
    }
    // Whatever issues a certificate holds the marker, and the compiler cannot drop it or take it apart. It is no part of the
    // name: authorities that were stored must stay the issuers of what is issued below them.
    black_box(SIMULATION_MARKER);
    name.push(DnType::OrganizationName, "Simulation");
    name.push(DnType::OrganizationalUnitName, "AWS");
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

fn serial_number() -> Result<SerialNumber, SimError> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)?;
    serial[0] = serial[0] >> 1 | 1; // positive, and not shortened by a leading zero
    Ok(SerialNumber::from_slice(&serial))
}

fn encode(root_certificate: &[u8], keys: &[SimulatedKey; AUTHORITIES]) -> Result<Zeroizing<Vec<u8>>, SimError> {
    let mut stored = Stored {
        kind: STORED_KIND.to_owned(),
        root_certificate: ByteBuf::from(root_certificate),
        keys: keys.each_ref().map(|key| ByteBuf::from(key.pkcs8())),
    };
    // Reserved at once: growing would leave copies of the keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_STORED_LEN));
    let written = serde_cbor::to_writer(&mut *bytes, &stored);
    stored.keys.iter_mut().for_each(|pkcs8| pkcs8.zeroize());
    written.map(|()| bytes).map_err(|_| SimError::Authority)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: String,
    root_certificate: ByteBuf,
    keys: [ByteBuf; AUTHORITIES],
}

const AUTHORITIES: usize = 4;
const REGION: &str = "us-east-1";
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const STORED_KIND: &str = "SIMULATION ONLY: nsm-attest authority v1";
const MAX_STORED_LEN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Authority {
        Authority::generate(UnixTime::from_secs(1_700_000_000)).unwrap()
    }

    #[test]
    fn debug_shows_no_key() {
        let authority = authority();
        let shown = format!("{authority:?}");
        assert!(shown.starts_with("Authority { trust_anchor: TrustAnchor"), "{shown}");
        for key in &authority.0.keys {
            assert_eq!(format!("{key:?}"), "SimulatedKey { .. }");
            assert!(!shown.contains(&hex::encode(&key.pkcs8()[30..])));
        }
    }

    #[test]
    fn stored_bytes_say_what_they_are_and_are_read_strictly() {
        let bytes = authority().to_bytes();
        assert!(bytes.windows(STORED_KIND.len()).any(|window| window == STORED_KIND.as_bytes()));
        for wrong in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), &[], &[0; MAX_STORED_LEN + 1]] {
            assert_eq!(Authority::from_bytes(wrong).map(drop), Err(SimError::Authority));
        }
    }
}
