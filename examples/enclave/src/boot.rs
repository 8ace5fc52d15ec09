//! Before the first request: does everything that signing rests on work?

use std::sync::Arc;
use std::time::Duration;

use chain_signers::{Curve, Registry, SigningKey};
use kms_enclave_client::{KmsClient, TlsRoots, Transport};
use nsm_attest::{Clock, ClockError, Nsm, NsmError, NsmRng, UnixTime};
use thiserror::Error;

use crate::configuration::Configuration;
use crate::service::Service;

/// Starts the service, or says what does not work.
///
/// Checked in this order: the NSM answers with randomness that is not constant; its clock is plausible; a key of every
/// curve signs and verifies. `transport` is the way to KMS; the TLS that runs over it ends in this process and trusts
/// `kms_roots`: in the production binary [`Configuration::kms_tls_roots`], which are Amazon's unless `danger` says otherwise.
///
/// # Errors
/// [`BootError`]; an enclave that does not boot serves nothing.
pub fn boot(
    configuration: Configuration,
    nsm: Arc<dyn Nsm>,
    transport: Arc<dyn Transport>,
    kms_roots: TlsRoots,
) -> Result<Arc<Service>, BootError> {
    test_randomness(&*nsm)?;
    let clock = Clock::from_nsm(&*nsm)?;
    if clock.now() < EARLIEST_PLAUSIBLE_TIME {
        return Err(BootError::ClockImplausible { now: clock.now() });
    }
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        test_curve(curve, &nsm)?;
    }
    let kms = kms_client(&configuration, &nsm, &clock, transport, kms_roots)?;
    let registry = Registry::with_enabled_chains();
    Ok(Arc::new(Service::new(configuration, nsm, clock, kms, registry)))
}

/// Why an enclave does not serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BootError {
    /// The NSM's own document gives no time.
    #[error("boot: the NSM's clock cannot be read: {0}")]
    Clock(#[from] ClockError),
    /// The NSM's time is before this program was written.
    #[error("boot: the NSM's clock says {now}, which cannot be")]
    ClockImplausible {
        /// What it says.
        now: UnixTime,
    },
    /// A curve does not work on this machine.
    #[error("boot: self-test of {curve:?} failed")]
    Curve {
        /// The curve.
        curve: Curve,
    },
    /// The KMS client refuses the configuration.
    #[error("boot: {0}")]
    Kms(#[from] kms_enclave_client::BuildError),
    /// The NSM does not answer.
    #[error("boot: {0}")]
    Nsm(#[from] NsmError),
    /// The NSM's randomness repeats.
    #[error("boot: the NSM's randomness is constant")]
    RandomnessConstant,
}

fn test_randomness(nsm: &dyn Nsm) -> Result<(), BootError> {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    nsm.random(&mut first)?;
    nsm.random(&mut second)?;
    if first == second || first == [0; 32] || second == [0; 32] { Err(BootError::RandomnessConstant) } else { Ok(()) }
}

/// Signs and verifies with a key made for the test.
fn test_curve(curve: Curve, nsm: &Arc<dyn Nsm>) -> Result<(), BootError> {
    let failed = BootError::Curve { curve };
    let Ok(key) = SigningKey::generate(curve, &mut NsmRng::new(Arc::clone(nsm))) else { return Err(failed) };
    key.pairwise_consistency_test().map_err(|_| failed)
}

fn kms_client(
    configuration: &Configuration,
    nsm: &Arc<dyn Nsm>,
    clock: &Clock,
    transport: Arc<dyn Transport>,
    kms_roots: TlsRoots,
) -> Result<KmsClient, BootError> {
    let mut builder = KmsClient::builder()
        .region(&configuration.kms.region)
        .nsm(Arc::clone(nsm))
        .transport(transport)
        .clock(clock.clone())
        .tls_roots(kms_roots)
        .deadline(KMS_DEADLINE);
    for arn in &configuration.kms.key_arns {
        builder = builder.permit_key(arn.clone());
    }
    Ok(builder.build()?)
}

/// 2026-01-01T00:00:00Z: no enclave of this program ran before.
const EARLIEST_PLAUSIBLE_TIME: UnixTime = UnixTime::from_millis(1_767_225_600_000);

/// Longest time one KMS call may take, everything included.
const KMS_DEADLINE: Duration = Duration::from_secs(10);
