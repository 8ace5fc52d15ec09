//! Small changes of whole items: right documents are rare among a fuzzer's inputs, so each is worth a second try.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ciborium::Value;

/// A number that an input determines, to choose a change by.
#[must_use]
pub fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish()
}

/// Flips a bit of one byte string or number.
pub fn flip_a_bit(value: &mut Value, hash: u64) {
    let at = hash >> 24;
    change_one(
        value,
        |item| item.is_bytes() || item.is_integer(),
        hash,
        |item| match item {
            Value::Bytes(bytes) if !bytes.is_empty() => {
                let bit = choose(at, bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            Value::Integer(integer) => {
                if let Ok(number) = u64::try_from(*integer) {
                    *integer = (number ^ 1 << choose(at, 64)).into();
                }
            }
            _ => {}
        },
    );
}

/// Repeats an entry of a map or an array, drops one, makes a string as long as some limit, or flips a bit.
pub fn restructure(value: &mut Value, hash: u64) {
    let (kind, hash) = (hash % 4, hash >> 2);
    let at = hash >> 24;
    match kind {
        0 | 1 => change_one(
            value,
            |item| item.is_map() || item.is_array(),
            hash,
            |item| match item {
                Value::Map(entries) => repeat_or_drop(entries, kind == 0, at),
                Value::Array(items) => repeat_or_drop(items, kind == 0, at),
                _ => {}
            },
        ),
        2 => change_one(
            value,
            |item| item.is_bytes() || item.is_text(),
            hash,
            |item| match item {
                Value::Bytes(bytes) => bytes.resize(LIMITS[choose(at, LIMITS.len())], 0),
                Value::Text(text) => *text = "m".repeat(LIMITS[choose(at, LIMITS.len())]),
                _ => {}
            },
        ),
        _ => flip_a_bit(value, hash),
    }
}

fn repeat_or_drop<T: Clone>(items: &mut Vec<T>, repeat: bool, at: u64) {
    let chosen = choose(at, items.len());
    match items.get(chosen).cloned() {
        Some(item) if repeat => items.insert(choose(at >> 16, items.len() + 1), item),
        Some(_) => drop(items.remove(chosen)),
        None => {}
    }
}

/// Changes one of the items that are of the wanted kind, if there are any.
fn change_one(value: &mut Value, is_wanted: fn(&Value) -> bool, hash: u64, mut change: impl FnMut(&mut Value)) {
    let mut count = 0;
    walk(value, &mut |item| count += usize::from(is_wanted(item)));
    let (chosen, mut index) = (choose(hash, count), 0);
    walk(value, &mut |item| {
        if is_wanted(item) {
            if index == chosen {
                change(item);
            }
            index += 1;
        }
    });
}

/// Visits every item, and then what is in it.
fn walk(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, visit)),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            walk(key, visit);
            walk(value, visit);
        }),
        _ => {}
    }
}

fn choose(from: u64, number: usize) -> usize {
    usize::try_from(from % (number.max(1) as u64)).unwrap_or(0)
}

/// Of every length that some limit names, and one more and one less.
const LIMITS: [usize; 18] = [0, 1, 31, 32, 33, 47, 48, 49, 63, 64, 65, 255, 256, 257, 512, 513, 1024, 1025];
