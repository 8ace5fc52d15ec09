//! Other names of KMS.

use kms_enclave_client::{BuildError, Endpoint, Error};
use nsm_attest::Clock;

use crate::hostile::{Identity, ScriptedKms};
use crate::support::*;
use crate::{REAL_KMS, builder, call, success};

#[tokio::test(start_paused = true)]
async fn the_endpoints_name_is_what_tls_proves_and_the_host_header_says() {
    for (endpoint, name, host) in [
        (Endpoint::fips(REGION).unwrap(), "kms-fips.eu-west-1.amazonaws.com", "kms-fips.eu-west-1.amazonaws.com"),
        (Endpoint::custom("KMS.internal.example", 8443).unwrap(), "kms.internal.example", "kms.internal.example:8443"),
        (Endpoint::custom("127.0.0.1", 4566).unwrap(), "127.0.0.1", "127.0.0.1:4566"),
        (Endpoint::custom("::1", 443).unwrap(), "::1", "[::1]"),
    ] {
        let clock = Clock::settable(start_of_time());
        let kms = ScriptedKms::start(Identity { name, ..REAL_KMS }, move |asked| {
            assert_eq!(asked.header("host"), host);
            assert!(asked.header("authorization").contains("/eu-west-1/kms/aws4_request"), "{}", asked.head);
            success(&asked)
        });
        let client =
            builder(&kms, &clock).credentials(enclave_credentials()).endpoint(endpoint.clone()).build().unwrap();
        call(&client).await.unwrap();
        // Whoever proves the usual name instead is not this endpoint.
        let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
        let client = builder(&kms, &clock).credentials(enclave_credentials()).endpoint(endpoint).build().unwrap();
        assert!(matches!(call(&client).await, Err(Error::Tls { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_another_region_is_refused() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let clock = Clock::settable(start_of_time());
    let built = builder(&kms, &clock).endpoint(Endpoint::fips("us-east-1").unwrap()).build();
    assert!(matches!(built, Err(BuildError::EndpointInAnotherRegion { .. })));
}
