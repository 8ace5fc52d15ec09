//! [`Object`]: JSON objects, and nothing that serde takes for one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A `T` that was written as an object. A derived `Deserialize` also reads an array, whose items it takes for the members
/// in the order in which the type happens to declare them; KMS neither sends nor takes that.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        a: Option<String>,
        b: u8,
    }

    #[test]
    fn an_array_is_no_object_and_no_member_occurs_twice() {
        let read = |text: &str| serde_json::from_str::<Object<Pair>>(text).map(|object| object.0).ok();
        assert_eq!(read(r#"{"b":1}"#), Some(Pair { a: None, b: 1 }));
        assert_eq!(read(r#"{"b":1,"a":"x"}"#), Some(Pair { a: Some("x".into()), b: 1 }));
        assert!(serde_json::from_str::<Pair>(r#"["x",1]"#).is_ok(), "what this is for");
        for text in [r#"["x",1]"#, r#"{"b":1,"b":1}"#, r#"{"b":1,"c":2}"#, r#"{"b":1}{}"#, "null", "1", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
