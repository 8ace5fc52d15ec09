//! What a simulated module is before it boots.

use std::sync::Mutex;

use super::authority::Authority;
use super::key::SimulatedKey;
use super::module::{Register, SimulatedNsm, State};
use super::{Defect, SimError, measurements};
use crate::clock::Clock;
use crate::measure;
use crate::pcr::{PcrIndex, PcrValue, Pcrs};

/// Builds a [`SimulatedNsm`].
#[derive(Clone, Debug)]
pub struct SimulatedNsmBuilder {
    authority: Authority,
    clock: Clock,
    instance_id: String,
    registers: Pcrs,
    defect: Option<Defect>,
    is_unsigned: bool,
}

impl SimulatedNsmBuilder {
    pub(super) fn new(authority: Authority) -> Self {
        let builder = Self {
            authority,
            clock: Clock::system(),
            instance_id: "i-0123456789abcdef0".to_owned(),
            registers: Pcrs::new(),
            defect: None,
            is_unsigned: false,
        };
        builder.measure(b"", b"")
    }

    /// The module's clock, the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes every document wrong in one way.
    #[must_use]
    pub fn defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Zeroes what debug mode zeroes: image, kernel, application and signer.
    #[must_use]
    pub fn debug_mode(self) -> Self {
        [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION, PcrIndex::SIGNER]
            .into_iter()
            .fold(self, |builder, index| builder.pcr(index, PcrValue::ZERO))
    }

    /// The id of the parent instance, which PCR4 measures.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = instance_id.into();
        self
    }

    /// Measures an enclave into PCR0 to PCR2: see [`measurements`](super::measurements). Two empty strings by default.
    #[must_use]
    pub fn measure(self, executable: &[u8], configuration: &[u8]) -> Self {
        let measured = measurements(executable, configuration);
        self.pcr(PcrIndex::IMAGE, measured.image)
            .pcr(PcrIndex::KERNEL, measured.kernel)
            .pcr(PcrIndex::APPLICATION, measured.application)
    }

    /// Sets what a register holds at boot.
    #[must_use]
    pub fn pcr(mut self, index: PcrIndex, value: PcrValue) -> Self {
        self.registers.insert(index, value);
        self
    }

    /// The IAM role of the parent instance, which PCR3 measures. None by default.
    #[must_use]
    pub fn role(self, role_arn: &str) -> Self {
        self.pcr(PcrIndex::ROLE, measure::role(role_arn))
    }

    /// Signs nothing: documents are then as the NSM that QEMU emulates makes them, to the byte.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.is_unsigned = true;
        self
    }

    /// Boots the module: registers 0 to 15 are locked, as the hypervisor leaves them.
    ///
    /// # Errors
    /// [`SimError`] if its key cannot be made.
    pub fn build(mut self) -> Result<SimulatedNsm, SimError> {
        if self.registers.get(PcrIndex::INSTANCE).is_none() {
            self.registers.insert(PcrIndex::INSTANCE, measure::instance(&self.instance_id));
        }
        let mut registers = [Register { value: PcrValue::ZERO, locked: false }; PcrIndex::COUNT as usize];
        for (index, register) in PcrIndex::all().zip(&mut registers) {
            register.locked = index.as_u8() < BOOT_LOCKED;
            register.value = self.registers.get(index).copied().unwrap_or(PcrValue::ZERO);
        }
        let mut unique = [0; 2];
        aws_lc_rs::rand::fill(&mut unique)?;
        let booted = self.clock.now().as_millis();
        Ok(SimulatedNsm {
            module_id: format!("{}-enc{booted:012x}{}", self.instance_id, hex::encode(unique)),
            key: SimulatedKey::generate()?,
            authority: self.authority,
            clock: self.clock,
            instance_id: self.instance_id,
            defect: self.defect,
            is_unsigned: self.is_unsigned,
            state: Mutex::new(State { registers, certificates: None, fault: None }),
        })
    }
}

const BOOT_LOCKED: u8 = 16;
