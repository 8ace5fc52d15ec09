use zeroize::Zeroizing;

/// At most `MAX` bytes, decoded in place.
pub(super) struct Decoded<const MAX: usize> {
    buffer: Zeroizing<[u8; MAX]>,
    len: usize,
}

impl<const MAX: usize> Decoded<MAX> {
    /// `None` if it is not base58 of at most `MAX` bytes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut buffer = Zeroizing::new([0; MAX]);
        let too_long = text.len() > MAX * 3 / 2; // a byte takes 1.37 characters
        let len = if too_long { None } else { bs58::decode(text).onto(buffer.as_mut_slice()).ok() }?;
        Some(Self { buffer, len })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}
