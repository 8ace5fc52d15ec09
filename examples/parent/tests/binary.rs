//! The binary: a configuration file in, a served API, a signal, a clean end.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::{FakeEnclave, TestTls, in_time, write_private};

#[tokio::test]
async fn binary_serves_until_it_is_told_to_stop() {
    for stop in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let tls = TestTls::generate();
        std::fs::write(path("chain.pem"), &tls.certificate_pem).unwrap();
        write_private(&path("key.pem"), &tls.key_pem);
        let config = json!({
            "listen": "127.0.0.1:0",
            "tls": {"certificate_chain": path("chain.pem"), "private_key": path("key.pem")},
            "enclave": format!("unix:{}", path("enclave.sock").display()),
            "store": {"directory": path("keys")},
            "credentials": "environment",
        });
        std::fs::write(path("parent.json"), config.to_string()).unwrap();
        let enclave = FakeEnclave::start(path("enclave.sock")).await;
        let mut child = Command::new(env!("CARGO_BIN_EXE_parent"))
            .arg("--config")
            .arg(path("parent.json"))
            .arg("--log-json")
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "fake-secret-for-tests")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let addr = in_time("the parent says where it serves", async {
            loop {
                let line = log.next_line().await.unwrap().expect("the parent logs until it is told to stop");
                let event: serde_json::Value = serde_json::from_str(&line).unwrap();
                if let Some(addr) = event["fields"]["https"].as_str() {
                    break addr.parse().unwrap();
                }
            }
        })
        .await;
        tls.client(addr).create_key("eip155", b"{}").await.unwrap();
        let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, stop).unwrap();
        let mut rest = String::new();
        let status = in_time("the parent has ended", async {
            while let Some(line) = log.next_line().await.unwrap() {
                rest.push_str(&line);
            }
            child.wait().await.unwrap()
        })
        .await;
        assert!(status.success(), "{rest}");
        assert!(rest.contains("the parent has stopped") && !rest.contains("fake-secret"), "{rest}");
        enclave.stop().await;
    }
}

#[tokio::test]
async fn configuration_that_cannot_be_used_is_named_and_ends_with_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_parent")).args(["--config", "/nonexistent"]).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nonexistent"));
}
