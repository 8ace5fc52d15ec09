//! One certificate: what is checked of it, wherever it stands and because of where it stands.

use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints};
use x509_cert::name::Name;

use crate::error::{ChainPosition, Error, Malformed, Rejection};
use crate::time::UnixTime;

/// One certificate of the path and where it stands.
pub(super) struct Link {
    position: ChainPosition,
    certificate: Certificate,
}

impl Link {
    pub(super) fn from_der(position: ChainPosition, der: &[u8]) -> Result<Self, Malformed> {
        let certificate = Certificate::from_der(der).map_err(|_| Malformed::Certificate { position })?;
        let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], Vec::as_slice);
        let is_repeated = |(index, extension): (usize, &Extension)| {
            extensions[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id)
        };
        // Which of the two would hold is nowhere defined (RFC 5280 §4.2).
        if extensions.iter().enumerate().any(is_repeated) {
            return Err(Malformed::Certificate { position });
        }
        Ok(Self { position, certificate })
    }

    /// What every certificate is held against, wherever it stands.
    pub(super) fn check(&self, above: &[&Name], now: UnixTime) -> Result<(), Error> {
        self.check_issuer(above)?;
        self.check_validity(now)?;
        self.check_algorithms()?;
        self.check_usage()
    }

    /// The first and the last second.
    pub(super) fn validity(&self) -> (UnixTime, UnixTime) {
        let validity = self.certificate.tbs_certificate().validity();
        let time = |time: x509_cert::time::Time| UnixTime::from_secs(time.to_unix_duration().as_secs());
        (time(validity.not_before), time(validity.not_after))
    }

    fn check_validity(&self, now: UnixTime) -> Result<(), Rejection> {
        let (position, (not_before, not_after)) = (self.position, self.validity());
        // Certificates count in seconds: the last one is valid to its end.
        if now.as_secs() < not_before.as_secs() {
            Err(Rejection::CertificateNotYetValid { position, not_before, now })
        } else if now.as_secs() > not_after.as_secs() {
            Err(Rejection::CertificateExpired { position, not_after, now })
        } else {
            Ok(())
        }
    }

    fn check_algorithms(&self) -> Result<(), Rejection> {
        let tbs = self.certificate.tbs_certificate();
        let key = &tbs.subject_public_key_info().algorithm;
        let curve = key.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        let is_point = |point: &[u8]| point.len() == UNCOMPRESSED_POINT_LEN && point[0] == UNCOMPRESSED_POINT;
        let is_p384 = key.oid == EC_PUBLIC_KEY && curve == Some(SECP384R1) && self.public_key().is_some_and(is_point);
        // webpki holds the outer algorithm against the inner one.
        if is_p384 && self.certificate.signature_algorithm().oid == ECDSA_WITH_SHA384 {
            Ok(())
        } else {
            Err(Rejection::UnsupportedAlgorithm { position: self.position })
        }
    }

    fn check_usage(&self) -> Result<(), Error> {
        let position = self.position;
        if self.extension::<ExtendedKeyUsage>()?.is_some() {
            return Err(Rejection::ExtendedKeyUsage { position }.into());
        }
        let usage = self.extension::<KeyUsage>()?.map(|(_, usage)| usage);
        let (required, is_there) = match position {
            ChainPosition::Cabundle(_) => ("keyCertSign", usage.is_some_and(|usage| usage.key_cert_sign())),
            ChainPosition::EndEntity => ("digitalSignature", usage.is_some_and(|usage| usage.digital_signature())),
        };
        if is_there { Ok(()) } else { Err(Rejection::KeyUsageMissing { position, required }.into()) }
    }

    /// `below` counts the authorities that follow.
    pub(super) fn check_authority(&self, below: usize) -> Result<(), Error> {
        let position = self.position;
        // Critical, as RFC 5280 §4.2.1.9 and AWS's §3.2.3.2 demand of authorities.
        let Some((true, BasicConstraints { ca: true, path_len_constraint })) = self.extension::<BasicConstraints>()?
        else {
            return Err(Rejection::NotAuthority { position }.into());
        };
        match path_len_constraint {
            Some(allowed) if below > usize::from(allowed) => {
                Err(Rejection::PathLenExceeded { position, allowed, actual: below }.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_no_authority(&self) -> Result<(), Error> {
        let constraints = self.extension::<BasicConstraints>()?;
        let is_authority = constraints.is_some_and(|(_, claimed)| claimed.ca || claimed.path_len_constraint.is_some());
        let may_issue = self.extension::<KeyUsage>()?.is_some_and(|(_, usage)| usage.key_cert_sign());
        if is_authority || may_issue { Err(Rejection::EndEntityIsAuthority.into()) } else { Ok(()) }
    }

    /// Holds the issuer against the last of the subjects `above`, and this subject against all of them: with every name
    /// once, webpki has one path to try, so that the number of signature checks is the number of certificates.
    fn check_issuer(&self, above: &[&Name]) -> Result<(), Rejection> {
        let issued_by_last = above.last().is_none_or(|issuer| *issuer == self.certificate.tbs_certificate().issuer());
        if issued_by_last && !above.contains(&self.subject()) {
            Ok(())
        } else {
            Err(Rejection::IssuerMismatch { position: self.position })
        }
    }

    pub(super) fn subject(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    /// An uncompressed point, as [`check`](Self::check) makes sure.
    pub(super) fn public_key(&self) -> Option<&[u8]> {
        self.certificate.tbs_certificate().subject_public_key_info().subject_public_key.as_bytes()
    }

    /// Whether the names below it are restricted, or that cannot be told.
    pub(super) fn may_restrict_names(&self) -> bool {
        !matches!(self.extension::<NameConstraints>(), Ok(None))
    }

    /// An extension and whether it is critical.
    fn extension<'a, T>(&'a self) -> Result<Option<(bool, T)>, Malformed>
    where
        T: Decode<'a> + der::oid::AssociatedOid,
    {
        let malformed = |_| Malformed::Certificate { position: self.position };
        self.certificate.tbs_certificate().get_extension::<T>().map_err(malformed)
    }
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const UNCOMPRESSED_POINT: u8 = 4;
const UNCOMPRESSED_POINT_LEN: usize = 97;
