//! A call's arguments in the one encoding that compilers and libraries write (contract ABI, strict mode).

use std::fmt;

use crate::{Amount, DecodeError, keccak};

/// Words that are read in order; what a lenient reader would skip or ignore is an error that names the function.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    function: &'static str,
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    pub(super) fn new(function: &'static str, data: &'a [u8]) -> Self {
        Self { function, rest: data }
    }

    /// In EIP-55 spelling.
    pub(super) fn address(&mut self, argument: &str) -> Result<String, DecodeError> {
        let word = self.word(argument)?;
        match word.split_first_chunk::<12>() {
            Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], rest)) => {
                let mut address = [0; 20];
                address.copy_from_slice(rest);
                Ok(keccak::to_checksum(&address))
            }
            _ => Err(self.invalid(argument, "12 zero bytes and an address", hex::encode(word))),
        }
    }

    pub(super) fn number(&mut self, argument: &str) -> Result<Amount, DecodeError> {
        self.word(argument).map(Amount::from_be_bytes)
    }

    pub(super) fn bool(&mut self, argument: &str) -> Result<bool, DecodeError> {
        match self.number(argument)? {
            Amount::ZERO => Ok(false),
            one if one == Amount::from(1_u64) => Ok(true),
            other => Err(self.invalid(argument, "0 or 1", other)),
        }
    }

    /// Where a list or bytes begin, in `words` from the first argument.
    pub(super) fn offset(&mut self, argument: &str, words: usize) -> Result<(), DecodeError> {
        let actual = self.number(argument)?;
        self.require_offsets(&[argument], &[actual], &[words])
    }

    /// Compares offsets that were read as numbers with where their `arguments` begin, in words.
    pub(super) fn require_offsets(
        &self,
        arguments: &[&str],
        actual: &[Amount],
        words: &[usize],
    ) -> Result<(), DecodeError> {
        for ((argument, actual), words) in arguments.iter().zip(actual).zip(words) {
            let expected = words * WORD;
            if *actual != amount(expected) {
                return Err(self.invalid(argument, format!("offset {expected}"), actual));
            }
        }
        Ok(())
    }

    /// A list of at most [`MAX_ITEMS`].
    pub(super) fn numbers(&mut self, argument: &str) -> Result<Vec<Amount>, DecodeError> {
        let len = self.len(argument, MAX_ITEMS)?;
        (0..len).map(|_| self.number(argument)).collect()
    }

    /// Bytes, and zeros up to the next word.
    pub(super) fn bytes(&mut self, argument: &str) -> Result<&'a [u8], DecodeError> {
        let len = self.len(argument, self.rest.len())?;
        let Some((padded, rest)) = self.rest.split_at_checked(len.next_multiple_of(WORD)) else {
            return Err(self.invalid(argument, format!("{len} bytes, padded"), self.found()));
        };
        let (bytes, padding) = padded.split_at(len);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(self.invalid(argument, "zeros after it", hex::encode(padding)));
        }
        self.rest = rest;
        Ok(bytes)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.invalid("the end", "no more bytes", self.found())) }
    }

    pub(super) fn invalid(
        &self,
        argument: &str,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        actual: impl fmt::Display,
    ) -> DecodeError {
        DecodeError::invalid(format!("{argument} of {}", self.function), expected, actual)
    }

    fn word(&mut self, argument: &str) -> Result<[u8; WORD], DecodeError> {
        let Some((word, rest)) = self.rest.split_first_chunk() else {
            return Err(self.invalid(argument, "32 bytes", self.found()));
        };
        self.rest = rest;
        Ok(*word)
    }

    fn len(&mut self, argument: &str, max: usize) -> Result<usize, DecodeError> {
        let word = self.word(argument)?;
        let (high, low) = word.split_at(WORD - size_of::<u64>());
        let low = low.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        match usize::try_from(low) {
            Ok(len) if len <= max && high.iter().all(|byte| *byte == 0) => Ok(len),
            _ => Err(self.invalid(argument, format!("a length of at most {max}"), Amount::from_be_bytes(word))),
        }
    }

    fn found(&self) -> String {
        format!("{} bytes", self.rest.len())
    }
}

fn amount(number: usize) -> Amount {
    u64::try_from(number).map_or(Amount::from_be_bytes([0xff; WORD]), Amount::from)
}

const WORD: usize = 32;
/// Of a list.
const MAX_ITEMS: usize = 256;
