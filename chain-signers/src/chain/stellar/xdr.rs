//! XDR (RFC 4506) as far as transactions need it: big-endian words of four bytes, zeros as padding.

use crate::DecodeError;

pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A length, the bytes, and their padding.
    pub(super) fn bytes(&mut self, max: usize) -> Result<Vec<u8>, DecodeError> {
        let len = self.len(max)?;
        let bytes = self.take(len)?.to_vec();
        let padding = self.take(padding(len))?;
        if padding.iter().all(|byte| *byte == 0) { Ok(bytes) } else { Err(malformed("padding is not zero")) }
    }

    pub(super) fn list<T>(
        &mut self,
        max: usize,
        item: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let len = self.len(max)?;
        (0..len).map(|_| item(self)).collect()
    }

    pub(super) fn option<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.u32()? {
            0 => Ok(None),
            1 => item(self).map(Some),
            _ => Err(malformed("an optional value is neither there nor not")),
        }
    }

    fn len(&mut self, max: usize) -> Result<usize, DecodeError> {
        let len = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if len <= max { Ok(len) } else { Err(malformed("a length is beyond its limit")) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| malformed("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }
}

#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.raw(bytes);
        self.raw(&[0; 3][..padding(bytes.len())]);
    }

    /// Of what was read, whose length was a word.
    pub(super) fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
    }
}

fn padding(len: usize) -> usize {
    len.next_multiple_of(4) - len
}

pub(super) fn malformed(reason: &'static str) -> DecodeError {
    DecodeError::malformed(FORMAT, reason)
}

pub(super) const FORMAT: &str = "a Stellar transaction envelope";
