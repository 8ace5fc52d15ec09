//! A policy that can be written down.

use std::fmt::Write as _;
use std::time::Duration;

use nsm_attest::{PcrIndex, PcrValue, Policy, Purpose, sim};
use toml_edit::{Table, Value};

/// What a case's policy demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// A register that is pinned, and its value. If it is another than the image's, that is pinned too.
    pub pcr: (PcrIndex, PcrValue),
    pub nonce: Option<Vec<u8>>,
    pub purpose: Option<Purpose>,
    pub user_data: Option<Vec<u8>>,
    pub public_key: Option<Vec<u8>>,
}

impl Default for Demands {
    /// The image that the simulated enclave runs.
    fn default() -> Self {
        let pcr = (PcrIndex::IMAGE, sim::pcr0(b"executable", b"configuration"));
        Self { pcr, nonce: None, purpose: None, user_data: None, public_key: None }
    }
}

impl Demands {
    pub fn pcr(index: PcrIndex, value: PcrValue) -> Self {
        Self { pcr: (index, value), ..Self::default() }
    }

    pub fn nonce(nonce: &[u8]) -> Self {
        Self { nonce: Some(nonce.to_vec()), ..Self::default() }
    }

    pub fn purpose(purpose: Purpose) -> Self {
        Self { purpose: Some(purpose), ..Self::default() }
    }

    pub fn user_data(user_data: &[u8]) -> Self {
        Self { user_data: Some(user_data.to_vec()), ..Self::default() }
    }

    pub fn public_key(public_key: &[u8]) -> Self {
        Self { public_key: Some(public_key.to_vec()), ..Self::default() }
    }

    pub fn policy(&self) -> Policy {
        let (index, value) = self.pcr;
        let mut policy = Policy::builder().pcr(index, [value]);
        if index != PcrIndex::IMAGE {
            let (image, value) = Self::default().pcr;
            policy = policy.pcr(image, [value]);
        }
        if let Some(nonce) = &self.nonce {
            policy = policy.nonce(nonce.clone());
        }
        if let Some(purpose) = self.purpose {
            policy = policy.purpose(purpose);
        }
        if let Some(user_data) = &self.user_data {
            policy = policy.user_data(user_data.clone());
        }
        if let Some(public_key) = &self.public_key {
            policy = policy.public_key(public_key.clone());
        }
        policy.build()
    }

    /// The section `[policy]`, of what is not the default.
    pub fn to_toml(&self) -> String {
        let mut lines = String::new();
        if self.pcr != Self::default().pcr {
            let (index, value) = self.pcr;
            writeln!(lines, "pcr = {index}\npcr_value = \"{value}\"").unwrap();
        }
        if let Some(purpose) = self.purpose {
            writeln!(lines, "purpose = \"{purpose}\"").unwrap();
        }
        let bytes = [("nonce", &self.nonce), ("user_data", &self.user_data), ("public_key", &self.public_key)];
        for (name, value) in bytes {
            if let Some(value) = value {
                writeln!(lines, "{name} = \"{}\"", hex::encode(value)).unwrap();
            }
        }
        if lines.is_empty() { lines } else { format!("\n[policy]\n{lines}") }
    }

    pub fn from_toml(table: Option<&Table>) -> Self {
        let mut demands = Self::default();
        for (name, value) in table.into_iter().flat_map(Table::iter) {
            let value = value.as_value().unwrap();
            match name {
                "pcr" => {
                    let index = u64::try_from(value.as_integer().unwrap()).unwrap();
                    demands.pcr.0 = PcrIndex::try_from(index).unwrap();
                }
                "pcr_value" => demands.pcr.1 = value.as_str().unwrap().parse().unwrap(),
                "purpose" => demands.purpose = Some(purpose(value.as_str().unwrap())),
                "nonce" => demands.nonce = Some(bytes(value)),
                "user_data" => demands.user_data = Some(bytes(value)),
                "public_key" => demands.public_key = Some(bytes(value)),
                _ => panic!("a policy has no {name}"),
            }
        }
        demands
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn purpose(name: &str) -> Purpose {
    let all = [Purpose::KmsRecipient, Purpose::Session, Purpose::Birth, Purpose::Inspect];
    all.into_iter().find(|purpose| purpose.as_str() == name).unwrap()
}

/// The age and the clock skew that policies allow by default.
pub const MAX_AGE: Duration = Policy::DEFAULT_MAX_AGE;
pub const CLOCK_SKEW: Duration = Policy::DEFAULT_CLOCK_SKEW;
