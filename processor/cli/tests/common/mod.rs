//! What the tests of the command share: the real binary, and topics of their own on a real broker.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use gavel_runtime::config::{Config, Sources};

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The output's lines as JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Fails with everything printed unless the command ended like this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// As `expect`, with an error that says this.
    #[track_caller]
    pub fn expect_error(self, code: i32, part: &str) -> Ran {
        let ran = self.expect(code);
        assert!(
            ran.stderr.contains(part),
            "`{part}` is missing in:\n{}",
            ran.stderr
        );
        ran
    }
}

/// Runs the binary with these arguments, this input and these variables, and no other setting.
pub fn gavel(arguments: &[&str], input: &[u8], variables: &BTreeMap<String, String>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gavel"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GAVEL_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    // A command may end before it has read everything.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the binary ends");
    feeder.join().expect("the feeder ends");
    Ran {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("errors are UTF-8"),
    }
}

/// As `gavel`, without input and variables.
pub fn run(arguments: &[&str]) -> Ran {
    gavel(arguments, b"", &BTreeMap::new())
}

/// As text, for arguments.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// A real broker, with topics for one test.
pub struct Kafka {
    pub variables: BTreeMap<String, String>,
}

impl Kafka {
    /// Names topics that no other test and no other run has.
    pub fn for_test(name: &str) -> Kafka {
        let servers = std::env::var("GAVEL_TEST_KAFKA").unwrap_or_else(|_| {
            panic!(
                "this test needs a real Kafka: run scripts/test, or start one with scripts/kafka start and set \
                 GAVEL_TEST_KAFKA to the address that it prints"
            )
        });
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        let topic = |kind: &str| format!("test-{name}-{}-{kind}", now.as_nanos());
        let mut variables = BTreeMap::from([("GAVEL_KAFKA_BOOTSTRAP_SERVERS".to_owned(), servers)]);
        for kind in ["messages", "verdicts", "dead_letters", "control", "shadow"] {
            variables.insert(format!("GAVEL_TOPICS_{}", kind.to_uppercase()), topic(kind));
        }
        Kafka { variables }
    }

    /// Runs the binary against these topics.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        gavel(arguments, input, &self.variables)
    }

    /// The configuration that the binary gets.
    pub fn config(&self) -> Config {
        let environment = self.variables.clone().into_iter().collect();
        Config::load(&Sources {
            environment,
            ..Sources::default()
        })
        .expect("the settings are valid")
    }
}
