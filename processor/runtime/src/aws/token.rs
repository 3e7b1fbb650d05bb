//! Tokens that tell MSK who this process is: a request for `kafka-cluster:Connect`, signed with the credentials of its role.
//!
//! Invariant: a token is never said to live longer than the credentials that signed it, so a new one is there before brokers refuse
//! the old one. Credentials are asked for again only when they are about to end: their source may be a service with a rate limit.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{AwsError, runtime, settings};
use crate::kafka::{Token, TokenSource};

/// How long MSK takes a token; the most that it allows.
const LIFE: Duration = Duration::from_secs(900);
/// Credentials with less left are replaced before they sign.
const LEFT: Duration = Duration::from_secs(600);

/// Signs tokens for the brokers of a region.
pub struct MskTokens {
    runtime: tokio::runtime::Runtime,
    provider: SharedCredentialsProvider,
    region: String,
    held: Option<Credentials>,
}

impl MskTokens {
    /// `region`: of the cluster; `None`: the one that AWS's tools would take. Nothing is signed yet.
    pub fn new(region: Option<&str>) -> Result<MskTokens, AwsError> {
        let runtime = runtime()?;
        let settings = runtime.block_on(settings(region));
        let region = settings.region().ok_or(AwsError::NoRegion)?.to_string();
        let provider = settings
            .credentials_provider()
            .ok_or_else(|| AwsError::NoCredentials("nothing provides them".into()))?;
        Ok(MskTokens {
            runtime,
            provider,
            region,
            held: None,
        })
    }

    fn credentials(&mut self, now: SystemTime) -> Result<Credentials, AwsError> {
        if let Some(held) = &self.held
            && held.expiry().is_none_or(|end| end > now + LEFT)
        {
            return Ok(held.clone());
        }
        let asked = self.runtime.block_on(self.provider.provide_credentials());
        let fresh = asked.map_err(|error| {
            AwsError::NoCredentials(aws_sdk_kafka::error::DisplayErrorContext(&error).to_string())
        })?;
        Ok(self.held.insert(fresh).clone())
    }
}

impl TokenSource for MskTokens {
    fn token(&mut self) -> Result<Token, String> {
        let now = SystemTime::now();
        let credentials = self.credentials(now).map_err(|error| error.to_string())?;
        let value = signed(&credentials, &self.region, now).map_err(|error| error.to_string())?;
        let end = credentials
            .expiry()
            .map_or(now + LIFE, |end| end.min(now + LIFE));
        Ok(Token {
            value,
            principal: "gavel".into(),
            expires_ms: milliseconds(end),
        })
    }
}

fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The token: base64 of a URL whose query is signed (AWS Signature Version 4, service `kafka-cluster`).
fn signed(credentials: &Credentials, region: &str, now: SystemTime) -> Result<String, AwsError> {
    let failed = |error: &dyn std::fmt::Display| AwsError::Sign(error.to_string());
    let mut url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let request = SignableRequest::new(
        "GET",
        url.as_str(),
        std::iter::empty(),
        SignableBody::Bytes(&[]),
    )
    .map_err(|error| failed(&error))?;
    let (instructions, _) = sign(request, &parameters)
        .map_err(|error| failed(&error))?
        .into_parts();
    for (name, value) in instructions.params() {
        let _infallible = write!(url, "&{name}={}", encoded(value));
    }
    let _infallible = write!(url, "&User-Agent=gavel/{}", env!("CARGO_PKG_VERSION"));
    Ok(BASE64_URL_SAFE_NO_PAD.encode(url))
}

/// Percent-encoding as the signature has it: everything but RFC 3986's unreserved characters.
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(expiry: Option<SystemTime>) -> Credentials {
        Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            Some("a session/token+with=signs".into()),
            expiry,
            "test",
        )
    }

    /// The signature was computed by botocore 1.40 (`SigV4QueryAuth`, the code under AWS's own signer for Python) for the same
    /// request, credentials and time.
    #[test]
    fn a_token_is_the_url_that_botocore_signs() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        let token = signed(&credentials(None), "eu-west-1", at).expect("a token");
        let url = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).expect("base64"))
            .expect("a URL");
        let query: std::collections::BTreeMap<&str, &str> = url
            .strip_prefix("https://kafka.eu-west-1.amazonaws.com/?")
            .expect("the regional endpoint")
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let expected = [
            ("Action", "kafka-cluster%3AConnect"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            (
                "X-Amz-Credential",
                "AKIDEXAMPLE%2F20261122%2Feu-west-1%2Fkafka-cluster%2Faws4_request",
            ),
            ("X-Amz-Date", "20261122T120000Z"),
            ("X-Amz-Expires", "900"),
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-Security-Token", "a%20session%2Ftoken%2Bwith%3Dsigns"),
            (
                "X-Amz-Signature",
                "1938b4ba844b2d60f7943eace269a4676d8324aa3d2cade1954ae2279baa6e3e",
            ),
        ];
        for (name, value) in expected {
            assert_eq!(query.get(name), Some(&value), "{name}");
        }
    }

    struct Counted(std::sync::Arc<std::sync::atomic::AtomicU32>, Duration);

    impl std::fmt::Debug for Counted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Counted")
        }
    }

    impl ProvideCredentials for Counted {
        fn provide_credentials<'a>(
            &'a self,
        ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(credentials(
                Some(SystemTime::now() + self.1),
            )))
        }
    }

    fn tokens(life: Duration) -> (MskTokens, std::sync::Arc<std::sync::atomic::AtomicU32>) {
        let asked = std::sync::Arc::default();
        let tokens = MskTokens {
            runtime: runtime().expect("a runtime"),
            provider: SharedCredentialsProvider::new(Counted(std::sync::Arc::clone(&asked), life)),
            region: "eu-west-1".into(),
            held: None,
        };
        (tokens, asked)
    }

    #[test]
    fn credentials_are_asked_for_again_only_when_they_are_about_to_end() {
        let (mut long, asked) = tokens(Duration::from_secs(3_600));
        for _ in 0..3 {
            long.token().expect("a token");
        }
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
        let (mut short, asked) = tokens(Duration::from_secs(300));
        for _ in 0..3 {
            short.token().expect("a token");
        }
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 3);
    }

    #[test]
    fn a_token_never_outlives_the_credentials_that_signed_it() {
        let now = milliseconds(SystemTime::now());
        let (mut short, _) = tokens(Duration::from_secs(60));
        let end = short.token().expect("a token").expires_ms;
        assert!((now + 50_000..now + 70_000).contains(&end), "{end}");
        let (mut long, _) = tokens(Duration::from_secs(3_600));
        let end = long.token().expect("a token").expires_ms;
        assert!((now + 890_000..now + 910_000).contains(&end), "{end}");
    }
}
