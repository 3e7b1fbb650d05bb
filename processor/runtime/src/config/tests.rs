use super::*;

fn load(toml: &str, environment: &[(&str, &str)], flags: &[Flag]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gavel.toml");
    std::fs::write(&file, toml).expect("the file can be written");
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load(&Sources {
        file: Some(file),
        environment,
        flags: flags.to_vec(),
        properties: Vec::new(),
    })
}

fn refused(toml: &str) -> String {
    load(toml, &[], &[])
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn the_defaults_pass_their_own_checks() {
    assert_eq!(Config::default().problems(), Vec::<String>::new());
    assert_eq!(
        Config::load(&Sources::default()).expect("defaults load"),
        Config::default()
    );
}

#[test]
fn every_key_says_its_default() {
    for (section, keys) in Config::sections() {
        for key in *keys {
            assert!(
                key.doc.contains("Default"),
                "[{section}] {} has no documented default",
                key.name
            );
        }
    }
}

#[test]
fn the_last_source_wins() {
    let toml =
        "[run]\nlanes = 2\nepoch_ms = 200\n[topics]\nmessages = \"from.file\"\nverdicts = \"v\"";
    let environment = [
        ("GAVEL_RUN_LANES", "3"),
        ("GAVEL_TOPICS_MESSAGES", "from.env"),
        ("GAVEL_TOPICS_DEAD_LETTERS", "d"),
    ];
    let flag = Flag {
        name: "--lanes",
        section: "run",
        key: "lanes",
        value: "4".into(),
    };
    let config = load(toml, &environment, &[flag]).expect("valid");
    assert_eq!(config.run.lanes, 4);
    assert_eq!(config.run.epoch_ms, 200);
    assert_eq!(
        (
            config.topics.messages.as_str(),
            config.topics.verdicts.as_str()
        ),
        ("from.env", "v")
    );
    assert_eq!(config.topics.dead_letters, "d");
}

#[test]
fn a_typo_in_the_file_names_the_line_and_the_nearest_key() {
    let error = refused("[kafka]\ngroup = \"g\"\nbootstrap_server = \"x:1\"\n");
    assert!(error.contains("gavel.toml:3: unknown key `bootstrap_server` in [kafka]; did you mean `bootstrap_servers`?"), "{error}");
    let error = refused("\n[topic]\nmessages = \"m\"\n");
    assert!(
        error.contains("gavel.toml:2: unknown section `topic`; did you mean `topics`?"),
        "{error}"
    );
    let error = refused("[run]\nlanes = 1\nlanes = 2\n");
    assert!(error.contains("gavel.toml:3"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = refused("[run]\nlane = 1\nepoch_ms = \"soon\"\n[http]\nlisten = \"nowhere\"\n");
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(
        error.contains("gavel.toml:3: `run.epoch_ms`: expected a whole number, found a string"),
        "{error}"
    );
}

#[test]
fn a_typo_in_a_variable_names_the_nearest_one_and_foreign_variables_are_left_alone() {
    let error = load("", &[("GAVEL_TOPICS_MESAGES", "m")], &[])
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        "GAVEL_TOPICS_MESAGES: no such setting; did you mean GAVEL_TOPICS_MESSAGES?"
    );
    let error = load("", &[("GAVEL_HTTP_COLOUR", "red")], &[])
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        "GAVEL_HTTP_COLOUR: no such setting; valid are: GAVEL_HTTP_LISTEN"
    );
    let foreign = [
        ("GAVEL_TEST_KAFKA", "x:1"),
        ("GAVEL_CACHE", "/c"),
        ("HOME", "/h"),
        ("GAVEL", ""),
    ];
    assert_eq!(
        load("", &foreign, &[]).expect("left alone"),
        Config::default()
    );
}

#[test]
fn byte_sizes_take_units() {
    let config = load(
        "[run]\ncontext_bytes = \"2 GiB\"\n[store]\nblock_cache_bytes = 1048576\n",
        &[],
        &[],
    )
    .expect("valid");
    assert_eq!(
        (config.run.context_bytes.0, config.store.block_cache_bytes.0),
        (2 << 30, 1 << 20)
    );
    let error = refused("[run]\ncontext_bytes = \"2 GB\"\n");
    assert!(
        error.contains("expected a number of bytes such as 67108864 or \"64 MiB\", found `2 GB`"),
        "{error}"
    );
    assert!(refused("[run]\ncontext_bytes = \"99999999999999 GiB\"\n").contains("too large"));
}

#[test]
fn couplings_are_checked() {
    assert!(
        refused("[run]\ndrain_ms = 2000\n")
            .contains("run.drain_ms (2000) is not less than a third")
    );
    assert!(refused("[kafka]\nheartbeat_ms = 3000\n").contains("lower it to at most 2000"));
    load(
        "[kafka]\nprotocol = \"consumer\"\nheartbeat_ms = 3000\n",
        &[],
        &[],
    )
    .expect("the broker's own settings count");
    assert!(
        refused("[run]\nlanes = 0\n").contains("run.lanes is 0: it must lie between 1 and 1024")
    );
    assert!(refused("[run]\nin_flight = 0\n").contains("run.in_flight is 0"));
    assert!(
        refused("[topics]\nverdicts = \"chat.messages\"\n")
            .contains("topics.messages and topics.verdicts are both `chat.messages`")
    );
    assert!(refused("[topics]\nshadow = \"no spaces\"\n").contains("topics.shadow is `no spaces`"));
}

#[test]
fn raw_settings_of_every_source_add_up() {
    let toml = "[kafka.properties]\nsecurity.protocol = \"ssl\"\n\"ssl.ca.location\" = \"/ca\"\nsocket.keepalive.enable = true\n";
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), toml).expect("the file can be written");
    let variable = "ssl.ca.location=/other; client.rack=a=b";
    let config = Config::load(&Sources {
        file: Some(file.path().to_owned()),
        environment: vec![("GAVEL_KAFKA_PROPERTIES".into(), variable.into())],
        flags: Vec::new(),
        properties: vec!["queued.min.messages=500".into(), "sasl.password=a;b".into()],
    })
    .expect("valid");
    let all: Vec<_> = config.kafka.properties.iter().collect();
    let expected = [
        ("client.rack", "a=b"),
        ("queued.min.messages", "500"),
        ("sasl.password", "a;b"),
        ("security.protocol", "ssl"),
        ("socket.keepalive.enable", "true"),
        ("ssl.ca.location", "/other"),
    ];
    assert_eq!(all, expected);
}

#[test]
fn raw_settings_that_the_contract_fixes_are_refused_with_the_reason() {
    for key in [
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "enable.gapless.guarantee",
        "partitioner",
        "check.crcs",
        "isolation.level",
        "message.max.bytes",
    ] {
        let error = refused(&format!("[kafka.properties]\n\"{key}\" = \"1\"\n"));
        assert!(error.contains(&format!("`{key}` is refused: ")), "{error}");
    }
    assert!(refused("[kafka.properties]\ngroup.id = \"x\"\n").contains("use kafka.group"));
}

#[test]
fn a_raw_setting_that_librdkafka_does_not_know_is_found_at_start() {
    let error = refused("[kafka.properties]\nsocket.timout.ms = 5\n");
    assert!(
        error.contains(
            "librdkafka knows no setting `socket.timout.ms`; did you mean `socket.timeout.ms`?"
        ),
        "{error}"
    );
    let error = refused("[kafka.properties]\nsocket.timeout.ms = \"soon\"\n");
    assert!(
        error.contains("kafka.properties: `socket.timeout.ms`"),
        "{error}"
    );
}

#[test]
fn passwords_are_not_shown() {
    let mut properties = Properties::default();
    properties.set("sasl.password", "hunter2");
    properties.set("sasl.username", "alice");
    let shown = format!("{properties:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("alice"),
        "{shown}"
    );
}

#[test]
fn ways_to_prove_who_one_is_are_named_and_do_not_contradict_each_other() {
    let with = |pairs: &[(&str, &str)]| {
        let environment = pairs
            .iter()
            .map(|(name, value)| (format!("GAVEL_KAFKA_{name}"), (*value).to_owned()))
            .collect();
        Config::load(&Sources {
            environment,
            ..Sources::default()
        })
    };
    let arn = "msk:arn:aws:kafka:eu-west-1:123456789012:cluster/gavel/0a1b-2";
    let config = with(&[("AUTH", "msk-iam"), ("BOOTSTRAP_SERVERS", arn)]).expect("loads");
    assert_eq!(config.kafka.cluster_arn(), arn.strip_prefix("msk:"));
    with(&[("AUTH", "token-file"), ("TOKEN_FILE", "/run/token")]).expect("loads");
    let plain = "security.protocol=SASL_PLAINTEXT";
    with(&[
        ("AUTH", "token-file"),
        ("TOKEN_FILE", "t"),
        ("PROPERTIES", plain),
    ])
    .expect("loads");
    for (pairs, expected) in [
        (&[("AUTH", "msk_iam")][..], "did you mean `msk-iam`"),
        (&[("AUTH", "token-file")], "names no file"),
        (&[("TOKEN_FILE", "/run/token")], "nothing would read it"),
        (&[("BOOTSTRAP_SERVERS", "msk:gavel-prod")], "is not the ARN"),
        (
            &[("AUTH", "msk-iam"), ("PROPERTIES", "sasl.username=x")],
            "`sasl.username` contradicts kafka.auth",
        ),
        (
            &[("AUTH", "msk-iam"), ("PROPERTIES", plain)],
            "`security.protocol` contradicts kafka.auth",
        ),
    ] {
        let said = with(pairs).expect_err("refused").to_string();
        assert!(said.contains(expected), "{said}");
    }
}
