//! The configuration file: what is accepted, and what the refusals say.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use parent::{Config, ConfigError, StoreConfig};
use serde_json::{Value, json};
use vsock_rpc::Addr;

use crate::support::{TestTls, write_private};

#[test]
fn smallest_file_gets_the_documented_defaults() {
    let config = parse(|_| {}).unwrap();
    assert_eq!(config.enclave, Addr::Vsock { cid: 16, port: 5000 });
    assert_eq!(config.listen.port(), 443);
    assert_eq!(config.store, StoreConfig::Directory("/var/lib/keys".into()));
    assert!(config.relays.is_empty());
    assert_eq!(config.limits, parent::Limits::default());
    assert_eq!(config.limits.max_body_len, 1024 * 1024);
    assert_eq!(config.timeouts, parent::Timeouts::default());
}

#[test]
fn every_field_is_taken() {
    let config = parse(|document| {
        document["enclave"] = json!("unix:/run/enclave.sock");
        document["credentials"] = json!({"file": "/run/credentials.json"});
        document["relays"] = json!([
            {"listen": "vsock:3:8000", "target": "kms.us-east-1.amazonaws.com:443"},
            {"listen": "tcp:0.0.0.0:5001", "target": "vsock:16:5001"},
            {"listen": "tcp:127.0.0.1:5002", "target": "unix:/run/sessions.sock"},
            {"listen": "tcp:127.0.0.1:5003", "target": "vsock:443"},
        ]);
        document["limits"] =
            json!({"max_connections": 1, "max_in_flight": 2, "max_body_len": 4096, "max_relay_connections": 3});
        document["timeouts_ms"] = json!({"handshake": 100, "header": 101, "body": 102, "request": 103, "write": 104,
            "shutdown": 105, "health_interval": 300_000});
    })
    .unwrap();
    assert_eq!(config.relays[0].listen, Addr::Vsock { cid: 3, port: 8000 });
    let targets: Vec<_> = config.relays.iter().map(|relay| relay.target.to_string()).collect();
    let expected = ["tcp:kms.us-east-1.amazonaws.com:443", "vsock:16:5001", "unix:/run/sessions.sock", "tcp:vsock:443"];
    assert_eq!(targets, expected);
    assert_eq!((config.limits.max_connections, config.limits.max_relay_connections), (1, 3));
    assert_eq!((config.limits.max_in_flight, config.limits.max_body_len), (2, 4096));
    assert_eq!(config.timeouts.request, Duration::from_millis(103));
    assert_eq!(config.timeouts.health_interval, Duration::from_secs(300));
}

#[test]
fn refusal_names_the_field_and_its_limits() {
    for (change, field) in [
        (json!({"limits": {"max_connections": 0}}), "limits.max_connections is 0, outside 1..=65536"),
        (json!({"limits": {"max_in_flight": 65537}}), "limits.max_in_flight is 65537"),
        (json!({"limits": {"max_body_len": 1_048_577}}), "limits.max_body_len is 1048577, outside 1024..=1048576"),
        (json!({"limits": {"max_relay_connections": 0}}), "limits.max_relay_connections"),
        (json!({"timeouts_ms": {"request": 99}}), "timeouts_ms.request is 99, outside 100..=300000"),
        (json!({"timeouts_ms": {"write": 300_001}}), "timeouts_ms.write"),
        (json!({"store": {"directory": "keys"}}), "store.directory: keys is not an absolute path"),
        (json!({"credentials": {"file": "x"}}), "credentials.file"),
        (json!({"tls": {"certificate_chain": "a", "private_key": "/b"}}), "tls.certificate_chain"),
        (json!({"extra": 1}), "unknown field `extra`"),
        (json!({"limits": {"extra": 1}}), "unknown field `extra`"),
        (json!({"listen": "localhost"}), "field listen: \"localhost\" is not an address"),
        (json!({"enclave": "vsock:16"}), "field enclave: \"vsock:16\""),
        (json!({"relays": [{"listen": "vsock:3:8000", "target": "kms"}]}), "field relays[0].target: \"kms\""),
        (json!({"relays": [{"listen": "vsock:3:8000", "target": "vsock:16:x"}]}), "target: \"vsock:16:x\""),
        (json!({"relays": [{"listen": "vsock:3:8000", "target": "tcp:kms:443"}]}), "target: \"tcp:kms:443\""),
        (json!({"relays": [{"listen": "vsock", "target": "kms:443"}]}), "field relays[0].listen: \"vsock\""),
        (json!({"credentials": "instance"}), "unknown variant `instance`"),
    ] {
        let changed = parse(|document| {
            for (name, value) in change.as_object().unwrap() {
                document[name] = value.clone();
            }
        });
        let message = changed.unwrap_err().to_string();
        assert!(message.contains(field), "{message} lacks {field}");
    }
}

#[test]
fn address_of_two_relays_is_refused() {
    let relay = json!({"listen": "vsock:3:8000", "target": "kms.us-east-1.amazonaws.com:443"});
    let refused = parse(|document| document["relays"] = json!([relay, relay])).unwrap_err();
    assert!(matches!(refused, ConfigError::RepeatedRelay { .. }), "{refused}");
}

#[test]
fn a_relay_to_the_enclaves_parent_port_is_refused() {
    for enclave in [None, Some("unix:/run/enclave.sock")] {
        let target = enclave.unwrap_or("vsock:16:5000");
        let refused = parse(|document| {
            enclave.into_iter().for_each(|enclave| document["enclave"] = json!(enclave));
            document["relays"] = json!([{"listen": "tcp:0.0.0.0:5001", "target": target}]);
        });
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ConfigError::RelayToParentPort { .. }), "{refused}");
    }
}

#[test]
fn files_that_are_missing_too_long_or_not_pem_are_named() {
    let missing = Config::from_file(Path::new("/nonexistent/parent.json")).unwrap_err();
    assert!(matches!(missing, ConfigError::Unreadable { .. }), "{missing}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parent.json");
    std::fs::write(&path, " ".repeat(64 * 1024 + 1)).unwrap();
    assert!(matches!(Config::from_file(&path), Err(ConfigError::FileTooLong { max: 65_536, .. })));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(Config::from_file(&path), Err(ConfigError::Malformed { .. })));

    let empty = dir.path().join("empty.pem");
    write_private(&empty, "");
    let refused = parse(|document| document["tls"]["certificate_chain"] = json!(empty)).unwrap_err();
    assert!(matches!(refused, ConfigError::MalformedPem { field: "tls.certificate_chain", .. }), "{refused}");
    let refused = parse(|document| document["tls"]["private_key"] = json!(empty)).unwrap_err();
    assert!(matches!(refused, ConfigError::MalformedPem { field: "tls.private_key", .. }), "{refused}");
}

#[test]
fn private_key_that_group_or_others_may_read_is_refused_with_the_mode_wanted() {
    for mode in [0o640, 0o604, 0o644] {
        let mut named = String::new();
        let refused = parse(|document| {
            document["tls"]["private_key"].as_str().unwrap().clone_into(&mut named);
            std::fs::set_permissions(&named, Permissions::from_mode(mode)).unwrap();
        });
        let error = refused.unwrap_err();
        assert!(matches!(error, ConfigError::OpenToOthers { mode: found, .. } if found == mode), "{error}");
        let message = error.to_string();
        assert!(message.contains(&named) && message.contains("600"), "{message}");
    }
}

#[test]
fn private_key_is_not_printed() {
    let tls = TestTls::generate();
    let printed = format!("{:?}", parse(|_| {}).unwrap());
    assert!(printed.contains("TlsIdentity { certificates: 1, .. }"), "{printed}");
    assert!(!tls.key_pem.is_empty() && !printed.contains("Pkcs8"), "{printed}");
}

/// Reads a good configuration after `change` has changed it.
fn parse(change: impl FnOnce(&mut Value)) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let tls = TestTls::generate();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    std::fs::write(&chain, &tls.certificate_pem).unwrap();
    write_private(&key, &tls.key_pem);
    let mut document = json!({
        "listen": "0.0.0.0:443",
        "tls": {"certificate_chain": chain, "private_key": key},
        "store": {"directory": "/var/lib/keys"},
        "credentials": "environment",
    });
    change(&mut document);
    let path = dir.path().join("parent.json");
    std::fs::write(&path, document.to_string()).unwrap();
    Config::from_file(&path)
}
