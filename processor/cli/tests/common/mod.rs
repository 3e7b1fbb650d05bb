//! What the tests of the command share: the real binary, and topics of their own on a real broker.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod load;

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
#[derive(Clone)]
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

    /// Gives a setting a name of its own, made from that of the message topic.
    pub fn with(mut self, variable: &str) -> Kafka {
        let own = self.variables["GAVEL_TOPICS_MESSAGES"].replace("-messages", "");
        self.variables.insert(variable.to_owned(), own);
        self
    }

    /// Gives a setting a value.
    pub fn set(mut self, variable: &str, value: &str) -> Kafka {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
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

/// A processor of these topics, in a process of its own. Killed when dropped.
pub struct Running {
    child: std::process::Child,
    data_dir: tempfile::TempDir,
    lanes: usize,
    variables: BTreeMap<String, String>,
}

impl Kafka {
    /// Starts `gavel run` on a data directory of its own.
    pub fn start_processor(&self, lanes: usize) -> Running {
        self.start_processor_with(lanes, &[])
    }

    /// As `start_processor`, with settings of its own.
    pub fn start_processor_with(&self, lanes: usize, own: &[(&str, &str)]) -> Running {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let mut variables = self.variables.clone();
        variables.extend(
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let child = spawn_processor(&variables, lanes, data_dir.path());
        Running {
            child,
            data_dir,
            lanes,
            variables,
        }
    }

    /// All verdicts, without repeats.
    pub fn verdicts(&self) -> Vec<serde_json::Value> {
        self.run(&["verdicts", "--from", "beginning", "--output", "json"])
            .expect(0)
            .json()
    }

    /// Waits until there are this many verdicts. Bounded by silence, not by speed.
    #[track_caller]
    pub fn wait_for_verdicts(&self, count: usize) -> Vec<serde_json::Value> {
        let (mut seen, mut since) = (0, std::time::Instant::now());
        loop {
            let verdicts = self.verdicts();
            if verdicts.len() >= count {
                return verdicts;
            }
            if verdicts.len() > seen {
                (seen, since) = (verdicts.len(), std::time::Instant::now());
            }
            assert!(
                since.elapsed() < SILENCE,
                "{seen} of {count} verdicts, and none for {} s",
                SILENCE.as_secs()
            );
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

fn spawn_processor(
    variables: &BTreeMap<String, String>,
    lanes: usize,
    data_dir: &Path,
) -> std::process::Child {
    let lanes = lanes.to_string();
    let arguments = [
        "run",
        "--lanes",
        &lanes,
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        text(data_dir),
        "--log-format",
        "json",
    ];
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(data_dir.join("log"))
        .expect("the log is created");
    Command::new(env!("CARGO_BIN_EXE_gavel"))
        .args(arguments)
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}

/// How long nothing may happen before a test gives up.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

impl Running {
    /// Ends the process as a power cut does and starts it again on its data directory.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ends");
        self.start_again();
    }

    /// Starts the process again, which has ended, on its data directory.
    pub fn start_again(&mut self) {
        // The address in it is that of the process before.
        let _none = std::fs::remove_file(self.data_dir.path().join("http.addr"));
        self.child = spawn_processor(&self.variables, self.lanes, self.data_dir.path());
    }

    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// What the process has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.path().join("log")).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the process can be asked")
            .is_none()
    }

    /// The body of an HTTP page, once the server listens.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        use std::io::Read as _;
        let since = std::time::Instant::now();
        loop {
            let address =
                std::fs::read_to_string(self.data_dir.path().join("http.addr")).unwrap_or_default();
            if let Ok(mut stream) = std::net::TcpStream::connect(address.trim()) {
                let request =
                    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
                stream
                    .write_all(request.as_bytes())
                    .expect("the request is sent");
                let mut page = String::new();
                stream.read_to_string(&mut page).expect("the page is text");
                return page;
            }
            assert!(since.elapsed() < SILENCE, "no HTTP; log:\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Waits until it is ready.
    #[track_caller]
    pub fn wait_ready(&self) {
        let since = std::time::Instant::now();
        while !self.get("/readyz").starts_with("HTTP/1.1 200") {
            assert!(
                since.elapsed() < SILENCE,
                "not ready: {}\nlog:\n{}",
                self.get("/readyz"),
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the signal is sent");
    }

    /// Asks it to stop and waits: exit code and how long it took.
    pub fn stop(&mut self) -> (i32, std::time::Duration) {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end: exit code and how long it took from now.
    pub fn wait(&mut self) -> (i32, std::time::Duration) {
        let since = std::time::Instant::now();
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), since.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
