//! The names of types.

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Bool,
    Bytes,
    FixedBytes(usize),
    Integer {
        bits: usize,
        is_signed: bool,
    },
    List {
        item: Box<Kind>,
        len: Option<usize>,
    },
    String,
    /// By its place among the types.
    Structure(usize),
}

impl Kind {
    /// Reads a type as it is written; `structures` are the names of those that are defined.
    pub(super) fn parse(text: &str, structures: &[&str]) -> Option<Self> {
        if text.matches('[').count() > MAX_DIMENSIONS {
            return None;
        }
        if let Some(rest) = text.strip_suffix(']') {
            let (item, len) = rest.rsplit_once('[')?;
            let len = if len.is_empty() { None } else { Some(number(len)?) };
            return Some(Self::List { item: Box::new(Self::parse(item, structures)?), len });
        }
        Self::atom(text).or_else(|| structures.iter().position(|name| *name == text).map(Self::Structure))
    }

    /// The type of the structure that it is, or that is in it.
    pub(super) fn structure(&self) -> Option<usize> {
        match self {
            Self::List { item, .. } => item.structure(),
            Self::Structure(index) => Some(*index),
            _ => None,
        }
    }

    fn atom(text: &str) -> Option<Self> {
        let (name, digits) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        let size = number(digits);
        match (name, size) {
            ("address", _) if digits.is_empty() => Some(Self::Address),
            ("bool", _) if digits.is_empty() => Some(Self::Bool),
            ("bytes", _) if digits.is_empty() => Some(Self::Bytes),
            ("string", _) if digits.is_empty() => Some(Self::String),
            ("bytes", Some(len @ 1..=32)) => Some(Self::FixedBytes(len)),
            ("int" | "uint", Some(bits @ 8..=256)) if bits % 8 == 0 => {
                Some(Self::Integer { bits, is_signed: name == "int" })
            }
            _ => None,
        }
    }
}

/// Whether a structure may be called so: as an identifier that is not one of Solidity's own types.
pub(super) fn is_structure_name(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    is_name(name, |c| c == ':') && !SOLIDITY.contains(&stem)
}

pub(super) fn is_field_name(name: &str) -> bool {
    is_name(name, |_| false)
}

fn is_name(name: &str, extra: impl Fn(char) -> bool) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    starts
        && name.len() <= MAX_NAME_LEN
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$' || extra(c))
}

/// Decimal, without a leading zero, at most 1024.
fn number(digits: &str) -> Option<usize> {
    let well_formed = digits.len() <= 4 && !digits.starts_with('0') && digits.bytes().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|number| well_formed && *number <= MAX_LIST_LEN)
}

const SOLIDITY: [&str; 10] =
    ["address", "bool", "byte", "bytes", "fixed", "function", "int", "string", "ufixed", "uint"];
const MAX_NAME_LEN: usize = 64;
/// Of a list of lists.
const MAX_DIMENSIONS: usize = 16;
pub(super) const MAX_LIST_LEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_types_of_eip_712_and_no_others() {
        let integer = |bits, is_signed| Kind::Integer { bits, is_signed };
        let list = |item, len| Kind::List { item: Box::new(item), len };
        for (text, kind) in [
            ("address", Kind::Address),
            ("bytes", Kind::Bytes),
            ("bytes1", Kind::FixedBytes(1)),
            ("bytes32", Kind::FixedBytes(32)),
            ("uint8", integer(8, false)),
            ("int256", integer(256, true)),
            ("Person", Kind::Structure(0)),
            ("Person[2][]", list(list(Kind::Structure(0), Some(2)), None)),
            ("string[1024]", list(Kind::String, Some(1024))),
        ] {
            assert_eq!(Kind::parse(text, &["Person"]), Some(kind), "{text}");
        }
        for text in [
            "",
            "uint",
            "int",
            "uint0",
            "uint7",
            "uint08",
            "uint264",
            "bytes0",
            "bytes33",
            "address1",
            "bool8",
            "string2",
            "byte",
            "function",
            "person",
            "Person[",
            "Person]",
            "[]",
            "Person[0]",
            "Person[01]",
            "Person[1025]",
            "Person[-1]",
            "Person[+1]",
            "Person[ ]",
            " Person",
            "uint256 ",
            "Person[][][][][][][][][][][][][][][][][]",
        ] {
            assert_eq!(Kind::parse(text, &["Person"]), None, "{text}");
        }
    }

    #[test]
    fn a_structure_has_a_name_that_nothing_else_has() {
        for name in ["Mail", "_a", "$", "HyperliquidTransaction:UsdSend", "interest", "uintish", "bytesOf"] {
            assert!(is_structure_name(name), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "1a", "a b", "a(", "a,", "a.b", "a[", ":a", "é", "uint", "uint9", "bytes33", "address", &long]
        {
            assert!(!is_structure_name(name), "{name}");
        }
        assert!(!is_field_name("a:b"));
    }
}
