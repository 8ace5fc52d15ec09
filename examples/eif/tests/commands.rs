//! The command line: what it prints, its exit codes, and what a release may not have.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::digest::{SHA384, digest};
use eif::{EifImage, SIMULATION_MARKERS};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

struct Folder(tempfile::TempDir);

struct Run {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    fn reason(&self) -> String {
        self.json()["error"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl Folder {
    /// With a kernel, an `/init` and its build record, a configuration, and a list of them.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("kernel", "kernel");
        folder.write("signer.json", r#"{"version": 1}"#);
        folder.write("list", "file /init 0755 enclave\nfile /etc/signer.json 0644 signer.json\n");
        folder.write_init("enclave");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn write_init(&self, content: &str) {
        self.write("enclave", content);
        self.write("record", record(content, &["nsm-attest/device", "default"]).to_string());
    }

    /// Runs a command, whose words that begin with `@` are files of the folder.
    fn run(&self, command: &str) -> Run {
        let word = |word: &str| match word.split_once('@') {
            Some((before, name)) => OsString::from(format!("{before}{}", self.path(name).display())),
            None => word.into(),
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let words = ["eif"].into_iter().chain(command.split_whitespace()).map(word);
        let code = eif::cli::run(words, &mut stdout, &mut stderr);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code, stdout: text(stdout), stderr: text(stderr) }
    }

    fn build(&self, more: &str) -> Run {
        self.run(&format!("build --json --kernel @kernel --cmdline console=ttyS0 --output @image {more}"))
    }

    fn release(&self, more: &str) -> Run {
        self.build(&format!("--ramdisk @list --release --build-record @record {more}"))
    }

    fn write_signer(&self) {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        self.write("key.pem", key.serialize_pem());
        self.write("certificate.pem", certificate.pem());
    }
}

fn record(init: &str, features: &[&str]) -> Value {
    json!({
        "version": 1,
        "package": "enclave",
        "binary_sha384": hex::encode(digest(&SHA384, init.as_bytes())),
        "features": features,
        "rustc": "rustc 1.95.0",
        "target": "x86_64-unknown-linux-gnu",
    })
}

#[test]
fn build_measure_describe_and_verify_agree() {
    let folder = Folder::new();
    let built = folder.build("--ramdisk @list --name signer --version 2 --build-time 2026-01-01T00:00:00Z");
    assert_eq!(built.code, 0, "{}", built.stderr);
    let pcr0 = built.json()["Measurements"]["PCR0"].as_str().unwrap().to_owned();
    assert_eq!(folder.run("measure --json @image").json(), built.json());
    let described = folder.run("describe @image").json();
    assert_eq!(described["Measurements"], built.json()["Measurements"]);
    assert_eq!(described["Metadata"]["ImageName"], "signer");
    assert_eq!(described["Metadata"]["ImageVersion"], "2");
    assert_eq!(described["Metadata"]["BuildMetadata"]["BuildTime"], "2026-01-01T00:00:00Z");
    let verified = folder.run(&format!("verify --json @image --pcr0 {pcr0} --at 2026-01-01T00:00:00Z")).json();
    let expected = json!({
        "verified": true, "measurements": built.json()["Measurements"], "compared_pcrs": [0], "signer": null,
        "at": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(verified, expected);
    let text = folder.run(&format!("verify @image --pcr0 {pcr0}")).stdout;
    assert!(text.starts_with(&format!("verified: not signed\nPCR0  {pcr0}  as expected\n")), "{text}");
    let other = folder.run(&format!("verify --json @image --pcr0 {}", "00".repeat(48)));
    assert_eq!((other.code, other.reason().as_str()), (1, "PcrMismatch"));
}

#[test]
fn the_same_input_gives_the_same_bytes_wherever_it_is_and_however_it_is_given() {
    let image = |folder: &Folder, more: &str| {
        let run = folder.build(more);
        assert_eq!(run.code, 0, "{}", run.stderr);
        fs::read(folder.path("image")).unwrap()
    };
    let (one, two) = (Folder::new(), Folder::new());
    two.write("list", "# in another order\nfile /etc/signer.json 0644 signer.json\n\nfile /init 0755 enclave\n");
    for more in ["--ramdisk @list", "--ramdisk @list --compress"] {
        assert_eq!(image(&one, more), image(&two, more));
    }
    let files = "--file /etc/signer.json=@signer.json --file /init=@enclave";
    assert_eq!(image(&one, "--ramdisk @list"), image(&two, files));
    one.write("cmdline", "console=ttyS0\n");
    let run = one.run("build --kernel @kernel --cmdline-file @cmdline --ramdisk @list --output @other");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(fs::read(one.path("other")).unwrap(), image(&two, "--ramdisk @list"));
}

#[test]
fn compression_makes_an_image_smaller_and_the_first_ramdisk_has_the_devices() {
    let folder = Folder::new();
    folder.write_init(&"enclave ".repeat(10_000));
    assert_eq!(folder.build("--ramdisk @list").code, 0);
    let plain = EifImage::from_bytes(&fs::read(folder.path("image")).unwrap()).unwrap();
    assert_eq!(folder.build("--ramdisk @list --compress").code, 0);
    let compressed = EifImage::from_bytes(&fs::read(folder.path("image")).unwrap()).unwrap();
    assert!(compressed.ramdisks()[0].len() * 10 < plain.ramdisks()[0].len());
    folder.write("application", "dir /data 0700 -\n");
    assert_eq!(folder.build("--ramdisk @list --ramdisk @application").code, 0);
    let two = EifImage::from_bytes(&fs::read(folder.path("image")).unwrap()).unwrap();
    let has_console: Vec<_> =
        two.ramdisks().iter().map(|disk| disk.windows(11).any(|window| window == b"dev/console")).collect();
    assert_eq!(has_console, [true, false]);
    assert_eq!(two.ramdisks()[0], plain.ramdisks()[0]);
}

#[test]
fn an_image_is_signed_when_it_is_built_or_later() {
    let folder = Folder::new();
    folder.write_signer();
    let built = folder.build("--ramdisk @list --sign @key.pem @certificate.pem");
    assert_eq!(built.code, 0, "{}", built.stderr);
    let pcr8 = built.json()["Measurements"]["PCR8"].as_str().unwrap().to_owned();
    assert_eq!(folder.build("--ramdisk @list").code, 0);
    let signed = folder.run("sign --json @image --key @key.pem --certificate @certificate.pem --output @image");
    assert_eq!(signed.json(), built.json());
    let verified = folder.run(&format!("verify @image --pcr8 {pcr8}"));
    assert!(verified.stdout.starts_with("verified: signed by CN=rcgen self signed cert, "), "{}", verified.stderr);
    let late = folder.run(&format!("verify --json @image --pcr8 {pcr8} --at 9999-01-01T00:00:00Z"));
    assert_eq!((late.code, late.reason().as_str()), (1, "CertificateExpired"));
}

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let folder = Folder::new();
    folder.write("nonsense", "nonsense");
    folder.write("bad-list", "file /init");
    folder.write("missing-list", "file /init 0755 missing");
    for (code, command) in [
        (0, "--help"),
        (0, "--version"),
        (2, "measure @nonsense"),
        (2, "describe @nonsense"),
        (2, "verify @nonsense --pcr0 ZEROS"),
        (2, "build --kernel @kernel --cmdline x --ramdisk @bad-list --output @x"),
        (2, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --sign @kernel @kernel"),
        (2, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --release --build-record @kernel"),
        (3, "measure @missing"),
        (3, "measure @"),
        (3, "build --kernel @missing --cmdline x --ramdisk @list --output @x"),
        (3, "build --kernel @kernel --cmdline x --ramdisk @missing-list --output @x"),
        (3, "build --kernel @kernel --cmdline x --ramdisk @list --output @no/such/folder"),
        (3, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --release --build-record @missing"),
        (64, "nonsense"),
        (64, "verify @image"),
        (64, "verify @image --pcr0 00"),
        (64, "verify @image --at yesterday"),
        (64, "build --kernel @kernel --cmdline x --output @x"),
        (64, "build --kernel @kernel --ramdisk @list --output @x"),
        (64, "build --kernel @kernel --cmdline x --cmdline-file @x --ramdisk @list --output @x"),
        (64, "build --kernel @kernel --cmdline x --ramdisk @list --file /a=@kernel --output @x"),
        (64, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --release"),
        (64, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --build-record @record"),
        (64, "build --kernel @kernel --cmdline x --ramdisk @list --output @x --build-time now"),
    ] {
        let run = folder.run(&command.replace("ZEROS", &"00".repeat(48)));
        assert_eq!(run.code, code, "{command}: {}", run.stderr);
        assert_eq!(run.stdout.is_empty(), code != 0, "{command}");
        assert_eq!(run.stderr.is_empty(), code == 0, "{command}");
    }
    assert!(!folder.path("x").exists());
    let run = folder.run("measure --json @nonsense");
    assert_eq!((run.json()["error"]["kind"].as_str(), run.reason().as_str()), (Some("malformed"), "Truncated"));
}

#[test]
fn what_an_image_says_cannot_move_a_terminal() {
    let folder = Folder::new();
    let name = "\u{1b}[2J\u{202e}";
    assert_eq!(folder.build(&format!("--ramdisk @list --name {name}")).code, 0);
    let run = folder.run("describe @image");
    assert!(run.stdout.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    assert_eq!(run.json()["Metadata"]["ImageName"], name);
}

#[test]
fn an_image_fit_for_release_is_built() {
    let folder = Folder::new();
    folder.write("signer.json", r#"{"danger": null, "kms": {"region": "us-east-1"}}"#);
    folder.write("other", "dir /data 0755 -\n");
    let run = folder.release("--ramdisk @other --compress");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(folder.run("measure --json @image").json(), run.json());
}

fn assert_refused(folder: &Folder, more: &str, reason: &str) {
    drop(fs::remove_file(folder.path("image")));
    let run = folder.release(more);
    assert_eq!((run.code, run.reason().as_str()), (1, reason), "{}", run.stderr);
    assert_eq!(run.json()["error"]["kind"], "refused");
    assert!(!folder.path("image").exists(), "nothing is written");
}

#[test]
fn a_release_has_no_configuration_that_waives_or_replaces_anything() {
    for (configuration, reason) in [
        (r#"{"a": [{"danger": {"debug": true}}]}"#, "Danger"),
        (r#"{"danger_accept_debug": false}"#, "Danger"),
        (r#"{"kms": {"endpoint": "https://localhost"}}"#, "Override"),
        (r#"{"kms": {"tls_roots": []}}"#, "Override"),
        (r#"{"trust_anchor": "AAAA"}"#, "Override"),
        ("{", "UnreadableConfiguration"),
        (r#"{"a": 1, "a": 1}"#, "UnreadableConfiguration"),
        // How serde reads a configuration whose last member is `danger`.
        (
            r#"[1, ["us-east-1", [], "vsock:3:8000"], "vsock:any:5000", "vsock:3:9000", [], null, [["MIIB"]]]"#,
            "UnreadableConfiguration",
        ),
    ] {
        let folder = Folder::new();
        folder.write("signer.json", configuration);
        assert_refused(&folder, "", reason);
        // In whatever ramdisk and folder below /etc it is.
        folder.write("list", "file /init 0755 enclave\n");
        folder.write("other", "file /etc/a/b.JSON 0644 signer.json\n");
        assert_refused(&folder, "--ramdisk @other", reason);
    }
}

#[test]
fn a_release_has_the_binary_of_its_record_at_init_and_no_other() {
    let folder = Folder::new();
    folder.write("enclave", "another");
    assert_refused(&folder, "", "OtherBinary");
    folder.write_init("enclave");
    folder.write("other", "file /init 0755 enclave\n");
    assert_refused(&folder, "--ramdisk @other", "InitReplaced");
    folder.write("other", "link /init - /tmp/x\n");
    assert_refused(&folder, "--ramdisk @other", "InitReplaced");
    for list in ["dir /data 0755 -\n", "file /data/init 0755 enclave\n", "link /init - /enclave\n"] {
        folder.write("list", list);
        assert_refused(&folder, "", "InitMissing");
    }
}

#[test]
fn a_release_has_no_program_but_its_init_and_that_one_can_be_started() {
    let folder = Folder::new();
    for path in ["/sbin/init", "/sbin/modprobe", "/lib/modules/x.ko"] {
        folder.write("other", format!("file {path} 0644 enclave\n"));
        assert_eq!(folder.release("--ramdisk @other").code, 0, "{path}");
        for mode in ["0755", "0641", "0654", "4744"] {
            folder.write("other", format!("file {path} {mode} enclave\n"));
            assert_refused(&folder, "--ramdisk @other", "OtherProgram");
        }
    }
    folder.write("list", "file /init 0644 enclave\nfile /sbin/init 0755 enclave\n");
    assert_refused(&folder, "", "InitNotExecutable");
}

#[test]
fn a_release_has_no_links_and_no_devices_where_its_configuration_is() {
    let folder = Folder::new();
    for device in ["char /etc 0600 5:1\n", "char /etc/signer.json 0600 5:1\n"] {
        folder.write("other", device);
        assert_refused(&folder, "--ramdisk @other", "Device");
    }
    for link in ["link /etc - /opt\n", "link /etc/x.json - /opt/x.json\n", "link /etc/a - b\n"] {
        folder.write("other", link);
        assert_refused(&folder, "--ramdisk @other", "Link");
    }
}

#[test]
fn a_release_starts_its_init() {
    let folder = Folder::new();
    let with = |line: &str| {
        folder.write("cmdline", line);
        let inputs = "--kernel @kernel --cmdline-file @cmdline --ramdisk @list --output @image";
        folder.run(&format!("build --json {inputs} --release --build-record @record"))
    };
    assert_eq!(with("console=ttyS0 rdinit=/init").code, 0);
    assert_eq!(with("xrdinit=/x init=/init").code, 0);
    for line in ["rdinit=/bin/sh", "a  rdinit=/x", "rdinit=", "rdinit=/init rdinit=/x", "init=/bin/sh"] {
        let run = with(line);
        assert_eq!((run.code, run.reason().as_str()), (1, "OtherInit"), "{line}");
    }
    // Linux cuts the line at each of these, the last of which ends in its byte 0xa0; within quotes, at none.
    for separator in ["\t", "\n", "\u{b}", "\u{c}", "\r", "\u{a0}", "\u{e0}", "\""] {
        let run = with(&format!("quiet{separator}rdinit=/x"));
        assert_eq!((run.code, run.reason().as_str()), (1, "CommandLineCharacter"), "{separator:?}");
    }
}

#[test]
fn a_release_has_no_feature_that_simulates_or_waives_checks() {
    let folder = Folder::new();
    for feature in ["sim", "nsm-attest/sim", "kms-enclave-client?/sim", "Sim", "danger", "nsm-attest/danger-debug"] {
        folder.write("record", record("enclave", &["default", feature]).to_string());
        assert_refused(&folder, "", "Feature");
    }
    for feature in ["simd", "aws-lc-rs/fips", "x/simple"] {
        folder.write("record", record("enclave", &[feature]).to_string());
        assert_eq!(folder.release("").code, 0, "{feature}");
    }
}

#[test]
fn a_release_has_no_file_with_a_simulation_in_it() {
    for marker in SIMULATION_MARKERS {
        let folder = Folder::new();
        folder.write_init(&format!("\x7fELF{marker}\0"));
        assert_refused(&folder, "", "Simulation");
        folder.write_init("enclave");
        folder.write("library", marker);
        folder.write("other", "file /lib/library 0644 library\n");
        assert_refused(&folder, "--ramdisk @other", "Simulation");
    }
}

/// By a shell, in a folder that has what they name, with the binary.
#[test]
fn commands_of_the_readme_run() {
    let folder = Folder::new();
    folder.write_signer();
    let readme = include_str!("../README.md");
    let list = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    folder.write("boot.list", list);
    folder.write("bzImage", "kernel");
    folder.write("cmdline", "console=ttyS0\n");
    let commands: Vec<_> = readme.lines().filter(|line| line.starts_with("eif ")).collect();
    assert_eq!(commands.len(), 6);
    for command in commands {
        let measured = |image: &str| match folder.path(image).exists() {
            true => folder.run(&format!("measure --json @{image}")).json()["Measurements"].clone(),
            false => Value::Null,
        };
        let measurements = measured("signed.eif");
        let register = |name: &str| measurements[name].as_str().unwrap_or_default().to_owned();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_eif"));
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let mut shell = Command::new("sh");
        shell.args(["-ec", command]).current_dir(folder.path("")).env("PATH", path);
        let run = shell.env("PCR0", register("PCR0")).env("PCR8", register("PCR8")).output().unwrap();
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    }
}
