//! The limits of credentials are those of the KMS client that the enclave gives them to.

use std::ops::RangeInclusive;

use kms_enclave_client::{Credentials, CredentialsError};
use signer_protocol::method::{ACCESS_KEY_ID_LEN, SECRET_ACCESS_KEY_LEN, SESSION_TOKEN_LEN};

#[test]
fn credentials_within_the_limits_are_taken_and_no_others() {
    // Obviously fake: one letter, as often as the limits allow.
    let made = |id: usize, secret: usize, token: usize| {
        Credentials::new("A".repeat(id), "x".repeat(secret), Some("x".repeat(token)), None).map(drop)
    };
    let (id, secret, token) = (*ACCESS_KEY_ID_LEN.end(), *SECRET_ACCESS_KEY_LEN.end(), *SESSION_TOKEN_LEN.end());
    assert_eq!(made(id, secret, token), Ok(()));
    assert_eq!(made(*ACCESS_KEY_ID_LEN.start(), *SECRET_ACCESS_KEY_LEN.start(), *SESSION_TOKEN_LEN.start()), Ok(()));
    for outside in outside(ACCESS_KEY_ID_LEN) {
        assert_eq!(made(outside, secret, token), Err(CredentialsError::BadAccessKeyId), "{outside}");
    }
    for outside in outside(SECRET_ACCESS_KEY_LEN) {
        assert_eq!(made(id, outside, token), Err(CredentialsError::BadSecretAccessKey), "{outside}");
    }
    for outside in outside(SESSION_TOKEN_LEN) {
        assert_eq!(made(id, secret, outside), Err(CredentialsError::BadSessionToken), "{outside}");
    }
}

fn outside(limits: RangeInclusive<usize>) -> [usize; 2] {
    [limits.start() - 1, limits.end() + 1]
}
