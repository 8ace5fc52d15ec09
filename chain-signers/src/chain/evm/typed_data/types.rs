//! The `types` of typed data, and `encodeType`.

use std::collections::BTreeSet;

use super::{
    DecodeError, join,
    kind::{Kind, is_field_name, is_structure_name},
    list, object, open_object, required, string,
};
use crate::keccak;

/// Every type that is defined, in canonical order: the domain's, the primary one, the others by name.
#[derive(Debug)]
pub(super) struct Types(Vec<Definition>);

/// A type that is a structure.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// Its own part of `encodeType`, written once, as types that lead to each other are many times in it.
    encoding: String,
    /// `typeHash`.
    pub(super) hash: [u8; 32],
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type as it is written.
    pub(super) written: String,
    pub(super) kind: Kind,
}

impl Types {
    /// Reads definitions that all lead to each other from `primary` on.
    pub(super) fn read(raw: &str, primary: &str) -> Result<Self, DecodeError> {
        let object = open_object("types", raw)?;
        let mut entries: Vec<_> = object.entries().collect();
        entries.sort_by_key(|(name, _)| (*name != DOMAIN, *name != primary, *name));
        let names: Vec<_> = entries.iter().map(|(name, _)| *name).collect();
        if !names.starts_with(&[DOMAIN, primary]) {
            let expected = format!("the definition of {DOMAIN} and of another primaryType");
            return Err(DecodeError::invalid("types", expected, primary));
        }
        let definitions =
            entries.iter().map(|(name, raw)| Definition::read(name, raw, &names)).collect::<Result<_, _>>()?;
        let mut this = Self(definitions);
        this.check_use()?;
        for index in 0..this.0.len() {
            this.0[index].hash = keccak::keccak256(this.encode_type(index).as_bytes());
        }
        Ok(this)
    }

    pub(super) fn domain(&self) -> usize {
        0
    }

    pub(super) fn primary(&self) -> usize {
        1
    }

    pub(super) fn definition(&self, index: usize) -> &Definition {
        &self.0[index]
    }

    pub(super) fn definitions(&self) -> &[Definition] {
        &self.0
    }

    /// Exactly the primary type's own types and the domain's are there.
    fn check_use(&self) -> Result<(), DecodeError> {
        let used = self.reachable(self.primary());
        if used.contains(&self.domain()) {
            return Err(DecodeError::invalid("types", "types other than the domain's in the message", DOMAIN));
        }
        match (2..self.0.len()).find(|index| !used.contains(index)) {
            Some(unused) => {
                Err(DecodeError::invalid("types", "only types that the primary type leads to", &self.0[unused].name))
            }
            None => Ok(()),
        }
    }

    /// `encodeType`: the type, and the types that it leads to, by name.
    pub(super) fn encode_type(&self, index: usize) -> String {
        let mut others: Vec<_> =
            self.reachable(index).into_iter().filter(|other| *other != index).map(|other| &self.0[other]).collect();
        others.sort_by_key(|definition| &definition.name);
        std::iter::once(&self.0[index]).chain(others).map(|definition| definition.encoding.as_str()).collect()
    }

    /// The type and all that it leads to.
    fn reachable(&self, index: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([index]);
        let mut pending = vec![index];
        while let Some(index) = pending.pop() {
            for other in self.0[index].fields.iter().filter_map(|field| field.kind.structure()) {
                if found.insert(other) {
                    pending.push(other);
                }
            }
        }
        found
    }
}

impl Definition {
    fn read(name: &str, raw: &str, names: &[&str]) -> Result<Self, DecodeError> {
        if !is_structure_name(name) {
            return Err(DecodeError::invalid(
                "types",
                "identifiers of at most 64 characters that name no other type",
                name,
            ));
        }
        let path = join("types", name);
        let mut fields: Vec<Field> = Vec::new();
        for (i, raw) in list::<MAX_FIELDS>(&path, "fields", raw)?.iter().enumerate() {
            let field = Field::read(&format!("{path}[{i}]"), raw.get(), names)?;
            if fields.iter().any(|other| other.name == field.name) {
                return Err(DecodeError::DuplicateKey { key: join(&path, &field.name) });
            }
            fields.push(field);
        }
        if fields.is_empty() {
            return Err(DecodeError::invalid(path, "at least one field", "none"));
        }
        let members: Vec<_> = fields.iter().map(|field| format!("{} {}", field.written, field.name)).collect();
        let encoding = format!("{name}({})", members.join(","));
        Ok(Self { name: name.to_owned(), fields, encoding, hash: [0; 32] })
    }
}

impl Field {
    fn read(path: &str, raw: &str, names: &[&str]) -> Result<Self, DecodeError> {
        let object = object(path, raw, &["name", "type"])?;
        let name = string(&join(path, "name"), required(path, &object, "name")?)?;
        if !is_field_name(&name) {
            return Err(DecodeError::invalid(join(path, "name"), "an identifier of at most 64 characters", name));
        }
        let written = string(&join(path, "type"), required(path, &object, "type")?)?;
        match Kind::parse(&written, names) {
            Some(kind) => Ok(Self { name, written, kind }),
            None => Err(DecodeError::invalid(join(path, "type"), "a type of EIP-712 or one that is defined", written)),
        }
    }
}

const DOMAIN: &str = "EIP712Domain";
const MAX_FIELDS: usize = 64;
