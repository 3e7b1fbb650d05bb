//! Shares of a whole, and the gate that a candidate must pass.

use gavel_runtime::shadow_report::Figures;

use crate::failure::Failure;

/// Parts of a whole in a share: a ten-thousandth of a percent.
pub const WHOLE: u64 = 1_000_000;

/// Fails if too much is new, and if nothing shows that it is not.
pub fn gate(figures: &Figures, most: u64) -> Result<(), Failure> {
    if figures.compared == 0 {
        return Err(Failure::difference(
            "nothing was compared, so nothing shows that the candidate does not block too much",
            "compare a stretch in which there are messages",
        ));
    }
    let is_more = u128::from(figures.new_blocks) * u128::from(WHOLE)
        > u128::from(most) * u128::from(figures.compared);
    if !is_more {
        return Ok(());
    }
    Err(Failure::difference(
        format!(
            "the candidate newly blocks or mutes {} of {} messages ({}), more than {}",
            figures.new_blocks,
            figures.compared,
            percent(figures.new_blocks, figures.compared),
            percent(most, WHOLE)
        ),
        "look at the samples, mend the candidate, and try it again",
    ))
}

/// Millionths of a share such as `0.1%`.
pub fn share(text: &str) -> Result<u64, String> {
    let wrong =
        || "write a percentage from 0% to 100% such as 0.1%, with at most four decimals".to_owned();
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 || whole.len() > 3 {
        return Err(wrong());
    }
    let parse = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let millionths = parse(whole)? * (WHOLE / 100) + parse(&format!("{decimals:0<4}"))?;
    if millionths > WHOLE {
        return Err(wrong());
    }
    Ok(millionths)
}

/// A share as a percentage with as many decimals as it needs to be told from nothing.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    let percentage = part as f64 * 100.0 / whole as f64;
    if part > 0 && percentage < 0.1 {
        format!("{percentage:.4}%")
    } else {
        format!("{percentage:.1}%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_to_a_ten_thousandth_of_a_percent() {
        assert_eq!(share("0.1%"), Ok(1_000));
        assert_eq!(share("100%"), Ok(1_000_000));
        assert_eq!(share("0.0001%"), Ok(1));
        assert_eq!(share("5%"), Ok(50_000));
        for wrong in ["", "%", "5", "-1%", "101%", "0.00001%", ".5%", "1.%", "x%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_gate_lets_exactly_the_share_through() {
        let figures = |new_blocks| Figures {
            compared: 1_000,
            new_blocks,
            ..Figures::default()
        };
        assert!(gate(&figures(1), 1_000).is_ok());
        assert!(gate(&figures(2), 1_000).is_err());
        assert!(gate(&figures(0), 0).is_ok());
        assert!(
            gate(&Figures::default(), WHOLE).is_err(),
            "nothing compared"
        );
    }
}
