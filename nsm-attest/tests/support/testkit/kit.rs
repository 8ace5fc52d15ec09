//! What all cases are made of: one simulated root, an enclave below it, and chains that the kit issues itself.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ciborium::Value;
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{AttestationRequest, ChainPosition, Clock, Purpose, UserData};

use super::key::{Key, SECP384R1, spki};
use super::x509::{
    BASIC_CONSTRAINTS, DIGITAL_SIGNATURE, ECDSA_WITH_SHA384, Extension, KEY_CERT_SIGN, KEY_USAGE, Template,
    basic_constraints, key_usage, name,
};
use super::{DAY, HOUR, NOW};
use crate::support::{Setup, encode, get, set};

/// The simulated authority, its enclave, and its keys for what neither of them would sign.
pub struct Kit {
    /// The root certificate of all cases that bring none of their own.
    pub root: Vec<u8>,
    /// The simulated enclave: payload defects are signed by its key.
    pub enclave: Setup,
    /// Root, regional, zonal, instance: the simulated authority's keys.
    pub authorities: Vec<Key>,
    /// The key of the end-entity certificates that the kit issues.
    pub end_entity: Key,
    /// Certificates by what is signed and the signer's point. What two chains share is the same bytes in both: to a cache
    /// that knows the honest chain, authorities that a case does not alter are known.
    pub issued: RefCell<BTreeMap<[Vec<u8>; 2], Vec<u8>>>,
}

impl Kit {
    pub fn new() -> Self {
        let clock = Clock::settable(NOW);
        let authority = Authority::generate(NOW).unwrap();
        let anchor = authority.trust_anchor();
        let (root, authorities) = (authority.root_certificate().to_vec(), keys(&authority));
        let builder = SimulatedNsm::builder(authority).measure(b"executable", b"configuration");
        let nsm = builder.clock(clock.clone()).build().unwrap();
        Self {
            root,
            enclave: Setup { anchor, clock, nsm },
            authorities,
            end_entity: Key::generate(),
            issued: RefCell::default(),
        }
    }

    /// The enclave's honest document, with all optional fields filled.
    pub fn document(&self) -> Vec<u8> {
        self.enclave.document_for(&request()).to_bytes()
    }

    /// The payload of the honest document, field by field.
    pub fn fields(&self) -> Vec<(Value, Value)> {
        crate::support::payload_entries(&self.enclave.document_for(&request()))
    }

    /// The honest document with its fields altered, signed by the enclave's key.
    pub fn altered(&self, alter: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
        let mut fields = self.fields();
        alter(&mut fields);
        self.enclave.sign(&Value::Map(fields))
    }

    pub fn with(&self, field: &str, value: impl Into<Value>) -> Vec<u8> {
        self.altered(|fields| set(fields, field, value))
    }

    /// The honest document with one field replaced by these very bytes of CBOR. The field comes first, so that offsets
    /// do not depend on the lengths of random signatures.
    pub fn with_raw(&self, field: &str, value: &[u8]) -> Vec<u8> {
        let mut fields = self.fields();
        fields.retain(|(name, _)| name.as_text() != Some(field));
        let others = fields.iter().flat_map(|(name, value)| [encode(name), encode(value)].concat());
        let head = map_head(fields.len() + 1);
        let payload: Vec<u8> =
            [head].into_iter().chain(encode(&field.into())).chain(value.iter().copied()).chain(others).collect();
        self.sign(&payload)
    }

    /// Any bytes as a payload, signed by the enclave's key.
    pub fn sign(&self, payload: &[u8]) -> Vec<u8> {
        self.enclave.nsm.sign(payload).unwrap()
    }

    /// Any bytes as a payload, signed by the kit's end-entity key as COSE has it, under any protected header.
    pub fn sign1(&self, protected: &[u8], payload: &[u8]) -> [Vec<u8>; 4] {
        let signature = self.end_entity.sign(&sig_structure("Signature1", protected, payload));
        [byte_string(protected), vec![0xa0], byte_string(payload), byte_string(&signature)]
    }

    /// A document below certificates that the kit issues, altered before they are signed.
    pub fn chain(&self, alter: impl FnOnce(&mut Plan)) -> Vec<u8> {
        let mut plan = self.plan();
        alter(&mut plan);
        self.document_below(plan.issue(self))
    }

    /// A document by the kit's end-entity key, with these certificates.
    pub fn document_below(&self, certificates: Vec<Vec<u8>>) -> Vec<u8> {
        join(&self.sign1(PROTECTED, &self.payload_below(certificates)))
    }

    /// The payload of such a document.
    pub fn payload_below(&self, mut certificates: Vec<Vec<u8>>) -> Vec<u8> {
        let mut fields = self.fields();
        set(&mut fields, "certificate", Value::Bytes(certificates.pop().unwrap()));
        set(&mut fields, "cabundle", certificates.into_iter().map(Value::Bytes).collect::<Vec<_>>());
        encode(&Value::Map(fields))
    }

    /// The certificates of an honest chain.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        self.plan().issue(self)
    }

    fn issue(&self, link: &Template, issuer: &Key) -> Vec<u8> {
        let request = [link.to_be_issued(), issuer.point().to_vec()];
        self.issued.borrow_mut().entry(request).or_insert_with(|| link.sign(issuer)).clone()
    }

    fn plan(&self) -> Plan {
        let path_lens = [None, Some(2), Some(1), Some(0)];
        let names = ["aws.nitro-enclaves", "regional", "zonal", "instance", "end-entity"];
        let keys: Vec<_> = self.authorities.iter().chain([&self.end_entity]).collect();
        let mut links = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let (usage, constraints) = match path_lens.get(index) {
                Some(len) => (DIGITAL_SIGNATURE | KEY_CERT_SIGN, basic_constraints(true, *len)),
                None => (DIGITAL_SIGNATURE, basic_constraints(false, None)),
            };
            links.push(Template {
                version: Some(2),
                algorithms: [ECDSA_WITH_SHA384; 2],
                issuer: name(names[index.saturating_sub(1)]),
                not_before: NOW.saturating_sub(HOUR),
                not_after: NOW.saturating_add(DAY),
                subject: name(names[index]),
                spki: spki(SECP384R1, key.point()),
                extensions: vec![
                    Extension::critical(BASIC_CONSTRAINTS, constraints),
                    Extension::critical(KEY_USAGE, key_usage(usage)),
                ],
            });
        }
        Plan { links, own_root: false, signers: Default::default() }
    }
}

/// A chain before anything is signed: root, regional, zonal, instance, end entity.
pub struct Plan {
    pub links: Vec<Template>,
    /// Whether the root is this plan's (under the simulated root's key) instead of the simulated root itself.
    pub own_root: bool,
    /// Who signs a certificate instead of its issuer, by place.
    pub signers: Vec<(usize, Key)>,
}

impl Plan {
    pub fn link(&mut self, position: ChainPosition) -> &mut Template {
        match position {
            ChainPosition::Cabundle(0) => {
                self.own_root = true;
                &mut self.links[0]
            }
            ChainPosition::Cabundle(index) => &mut self.links[index],
            ChainPosition::EndEntity => self.links.last_mut().unwrap(),
        }
    }

    /// Signs all certificates, the root first.
    pub fn issue(self, kit: &Kit) -> Vec<Vec<u8>> {
        let mut certificates = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            let issuer = kit.authorities.get(index.saturating_sub(1)).unwrap_or(&kit.end_entity);
            let other = self.signers.iter().find(|(place, _)| *place == index).map(|(_, key)| key);
            certificates.push(match index {
                // The names are the same byte for byte, but for how the simulator writes them.
                0 if !self.own_root => kit.root.clone(),
                _ => kit.issue(link, other.unwrap_or(issuer)),
            });
        }
        certificates
    }
}

/// What the honest document carries.
pub fn request() -> AttestationRequest {
    AttestationRequest::new()
        .with_public_key(PUBLIC_KEY)
        .with_user_data(UserData::over(Purpose::Session, PUBLIC_KEY))
        .with_nonce(NONCE)
}

/// What an ES384 signature of COSE_Sign1 covers (RFC 9052 §4.4), written independently of the crate's COSE library.
pub fn sig_structure(context: &str, protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts =
        vec![context.into(), Value::Bytes(protected.to_vec()), Value::Bytes(vec![]), Value::Bytes(payload.to_vec())];
    encode(&Value::Array(parts))
}

/// The parts of a COSE_Sign1 as an untagged array.
pub fn join(parts: &[Vec<u8>; 4]) -> Vec<u8> {
    [&[0x84], &parts.concat()[..]].concat()
}

pub fn byte_string(bytes: &[u8]) -> Vec<u8> {
    encode(&Value::Bytes(bytes.to_vec()))
}

/// The registers among a payload's fields.
pub fn registers(fields: &[(Value, Value)]) -> Vec<(Value, Value)> {
    get(fields, "pcrs").and_then(Value::as_map).unwrap().clone()
}

fn map_head(len: usize) -> u8 {
    0xa0 | u8::try_from(len).unwrap()
}

/// The authority's private keys, out of the form in which it passes itself to other processes.
fn keys(authority: &Authority) -> Vec<Key> {
    let stored: Value = ciborium::from_reader(authority.to_bytes().as_slice()).unwrap();
    let stored = stored.into_map().unwrap();
    let keys = get(&stored, "keys").and_then(Value::as_array).unwrap();
    keys.iter().map(|pkcs8| Key::from_pkcs8(pkcs8.as_bytes().unwrap())).collect()
}

pub const PUBLIC_KEY: &[u8] = b"a public key of the testkit";
pub const NONCE: &[u8] = b"a nonce of the testkit";
/// {alg: ES384}.
pub const PROTECTED: &[u8] = b"\xa1\x01\x38\x22";
