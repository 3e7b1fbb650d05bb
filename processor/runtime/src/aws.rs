//! What Amazon is asked: the brokers of an MSK cluster, and who this process is.
//!
//! Invariant: Amazon is asked before a client is made and by the thread that keeps tokens, never on the way of a message. Region,
//! credentials and endpoints come from where AWS's tools take them (`AWS_…` variables, the pod's role).

mod brokers;
mod token;

pub use brokers::{Door, bootstrap_servers};
pub use token::MskTokens;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Longest that a call to Amazon may take, with its retries.
const CALL: Duration = Duration::from_secs(10);

/// Why Amazon was no help. Each text ends with the step that mends it.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error(
        "no AWS region is known: set AWS_REGION, or name the cluster by its ARN in kafka.bootstrap_servers"
    )]
    NoRegion,
    #[error(
        "no AWS credentials: {0}; give the pod a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials(String),
    #[error(
        "MSK cluster {arn}: its brokers could not be asked for: {reason}; check the ARN and that the role may kafka:GetBootstrapBrokers"
    )]
    NoBrokers { arn: String, reason: String },
    #[error(
        "MSK cluster {arn} has no brokers for {door}; {others}. Set kafka.auth or security.protocol to one that it has"
    )]
    NoDoor {
        arn: String,
        door: &'static str,
        others: String,
    },
    #[error("the token for MSK could not be signed: {0}; report it")]
    Sign(String),
    #[error("no thread for calls to AWS: {0}; free some memory or raise the limit of threads")]
    NoThread(#[from] std::io::Error),
}

/// Settings as AWS's tools have them, with the TLS of this process.
async fn settings(region: Option<&str>) -> SdkConfig {
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut settings = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .timeout_config(TimeoutConfig::builder().operation_timeout(CALL).build());
    if let Some(region) = region {
        settings = settings.region(aws_config::Region::new(region.to_owned()));
    }
    settings.load().await
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The region in `arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/ID`; `None` if this is no such ARN.
pub fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_cluster =
        parts.next()? == "arn" && parts.next()?.starts_with("aws") && parts.next()? == "kafka";
    let region = parts.next()?;
    let account = parts.next()?;
    let named = parts.next()?.starts_with("cluster/");
    (is_cluster && named && !region.is_empty() && !account.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_a_clusters_arn_and_nothing_else_is_one() {
        let arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/gavel-prod-a/0a1b-2";
        assert_eq!(region_of(arn), Some("eu-west-1"));
        for other in [
            "",
            "b-1.gavel:9098",
            "arn:aws:s3:::bucket",
            "arn:aws:kafka::123456789012:cluster/x/y",
            "arn:aws:kafka:eu-west-1:123456789012:topic/x/y/z",
            "arn:aws:kafka:eu-west-1",
        ] {
            assert_eq!(region_of(other), None, "{other}");
        }
    }
}
