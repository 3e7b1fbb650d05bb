//! Times, points and names in words that need no manual.

use jiff::Timestamp;

/// A moment: `2026-01-05 18:00:00 UTC`.
pub fn moment(ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else {
        return format!("{ms} ms");
    };
    let text = format!("{at:.0}");
    match text.strip_suffix('Z') {
        Some(text) => format!("{} UTC", text.replacen('T', " ", 1)),
        None => text,
    }
}

/// A length of time, in its two largest units: `2 h 5 min`.
pub fn span(ms: i64) -> String {
    const UNITS: [(&str, i64); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1_000),
    ];
    let ms = ms.max(0);
    let Some(first) = UNITS.iter().position(|(_, length)| ms >= *length) else {
        return if ms == 0 {
            "0 s".to_owned()
        } else {
            format!("{ms} ms")
        };
    };
    let (unit, length) = UNITS[first];
    let mut text = format!("{} {unit}", ms / length);
    if let Some((unit, smaller)) = UNITS.get(first + 1)
        && ms % length >= *smaller
    {
        text.push_str(&format!(" {} {unit}", ms % length / smaller));
    }
    text
}

/// Thousandths of a point as a number: `5.98`.
pub fn number(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 point`, `5.98 points`.
pub fn points(thousandths: u64) -> String {
    let many = if thousandths == 1_000 { "" } else { "s" };
    format!("{} point{many}", number(thousandths))
}

/// `1st`, `2nd`, `11th`.
pub fn nth(number: usize) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

/// One of several, as a sentence counts them: `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What was undone to find a word: names as verdicts carry them, joined by `+`.
pub fn evasion(names: &str) -> String {
    let words = names
        .split('+')
        .filter(|name| !name.is_empty())
        .map(|name| {
            match name {
                "censored" => "letters hidden behind signs",
                "confusable" => "letters that look alike",
                "emoji-letters" => "letters as emoji",
                "full-width" => "full-width or styled letters",
                "glued" => "words run together",
                "invisible" => "invisible characters",
                "joined-messages" => "spread over several messages",
                "leet" => "digits or signs for letters",
                "marks" => "marks on letters",
                "misspelt" => "misspelt",
                "repeat" => "repeated letters",
                "reversed" => "written backwards",
                "spaced" => "letters spaced out",
                "split" => "split in two",
                other => other,
            }
            .to_owned()
        });
    list(&words.collect::<Vec<_>>())
}

/// A view by what it does.
pub fn view(name: &str) -> &str {
    match name {
        "plain" => "as it stands",
        "leet" => "digits and signs read as letters",
        "leet-other" => "digits and signs read as their other letters",
        "repeat" => "repeated letters shortened",
        "spaced" => "spaced-out letters joined",
        "censored" => "hidden letters left open",
        "displayed" => "as it is displayed",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_said_as_people_say_them() {
        assert_eq!(moment(1_767_636_000_000), "2026-01-05 18:00:00 UTC");
        assert_eq!(
            [0, 20, 7_500_000, 86_400_000, 61_000].map(span),
            ["0 s", "20 ms", "2 h 5 min", "1 d", "1 min 1 s"]
        );
        assert_eq!([5_980, 2_000, 0].map(number), ["5.98", "2", "0"]);
        assert_eq!([1_000, 2_500].map(points), ["1 point", "2.5 points"]);
        assert_eq!(
            [1, 2, 3, 4, 11, 21].map(nth),
            ["1st", "2nd", "3rd", "4th", "11th", "21st"]
        );
        assert_eq!(
            evasion("leet+spaced"),
            "digits or signs for letters and letters spaced out"
        );
    }
}
