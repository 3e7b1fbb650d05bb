//! Tokens (JWT) that something else writes into a file and renews there: a projected service account token, a sidecar.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{Token, TokenSource};

/// For how long at most a token is used before the file is looked at again, in milliseconds: who writes it may revoke one early.
const LOOK_EVERY_MS: i64 = 60_000;

/// Reads the file anew for each token.
pub struct TokenFile(pub PathBuf);

/// What is read of a token's claims; brokers check the rest.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: Option<f64>,
    sub: Option<String>,
}

impl TokenSource for TokenFile {
    fn token(&mut self) -> Result<Token, String> {
        let path = self.0.display();
        let read = std::fs::read_to_string(&self.0)
            .map_err(|error| format!("kafka.token_file {path}: {error}; is it mounted?"))?;
        let value = read.trim();
        let claims = claims(value)
            .ok_or_else(|| format!("kafka.token_file {path} holds no JSON Web Token"))?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let look_ms = now_ms.saturating_add(LOOK_EVERY_MS);
        // The claim is a JSON number and may have a fraction; saturates.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and brokers decide"
        )]
        let expires_ms = claims.exp.map_or(i64::MAX, |exp| (exp * 1_000.0) as i64);
        if expires_ms <= now_ms {
            return Err(format!(
                "kafka.token_file {path} holds a token that has ended; whoever writes it does not renew it"
            ));
        }
        Ok(Token {
            value: value.to_owned(),
            principal: claims.sub.unwrap_or_else(|| "gavel".into()),
            expires_ms: expires_ms.min(look_ms),
        })
    }
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(claims))
    }

    fn read(text: &str) -> Result<Token, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, text).expect("written");
        TokenFile(file).token()
    }

    #[test]
    fn a_token_says_who_it_is_for_and_is_looked_for_again_before_it_ends() {
        let token = read(&format!(
            "{}\n",
            jwt(r#"{"sub":"worker","exp":99999999999.5}"#)
        ))
        .expect("a token");
        assert_eq!(token.principal, "worker");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let left = token.expires_ms - i64::try_from(now.as_millis()).expect("a time");
        assert!((50_000..=LOOK_EVERY_MS).contains(&left), "{left}");
    }

    #[test]
    fn what_is_no_token_or_has_ended_is_refused_with_the_files_name() {
        for (text, expected) in [
            ("", "holds no JSON Web Token"),
            ("secret", "holds no JSON Web Token"),
            ("a.b.c", "holds no JSON Web Token"),
            (&jwt(r#"{"exp":1}"#), "has ended"),
        ] {
            let said = read(text).expect_err("refused");
            assert!(said.contains("kafka.token_file"), "{said}");
            assert!(said.contains(expected), "{said}");
        }
        let missing = TokenFile("/nowhere/token".into()).token();
        assert!(missing.expect_err("refused").contains("is it mounted?"));
    }
}
