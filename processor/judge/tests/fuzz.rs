//! Anything at all, for a few seconds: what libFuzzer does in `fuzz/` for as long as it is let.

mod checks;

use proptest::prelude::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What a policy file is made of, in any order.
fn policies() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("[policy]\nid = \"p\"\ntopics = [\"vulgar\"]".to_owned()),
        Just("[audience.default]\ndefault = { flag = 2, mask = 3 }".to_owned()),
        Just("lists = [\"list.csv\"]".to_owned()),
        Just("ordinary = [\"list.csv\"]".to_owned()),
        Just("[[term]]".to_owned()),
        Just("id = \"a\"\nmatch = [\"x\"]\ntopic = \"vulgar\"\nrisk = 3".to_owned()),
        Just("[[context]]\nid = \"f\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\ntimespan = \"10s\"\ncondition = { gte = 3 }\nthen = { topic = \"vulgar\", risk = 1 }".to_owned()),
        Just("[words]\nx = [\"a\", \"@x\"]".to_owned()),
        Just("[guard.g]\nbefore = [\"not\"]".to_owned()),
        Just("[[detector]]\nid = \"d\"\ntype = \"url\"\ntopic = \"vulgar\"\nrisk = 1".to_owned()),
        Just("[strikes]\nper_risk = { \"5\" = 1.5 }\nhalf_life = \"1h\"\nat = [ { gte = 2.0, trust = \"untrusted\" } ]".to_owned()),
        Just("[[test]]\nin = { text = \"x\" }\nexpect = { action = \"mask\" }".to_owned()),
        ("[a-z_]{1,10}", "\\PC{0,12}").prop_map(|(key, value)| format!("{key} = {value}")),
        ("(id|match|topic|risk|weight|partial|fuzzy|guards|exceptions|timespan|within|quoted|lowers_to|letters|percent)", "(-?[0-9]{1,20}(\\.[0-9]{0,5}|e[0-9]{1,3})?|true|nan|\"[^\"\\\\]{0,8}\"|\\[\"[^\"\\\\]{0,8}\"\\])")
            .prop_map(|(key, value)| format!("{key} = {value}")),
        "\\PC{0,20}",
    ];
    proptest::collection::vec(line, 0..10).prop_map(|lines| lines.join("\n"))
}

fn lists() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        Just("darn".to_owned()),
        Just("vulgar".to_owned()),
        Just("3".to_owned()),
        Just("0.5".to_owned()),
        Just("true".to_owned()),
        Just("\"a|b\"".to_owned()),
        Just("\"".to_owned()),
        Just("x*".to_owned()),
        Just(String::new()),
        "\\PC{0,6}",
    ];
    let row = proptest::collection::vec(cell, 0..9).prop_map(|cells| cells.join(","));
    let head = prop_oneof![
        4 => Just("id,match,topic,risk".to_owned()),
        2 => Just("id,match,topic,risk,weight,partial,exceptions,language,fuzzy,guards".to_owned()),
        1 => "\\PC{0,30}",
    ];
    (
        head,
        proptest::collection::vec(row, 0..6),
        prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    )
        .prop_map(|(head, rows, end)| format!("{head}{end}{}", rows.join(end)))
}

fn patterns() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("@x".to_owned()),
        Just("@y".to_owned()),
        Just("(0..3)".to_owned()),
        Just("(0..99)".to_owned()),
        Just("^".to_owned()),
        Just("$".to_owned()),
        Just("*".to_owned()),
        Just("darn".to_owned()),
        Just("d4rn*".to_owned()),
        Just("ﷺ".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("a$$".to_owned()),
        "[a-z]{1,8}",
        "\\PC{0,6}",
        any::<char>().prop_map(String::from),
    ];
    (
        proptest::collection::vec(piece, 0..6),
        prop_oneof![Just(" "), Just(""), Just("\u{a0}")],
    )
        .prop_map(|(pieces, between)| pieces.join(between))
}

/// Hits, disguises, what breaks scanners, and anything at all.
fn texts() -> impl Strategy<Value = String> {
    let fixed = proptest::sample::select(vec![
        "darn",
        "d4rn",
        "d a r n",
        "d.a.r.n",
        "ｄａｒｎ",
        "d\u{200b}arn",
        "dаяп",
        "dar n",
        "d*rn",
        "d**n",
        "drn",
        "daaarn",
        "crudités",
        "heck",
        "not",
        "never",
        "\"",
        "“",
        "”",
        "«",
        "i",
        "hate",
        "women",
        "ihatewomen",
        "youdarnnoob",
        "you noob",
        "jk",
        "just kidding",
        "I WILL FIND YOU",
        "frick",
        "unfrickable",
        "scrub",
        "loser",
        "mist",
        "oh heck",
        "darn socks",
        "kung fu",
        "da",
        "rn",
        "a$$",
        "@$$",
        "$h00t",
        "h264",
        "100km",
        "\u{202e}",
        "\u{202d}",
        "\u{202c}",
        "\u{2066}",
        "\u{2069}",
        "\u{202e}nrad\u{202c}",
        "\u{301}",
        "\u{336}\u{301}\u{301}",
        "👩\u{200d}👩\u{200d}👧",
        "❤\u{fe0f}",
        "🇩🇦🇷🇳",
        "🇩",
        "🅳🅰🆁🅽",
        "\u{fdfa}",
        "㍿",
        "ﬃ",
        "ß",
        "İ",
        "ǅ",
        "\u{1100}\u{1161}",
        "\u{e0041}",
        "\u{0}",
        "\u{7f}",
        "\n",
        "\r\n",
        "\t",
        "\u{a0}",
        "\u{3000}",
        "שלום",
        "مرحبا",
        "日本語",
        "ไทย",
        "a@b.com",
        "ada (at) example (dot) com",
        "x dot com",
        "http://",
        "https://user@evil.com/a?b#c",
        "paypa1.com",
        "раураl.com",
        "example.com/x",
        "discord.gg/abc",
        "call 212-555-0147",
        "+49 30 1234567",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "DE89\u{a0}3704",
        "8.8.8.8",
        "::1",
        "2001:4860:4860::8888",
        "12 Main Street",
        "Hauptstraße 5",
        "12 rue de la Paix",
        "GG GG GG GG GG GG GG GG GG GG GG",
        "!!!!!!!!!!!!",
        "😀😀😀😀😀😀😀😀😀😀😀",
        "....",
        "ﾊﾟ",
        "１２３",
    ]);
    let piece = prop_oneof![
        6 => fixed.prop_map(str::to_owned),
        1 => (any::<char>(), 1usize..40).prop_map(|(ch, times)| String::from(ch).repeat(times)),
        1 => "\\PC{0,12}",
        1 => any::<char>().prop_map(String::from),
    ];
    (
        proptest::collection::vec(piece, 0..10),
        prop_oneof![3 => Just(" "), 1 => Just(""), 1 => Just("\u{200d}"), 1 => Just(". ")],
    )
        .prop_map(|(pieces, between)| pieces.join(between))
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_policy_file_is_read_or_refused_with_the_line(text in policies()) {
        checks::policy(&text);
    }

    #[test]
    fn any_bytes_for_a_policy_file_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        checks::policy(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_list_is_read_or_refused_with_the_line(text in lists()) {
        checks::list(&text);
    }

    #[test]
    fn any_pattern_is_refused_by_name_or_kept_and_words_find_themselves(text in patterns()) {
        checks::pattern(&text);
    }

    #[test]
    fn detectors_name_whole_characters_of_any_text(text in texts()) {
        checks::detectors(&text);
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn any_messages_are_judged_with_true_spans_and_masks(texts in proptest::collection::vec(texts(), 1..4)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        checks::messages(&texts);
    }
}

#[test]
fn long_texts_of_one_kind_hold_as_well() {
    for ch in [
        'a',
        ' ',
        '*',
        '.',
        '@',
        '1',
        '"',
        '\n',
        '\u{301}',
        '\u{200b}',
        '\u{202e}',
        '\u{fdfa}',
        '🇦',
        '😀',
        'а',
        'ｄ',
        '\u{e0041}',
        'ב',
        '\u{200d}',
        '(',
        '\u{0}',
    ] {
        let text = String::from(ch).repeat(16_384 / ch.len_utf8());
        checks::messages(&[&text]);
        checks::detectors(&text);
    }
    let corpus = checks::corpus::Corpus::sized(1_000, 1_000);
    for seed in 0..2 {
        for (_, text) in checks::corpus::hostile(&corpus, 4_000, seed) {
            checks::messages(&[&text]);
            checks::detectors(&text);
        }
    }
}

#[test]
fn more_hits_than_a_verdict_names_are_masked_all() {
    let policy = checks::corpus::compiled(&checks::corpus::document(
        "id,match,topic,risk\nd,darn,vulgar,3\n",
    ));
    let mut partition = checks::corpus::Partition::new(&policy, checks::corpus::NoContexts);
    let text = "darn d4rn ｄａｒｎ ".repeat(30);
    let verdict =
        gavel_schemas::decode_verdict(partition.judge(&checks::corpus::record(&text, 0))).unwrap();
    assert_eq!(verdict.reasons.len(), gavel_schemas::limits::REASONS);
    assert_eq!(verdict.masked_text.unwrap(), "**** **** **** ".repeat(30));
}
