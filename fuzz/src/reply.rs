//! Replies of KMS read as the API reference describes them, and JSON with names in place of what is different each time.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object, in order, with nothing hidden that occurs twice.
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// `None` if the bytes are no JSON object.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// Whether every one of these members is there once at most, and is a string or null.
    #[must_use]
    pub fn are_texts(&self, names: &[&str]) -> bool {
        names.iter().all(|name| {
            let mut found = self.0.iter().filter(|(member, _)| member == name);
            let is_text =
                found.next().is_none_or(|(_, value)| serde_json::from_str::<Option<String>>(value.get()).is_ok());
            is_text && found.next().is_none()
        })
    }

    /// The text of a member; `None` if there is none, or it is null.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(member, _)| member == name)?;
        serde_json::from_str(value.get()).ok()?
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// RFC 4648 §4, strictly: padded, and without stray bits.
#[must_use]
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if !text.len().is_multiple_of(4) || digits.len() % 4 == 1 || digits.len().next_multiple_of(4) != text.len() {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (bits & ((1 << count) - 1) == 0).then_some(bytes)
}

/// Puts `named(name)` in place of each `@name@`, as far as there is something of that name.
#[must_use]
pub fn expand(template: &[u8], mut named: impl FnMut(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'@') {
        out.extend(&rest[..at]);
        let after = &rest[at + 1..];
        let name = after.iter().position(|byte| *byte == b'@').map(|end| (&after[..end], &after[end + 1..]));
        let found = name.and_then(|(name, after)| Some((named(std::str::from_utf8(name).ok()?)?, after)));
        rest = match found {
            Some((text, after)) => {
                out.extend(text.bytes());
                after
            }
            None => {
                out.push(b'@');
                after
            }
        };
    }
    out.extend(rest);
    out
}
