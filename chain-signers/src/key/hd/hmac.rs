use hmac::{Hmac, KeyInit, Mac, digest::FixedOutput};
use sha2::Sha512;
use zeroize::ZeroizeOnDrop;

/// HMAC-SHA-512 (RFC 2104, FIPS 198-1) that is keyed once and may be cloned, to be used with the same key again.
#[derive(Clone)]
pub(super) struct HmacSha512(Hmac<Sha512>);

impl HmacSha512 {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Written in place, so that there is no second copy to overwrite.
    pub(super) fn finish_into(self, output: &mut [u8; 64]) {
        self.0.finalize_into(output.into());
    }
}

/// Stops compiling if a dependency's feature is lost that makes the state of a hash function overwrite itself.
const _: fn() = || {
    fn overwrites_itself<T: ZeroizeOnDrop>() {}
    overwrites_itself::<Sha512>();
    overwrites_itself::<sha2::Sha256>();
};

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, sections 4.3 (a short key) and 4.7 (a key longer than a block): key, data, HMAC-SHA-512.
    #[test]
    fn matches_rfc_4231() {
        let long_key = [0xaa; 131];
        let cases: [(&[u8], &[u8], &str); 2] = [
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (
                &long_key,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
        ];
        for (key, data, expected) in cases {
            let mut mac = HmacSha512::new(key);
            mac.update(data);
            let mut output = [0; 64];
            mac.finish_into(&mut output);
            assert_eq!(hex::encode(output), expected);
        }
    }
}
