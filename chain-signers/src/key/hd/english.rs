use std::sync::LazyLock;

/// The word for 11 bits; `index` is below 2048.
pub(super) fn word(index: usize) -> &'static str {
    WORDS[index]
}

/// The 11 bits that `word` stands for.
pub(super) fn index(word: &str) -> Option<usize> {
    WORDS.binary_search(&word).ok()
}

/// In the list's order, which is also the alphabet's.
static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("english.txt").lines().collect());

/// Letters of the longest word.
pub(super) const MAX_WORD_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// Of <https://github.com/bitcoin/bips/blob/master/bip-0039/english.txt>.
    const SHA_256: &str = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";

    #[test]
    fn the_list_is_that_of_bip_39() {
        assert_eq!(hex::encode(Sha256::digest(include_str!("english.txt"))), SHA_256);
        assert_eq!(WORDS.len(), 2048);
        assert_eq!(WORDS.iter().map(|word| word.len()).max(), Some(MAX_WORD_LEN));
    }

    #[test]
    fn every_word_is_found_where_it_is() {
        for i in 0..2048 {
            assert_eq!(index(word(i)), Some(i), "{}", word(i));
        }
        assert_eq!(index("zoos"), None);
        assert_eq!(index(""), None);
    }
}
