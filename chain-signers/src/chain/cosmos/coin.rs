//! Coins: amounts of a denomination.

use super::{proto::Coin, too_long};
use crate::{Amount, DecodeError};

impl Coin {
    /// Checks the denomination and the amount, and returns the latter.
    pub(super) fn check(&self, field: &str) -> Result<Amount, DecodeError> {
        if !is_denom(&self.denom) {
            let expected = "a denomination: a letter, then 2 to 127 of letters, digits and /:._-";
            return Err(DecodeError::invalid(format!("{field}.denom"), expected, &self.denom));
        }
        if is_respelled(&self.denom) {
            let expected = "the hash after ibc/ in upper case, its one spelling";
            return Err(DecodeError::invalid(format!("{field}.denom"), expected, &self.denom));
        }
        let invalid = |error| DecodeError::invalid(format!("{field}.amount"), format!("{error}"), &self.amount);
        self.amount.parse().map_err(|error: crate::AmountError| invalid(error))
    }

    /// As [`check`](Self::check), and the amount is not zero.
    pub(super) fn check_positive(&self, field: &str) -> Result<Amount, DecodeError> {
        let amount = self.check(field)?;
        if amount.is_zero() {
            return Err(DecodeError::invalid(format!("{field}.amount"), "more than nothing", &self.amount));
        }
        Ok(amount)
    }
}

/// Checks that there is a coin, and does so as [`Coin::check_positive`].
pub(super) fn required<'a>(field: &str, coin: Option<&'a Coin>) -> Result<(&'a Coin, Amount), DecodeError> {
    let coin = coin.ok_or_else(|| DecodeError::Missing { field: field.to_owned().into() })?;
    Ok((coin, coin.check_positive(field)?))
}

/// Checks that coins are few, and sorted by denomination without any twice, which the SDK demands.
pub(super) fn check_sorted(field: &'static str, coins: &[Coin]) -> Result<(), DecodeError> {
    if coins.len() > MAX_COINS {
        return Err(too_long(field, "coins", coins.len(), MAX_COINS));
    }
    match coins.windows(2).find(|pair| pair[0].denom >= pair[1].denom) {
        Some(pair) => Err(DecodeError::invalid(field, "coins sorted by denomination, each once", &pair[1].denom)),
        None => Ok(()),
    }
}

/// As people say it.
pub(super) fn text(coins: &[Coin]) -> String {
    let words: Vec<_> = coins.iter().map(|coin| format!("{} {}", coin.amount, coin.denom)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}

fn is_denom(text: &str) -> bool {
    (3..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"/:._-".contains(&c))
}

/// Whether it names a token that came over IBC by a hash in lower case, in which no balance is kept, but which transfers read.
fn is_respelled(denom: &str) -> bool {
    denom.strip_prefix("ibc/").is_some_and(|hash| {
        hash.len() == IBC_HASH_LEN
            && hash.bytes().all(|c| c.is_ascii_hexdigit())
            && hash.bytes().any(|c| c.is_ascii_lowercase())
    })
}

/// Of SHA-256, in hex digits.
const IBC_HASH_LEN: usize = 64;
pub(super) const MAX_COINS: usize = 32;
