//! The registers.

use ciborium::Value;
use nsm_attest::Malformed::{DuplicatePcr, PcrCount, PcrIndexOutOfRange, PcrLength, WrongType};
use nsm_attest::Rejection::{DebugMode, PcrMismatch, PcrMissing};
use nsm_attest::{Field, Malformed, PcrIndex, PcrValue, measure};

use super::kit::{Kit, registers};
use super::{Case, Demands};
use crate::support::set;

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = formats(kit);
    cases.extend(values(kit));
    cases.extend(debug_modes(kit));
    cases
}

fn pcr(index: u64, len: usize) -> (Value, Value) {
    (index.into(), Value::Bytes(vec![1; len]))
}

fn formats(kit: &Kit) -> Vec<Case> {
    let index = PcrIndex::KERNEL;
    let refused = |name: &str, pcrs: Vec<(Value, Value)>, defect: Malformed| {
        let why = "attestation_process.md 3.2.2.2: 1 to 32 PCRs, index in [0, 32), of 32, 48 or 64 bytes";
        Case::refused(name, kit.with("pcrs", Value::Map(pcrs)), defect, why)
    };
    let wrong_type = || WrongType { field: Field::Pcrs };
    vec![
        refused("pcr_count_0", vec![], PcrCount { actual: 0 }),
        refused("pcr_count_33", (0..33).map(|index| pcr(index, 48)).collect(), PcrCount { actual: 33 }),
        refused("pcr_index_32", vec![pcr(0, 48), pcr(32, 48)], PcrIndexOutOfRange { index: 32 }),
        refused("pcr_index_256", vec![pcr(256, 48)], PcrIndexOutOfRange { index: 256 }),
        refused("pcr_index_of_64_bits", vec![pcr(1 << 32, 48)], PcrIndexOutOfRange { index: 1 << 32 }),
        refused("pcr_index_negative", vec![((-1).into(), Value::Bytes(vec![1; 48]))], wrong_type()),
        refused("pcr_index_text", vec![("0".into(), Value::Bytes(vec![1; 48]))], wrong_type()),
        refused("pcr_length_0", vec![pcr(1, 0)], PcrLength { index, actual: 0 }),
        refused("pcr_length_20", vec![pcr(1, 20)], PcrLength { index, actual: 20 }),
        refused("pcr_length_47", vec![pcr(1, 47)], PcrLength { index, actual: 47 }),
        refused("pcr_length_65", vec![pcr(1, 65)], PcrLength { index, actual: 65 }),
        refused("pcr_value_text", vec![(0.into(), "1".repeat(48).into())], wrong_type()),
        refused("pcr_duplicate", vec![pcr(1, 48), pcr(0, 48), pcr(1, 48)], DuplicatePcr { index }),
    ]
}

fn values(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 2.2: pcrs says what runs; a reference value is met, or the document is refused";
    let (image, good) = Demands::default().pcr;
    let other = PcrValue::from([7; 48]);
    let mismatch = |index, expected, actual| PcrMismatch { index, expected: vec![expected], actual };
    let short = PcrValue::from_bytes(&good.as_bytes()[..32]).unwrap();
    let instance = measure::instance("i-0123456789abcdef0");
    let unlocked = PcrIndex::new(16).unwrap();
    let demanding = |index, value| Demands::pcr(index, value);
    vec![
        Case::accepted("pcr_instance_met", kit.document(), why).demanding(demanding(PcrIndex::INSTANCE, instance)),
        Case::refused("pcr_mismatch", kit.document(), mismatch(image, other, good), why)
            .demanding(demanding(image, other)),
        Case::refused("pcr_zero", kit.document(), mismatch(PcrIndex::SIGNER, other, PcrValue::ZERO), why)
            .demanding(demanding(PcrIndex::SIGNER, other)),
        Case::refused("pcr_missing", kit.document(), PcrMissing { index: unlocked }, why)
            .demanding(demanding(unlocked, other)),
        Case::refused("pcr_cut_to_32_bytes", with_image(kit, short), mismatch(image, good, short), why),
    ]
}

fn debug_modes(kit: &Kit) -> Vec<Case> {
    let why = "AWS Nitro Enclaves user guide: in debug mode PCRs are zeros, and attest nothing";
    let instance = Demands::pcr(PcrIndex::INSTANCE, measure::instance("i-0123456789abcdef0"));
    let hidden = kit.altered(|fields| {
        let registers = registers(fields);
        set(fields, "pcrs", Value::Map(registers[1..].to_vec()));
    });
    let missing = PcrMissing { index: PcrIndex::IMAGE };
    let zeros = |len| with_image(kit, PcrValue::from_bytes(&vec![0; len]).unwrap());
    vec![
        Case::refused("pcr_debug_mode", zeros(48), DebugMode, why).demanding(instance.clone()),
        Case::refused("pcr_debug_mode_of_32_bytes", zeros(32), DebugMode, why).demanding(instance.clone()),
        Case::refused("pcr_debug_mode_of_64_bytes", zeros(64), DebugMode, why).demanding(instance.clone()),
        Case::refused("pcr_debug_mode_hidden", hidden, missing, why).demanding(instance),
    ]
}

/// The honest document with another PCR0.
fn with_image(kit: &Kit, value: PcrValue) -> Vec<u8> {
    kit.altered(|fields| {
        let mut registers = registers(fields);
        registers[0].1 = Value::Bytes(value.as_bytes().to_vec());
        set(fields, "pcrs", Value::Map(registers));
    })
}
