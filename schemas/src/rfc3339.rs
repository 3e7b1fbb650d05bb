//! Times written as RFC 3339.
//!
//! A client's time goes into the verdict, so which texts are accepted, and what they mean, must not change with a library:
//! the form is checked here, because jiff also reads its wider Temporal form. jiff knows the calendar.

use jiff::civil::DateTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const DATE_TIME: &str = "dddd-dd-ddTdd:dd:dd";

/// Milliseconds since 1970 of a date and time with an offset, years 0000 to 9999, at most nine digits of a second. A leap
/// second counts as the second before it. `None`: not such a time.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let (whole_seconds, rest) = text.split_at_checked(DATE_TIME.len())?;
    if !has_form(whole_seconds, DATE_TIME) {
        return None;
    }
    let fraction_bytes = match rest.strip_prefix('.') {
        None => 0,
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            1 + digits
        }
    };
    let (local, offset) = text.split_at_checked(DATE_TIME.len() + fraction_bytes)?;
    let local: DateTime = local.parse().ok()?;
    let since_epoch = i64::try_from(local.duration_since(EPOCH).as_millis()).ok()?;
    Some(since_epoch - offset_minutes(offset)? * 60_000)
}

fn offset_minutes(offset: &str) -> Option<i64> {
    if has_form(offset, "Z") {
        return Some(0);
    }
    let sign = match offset.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let amount = offset.get(1..).filter(|amount| has_form(amount, "dd:dd"))?;
    let hours: i64 = amount.get(..2)?.parse().ok()?;
    let minutes: i64 = amount.get(3..)?.parse().ok()?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// `d` stands for a digit, everything else for itself in either case.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                _ => byte.eq_ignore_ascii_case(&form),
            })
}
