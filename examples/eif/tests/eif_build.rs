//! Against `eif_build`, AWS's builder, whose path is in `NITRO_EIF_BUILD`. Without it this says so and passes.
//!
//! It is installed by `cargo install --locked eif_build --version 0.2.1` and needs OpenSSL's headers (Debian: `libssl-dev
//! pkg-config`), which is why it is nobody's dependency.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use eif::{Architecture, EifImage, Entry, Metadata, Ramdisk, Signer};
use nsm_attest::{Pcrs, UnixTime};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

struct Peer {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Peer {
    fn find() -> Option<Self> {
        let Some(program) = std::env::var_os("NITRO_EIF_BUILD") else {
            // Not `println!`: the test harness swallows that of a test that passes.
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            let skipped = writeln!(io::stderr(), "{test} skipped: NITRO_EIF_BUILD is not set");
            skipped.expect("standard error is open");
            return None;
        };
        Some(Self { program: program.into(), folder: tempfile::tempdir().unwrap() })
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The image that it makes of the parts of `image`, and the registers that it prints.
    fn build(&self, image: &EifImage, signer: Option<(&str, &str)>) -> (Vec<u8>, Value) {
        let output = self.folder.path().join("image.eif");
        let metadata = image.metadata().unwrap();
        let built = &metadata.build_metadata;
        let mut command = Command::new(&self.program);
        command.arg("--kernel").arg(self.write("kernel", image.kernel())).arg("--output").arg(&output);
        for (at, ramdisk) in image.ramdisks().iter().enumerate() {
            command.arg("--ramdisk").arg(self.write(&format!("ramdisk-{at}"), ramdisk));
        }
        if let Some((key, certificate)) = signer {
            command.arg("--private-key").arg(self.write("key.pem", key.as_bytes()));
            command.arg("--signing-certificate").arg(self.write("certificate.pem", certificate.as_bytes()));
        }
        let arch = if image.architecture() == Architecture::Aarch64 { "aarch64" } else { "x86_64" };
        command.args(["--cmdline", image.command_line(), "--name", &metadata.image_name, "--arch", arch]);
        command.args(["--build-time", &built.build_time, "--build-tool", &built.build_tool]);
        command.args(["--build-tool-version", &built.build_tool_version, "--img-os", &built.operating_system]);
        let run = command.args(["--img-kernel", &built.kernel_version]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let text = String::from_utf8(run.stdout).unwrap();
        let json = text.split_once('{').map(|(_, json)| format!("{{{json}")).unwrap();
        (fs::read(output).unwrap(), serde_json::from_str(&json).unwrap())
    }
}

/// Its version is its name: `eif_build` 0.2.1 takes one for the other.
fn image(architecture: Architecture, compress: bool) -> EifImage {
    let mut boot = Ramdisk::boot();
    boot.insert("/init".parse().unwrap(), Entry::File { mode: 0o755, content: vec![b'i'; 100_001] }).unwrap();
    let mut application = Ramdisk::new();
    application.insert("/etc/a".parse().unwrap(), Entry::File { mode: 0o644, content: b"a".to_vec() }).unwrap();
    let archive = if compress { Ramdisk::to_cpio_gz } else { Ramdisk::to_cpio };
    let ramdisks = [boot, application.clone(), application].iter().map(archive).collect();
    let kernel = (0..=255).cycle().take(77_777).collect();
    EifImage::new(architecture, kernel, "reboot=k console=ttyS0", &Metadata::new("peer", "peer"), ramdisks).unwrap()
}

#[test]
fn unsigned_images_are_equal_byte_for_byte_and_so_are_their_registers() {
    let Some(peer) = Peer::find() else { return };
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        for compress in [false, true] {
            let ours = image(architecture, compress);
            let (theirs, registers) = peer.build(&ours, None);
            assert_eq!(serde_json::to_value(ours.measure()).unwrap(), registers);
            assert_eq!(EifImage::from_bytes(&theirs).as_ref(), Ok(&ours));
            assert!(ours.to_bytes() == theirs, "the files differ");
        }
    }
}

#[test]
fn signed_images_have_the_same_registers_and_verify() {
    let Some(peer) = Peer::find() else { return };
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
    let signer = Signer::from_pem(key.serialize_pem().as_bytes(), certificate.as_bytes()).unwrap();
    let ours = image(Architecture::X86_64, false).sign(&signer).unwrap();
    let (theirs, registers) = peer.build(&ours, Some((&key.serialize_pem(), &certificate)));
    assert_eq!(serde_json::to_value(ours.measure()).unwrap(), registers);
    assert!(registers["PCR8"].is_string());
    let theirs = EifImage::from_bytes(&theirs).unwrap();
    let expected: Pcrs = ours.measure().pcrs();
    theirs.verify(&expected, UnixTime::from_secs(1_800_000_000)).unwrap();
    // All but the signature is the same: ECDSA takes a random number.
    let without_signature = |image: &EifImage| {
        image
            .sections()
            .into_iter()
            .take(6)
            .map(|(kind, content)| (kind.to_string(), content.to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(without_signature(&ours), without_signature(&theirs));
    let section = |image: &EifImage| image.sections().last().unwrap().1.to_vec();
    let (ours, theirs) = (section(&ours), section(&theirs));
    let at = ours.windows(9).rposition(|window| window == b"signature").unwrap();
    assert_eq!(ours[..at], theirs[..at]);
}
