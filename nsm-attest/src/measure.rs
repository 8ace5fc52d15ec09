//! PCR arithmetic: what a register will hold, computed before an enclave runs.
//!
//! Each of the platform's own registers starts as 48 zero bytes and is extended once, with the SHA-384 digest of what
//! it measures, or with a text itself in the case of PCR3 and PCR4.

use aws_lc_rs::digest::{self, Context, SHA384};

use crate::pcr::PcrValue;

/// SHA-384 of `value` followed by `data`: what `ExtendPCR` leaves in a register that held `value`.
///
/// ```
/// use nsm_attest::{PcrValue, measure};
///
/// let configured = measure::extend(&PcrValue::ZERO, b"a configuration read at boot");
/// assert_ne!(measure::extend(&configured, b"more"), configured);
/// ```
#[must_use]
pub fn extend(value: &PcrValue, data: &[u8]) -> PcrValue {
    let mut context = Context::new(&SHA384);
    context.update(value.as_bytes());
    context.update(data);
    to_value(&context.finish())
}

/// The registers that measure an enclave image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageMeasurements {
    /// PCR0: kernel, command line and all ramdisks.
    pub image: PcrValue,
    /// PCR1: kernel, command line and the first ramdisk.
    pub kernel: PcrValue,
    /// PCR2: the ramdisks after the first.
    pub application: PcrValue,
}

/// PCR0, PCR1 and PCR2 of an image, from its sections as they stand in the file.
///
/// ```
/// use nsm_attest::measure;
///
/// let pcrs = measure::image(b"kernel", b"console=ttyS0", &[b"init", b"application"]);
/// assert_ne!(pcrs.image, pcrs.kernel);
/// ```
#[must_use]
pub fn image(kernel: &[u8], command_line: &[u8], ramdisks: &[&[u8]]) -> ImageMeasurements {
    let (first, others) = ramdisks.split_at(ramdisks.len().min(1));
    ImageMeasurements {
        image: extend_zero_with_digest([kernel, command_line].into_iter().chain(ramdisks.iter().copied())),
        kernel: extend_zero_with_digest([kernel, command_line].into_iter().chain(first.iter().copied())),
        application: extend_zero_with_digest(others.iter().copied()),
    }
}

/// PCR3: the IAM role of the parent instance, as its ARN.
///
/// ```
/// use nsm_attest::{PcrIndex, Policy, measure};
///
/// let policy = Policy::builder()
///     .pcr(PcrIndex::ROLE, [measure::role("arn:aws:iam::111122223333:role/signer")])
///     .build();
/// # let _ = policy;
/// ```
#[must_use]
pub fn role(role_arn: &str) -> PcrValue {
    extend(&PcrValue::ZERO, role_arn.as_bytes())
}

/// PCR4: the parent instance, as its id.
///
/// ```
/// use nsm_attest::measure;
///
/// assert_ne!(measure::instance("i-0123456789abcdef0"), measure::instance("i-0123456789abcdef1"));
/// ```
#[must_use]
pub fn instance(instance_id: &str) -> PcrValue {
    extend(&PcrValue::ZERO, instance_id.as_bytes())
}

/// PCR8: the certificate that signed the image, in DER.
///
/// ```
/// use nsm_attest::measure;
///
/// assert_ne!(measure::signer(b"one certificate"), measure::signer(b"another"));
/// ```
#[must_use]
pub fn signer(certificate_der: &[u8]) -> PcrValue {
    extend_zero_with_digest([certificate_der])
}

pub(crate) fn extend_zero_with_digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> PcrValue {
    let mut context = Context::new(&SHA384);
    parts.into_iter().for_each(|part| context.update(part));
    extend(&PcrValue::ZERO, context.finish().as_ref())
}

fn to_value(digest: &digest::Digest) -> PcrValue {
    let mut value = [0; 48];
    value.copy_from_slice(digest.as_ref());
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha384(data: &[u8]) -> Vec<u8> {
        digest::digest(&SHA384, data).as_ref().to_vec()
    }

    #[test]
    fn image_registers_cover_their_sections() {
        let pcrs = image(b"k", b"c", &[b"one", b"two", b"three"]);
        let expected = |content: &[u8]| sha384(&[&[0; 48], sha384(content).as_slice()].concat());
        assert_eq!(pcrs.image.as_bytes(), expected(b"kconetwothree"));
        assert_eq!(pcrs.kernel.as_bytes(), expected(b"kcone"));
        assert_eq!(pcrs.application.as_bytes(), expected(b"twothree"));
        assert_eq!(image(b"k", b"c", &[]).application.as_bytes(), expected(b""));
    }

    #[test]
    fn role_and_instance_extend_with_the_text_itself() {
        let id = "i-0123456789abcdef0";
        assert_eq!(instance(id).as_bytes(), sha384(&[&[0; 48], id.as_bytes()].concat()));
        let arn = "arn:aws:iam::123456789012:role/signer";
        assert_eq!(role(arn).as_bytes(), sha384(&[&[0; 48], arn.as_bytes()].concat()));
    }

    #[test]
    fn signer_extends_with_the_certificate_digest() {
        assert_eq!(signer(b"der").as_bytes(), sha384(&[&[0; 48], sha384(b"der").as_slice()].concat()));
    }
}
