//! From an address and options to a place for objects.
//!
//! Invariant: what no store may be without is not left to settings: conditional creation, syncing, bounds of time. A variable
//! of the environment that was meant for another program would turn them off unnoticed.

use super::ObjectLimits;
use super::failure::detail;
use object_store::ObjectStore as Remote;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often one request is tried again when the store is busy or out of reach.
const RETRIES: usize = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// What an S3 option may be called here. The library knows more spellings; these are offered when one is wrong.
const KEYS: [&str; 34] = [
    "access_key_id",
    "allow_http",
    "allow_invalid_certificates",
    "checksum_algorithm",
    "container_authorization_token_file",
    "container_credentials_full_uri",
    "container_credentials_relative_uri",
    "default_region",
    "disable_system_certificates",
    "endpoint",
    "endpoint_url_sts",
    "http1_only",
    "http2_only",
    "imdsv1_fallback",
    "metadata_endpoint",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "region",
    "request_payer",
    "role_arn",
    "role_session_name",
    "secret_access_key",
    "server_side_encryption",
    "session_token",
    "skip_signature",
    "sse_bucket_key_enabled",
    "sse_customer_key_base64",
    "sse_kms_key_id",
    "unsigned_payload",
    "user_agent",
    "virtual_hosted_style_request",
];

/// How to reach a store, beyond its address.
#[derive(Clone, Default)]
pub struct ObjectOptions {
    /// Options of S3 by name, such as `endpoint` or `region`. They win over the environment's `AWS_*`.
    pub s3: Vec<(String, String)>,
    pub limits: ObjectLimits,
}

/// An address or an option that cannot be meant, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectAddressError {
    #[error(
        "`{address}` is no address of objects ({detail}); write a directory, file:///directory or s3://bucket/prefix"
    )]
    Address { address: String, detail: String },
    #[error("the directory {directory} cannot be used ({detail}); check its path and permissions")]
    Directory { directory: String, detail: String },
    #[error("there is no S3 option `{key}`; {advice}")]
    UnknownOption { key: String, advice: String },
    #[error("the S3 option `{key}` cannot be set: {reason}")]
    FixedOption { key: String, reason: &'static str },
    #[error("{address} cannot be used ({detail}); check the S3 options and the AWS_* variables")]
    S3 { address: String, detail: String },
    #[error("no threads for objects ({detail}); check the limits of the system")]
    Threads { detail: String },
}

impl ObjectOptions {
    pub(super) fn remote(&self, address: &str) -> Result<Arc<dyn Remote>, ObjectAddressError> {
        let wrong = |detail: &str| ObjectAddressError::Address {
            address: address.to_owned(),
            detail: detail.to_owned(),
        };
        if let Some(rest) = address.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(wrong("it names no bucket"));
            }
            if bucket.contains(['?', '#', '@', ':', ' ']) {
                return Err(wrong("the name of the bucket is none"));
            }
            return self.s3(address, bucket, prefix);
        }
        if let Some(directory) = address.strip_prefix("file://") {
            if !directory.starts_with('/') {
                return Err(wrong("it names a host; a third slash is missing"));
            }
            if directory.contains(['%', '?', '#']) {
                return Err(wrong(
                    "characters are escaped; write the directory as it is, without file://",
                ));
            }
            return self.directory(Path::new(directory));
        }
        let first = address.split('/').next().unwrap_or_default();
        if address.is_empty() {
            return Err(wrong("it is empty"));
        }
        if first.contains(':') {
            return Err(wrong("nothing is known of that scheme"));
        }
        self.directory(Path::new(address))
    }

    fn directory(&self, directory: &Path) -> Result<Arc<dyn Remote>, ObjectAddressError> {
        let unusable = |detail: String| ObjectAddressError::Directory {
            directory: directory.display().to_string(),
            detail,
        };
        create_durably(directory).map_err(|error| unusable(error.to_string()))?;
        let files = LocalFileSystem::new_with_prefix(directory)
            .map_err(|error| unusable(detail(&error)))?;
        Ok(Arc::new(
            files.with_fsync(true).with_automatic_cleanup(true),
        ))
    }

    fn s3(
        &self,
        address: &str,
        bucket: &str,
        prefix: &str,
    ) -> Result<Arc<dyn Remote>, ObjectAddressError> {
        let unusable = |detail: String| ObjectAddressError::S3 {
            address: address.to_owned(),
            detail,
        };
        let mut builder = AmazonS3Builder::from_env();
        for (name, value) in &self.s3 {
            let key = key(name)?;
            // The environment's endpoint for S3 alone would win over an endpoint that was given here.
            if key == AmazonS3ConfigKey::Endpoint {
                builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, value);
            }
            builder = builder.with_config(key, value);
        }
        if let Some(endpoint) = plain_endpoint(&builder) {
            return Err(unusable(format!(
                "the endpoint {endpoint} is without TLS; if that is meant, set the option allow_http=true"
            )));
        }
        let milliseconds = |time: Duration| format!("{} ms", time.as_millis());
        let (connect, request) = (self.limits.connect, self.limits.request);
        let builder = builder
            .with_config(
                AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout),
                milliseconds(connect),
            )
            .with_config(
                AmazonS3ConfigKey::Client(ClientConfigKey::Timeout),
                milliseconds(request),
            )
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: FIRST_WAIT,
                    max_backoff: LONGEST_WAIT,
                    base: 2.0,
                },
                max_retries: RETRIES,
                retry_timeout: self.limits.call,
            })
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // Not every store knows the request that deletes many, and here it would only ever carry one.
            .with_disable_bulk_delete(true)
            .with_bucket_name(bucket);
        // The client asks for a provider when it is made, and there is none by default. If the process has chosen another
        // one, that is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let store = builder.build().map_err(|error| {
            let mut detail = detail(&error);
            if detail.contains("No CA certificates") {
                detail.push_str(
                    "; install ca-certificates or name a file of them in SSL_CERT_FILE, or for an endpoint without TLS set \
                     the option disable_system_certificates=true",
                );
            }
            unusable(detail)
        })?;
        let prefix = ObjectPath::parse(prefix).map_err(|error| unusable(error.to_string()))?;
        Ok(Arc::new(PrefixStore::new(store, prefix)))
    }
}

fn key(name: &str) -> Result<AmazonS3ConfigKey, ObjectAddressError> {
    let fixed = |reason| ObjectAddressError::FixedOption {
        key: name.to_owned(),
        reason,
    };
    match name.to_ascii_lowercase().parse() {
        Ok(AmazonS3ConfigKey::Bucket) => Err(fixed("the bucket stands in the address")),
        Ok(AmazonS3ConfigKey::ConditionalPut) => {
            Err(fixed("objects are always created conditionally"))
        }
        Ok(AmazonS3ConfigKey::Client(
            ClientConfigKey::ConnectTimeout
            | ClientConfigKey::ReadTimeout
            | ClientConfigKey::Timeout,
        )) => Err(fixed("the limits of time have settings of their own")),
        Ok(key) => Ok(key),
        Err(_) => Err(ObjectAddressError::UnknownOption {
            key: name.to_owned(),
            advice: advice(name),
        }),
    }
}

/// An endpoint that every request would be kept from.
fn plain_endpoint(builder: &AmazonS3Builder) -> Option<String> {
    let allow = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    let allowed = builder.get_config_value(&allow);
    // What is neither yes nor no is found out when the client is made.
    if allowed.is_some_and(|allowed| allowed != "false") {
        return None;
    }
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    endpoint.filter(|endpoint| endpoint.starts_with("http://"))
}

fn advice(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("aws_").unwrap_or(&name);
    let scored = KEYS.map(|key| (strsim::damerau_levenshtein(name, key), key));
    match scored.into_iter().min() {
        Some((distance, key)) if distance <= (name.chars().count() / 2).max(1) => {
            format!("did you mean `{key}`?")
        }
        _ => format!("known: {}", KEYS.join(", ")),
    }
}

/// Also the names of new directories are synced: what is synced in a directory that is gone is gone.
fn create_durably(directory: &Path) -> io::Result<()> {
    let missing = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists());
    let missing: Vec<&Path> = missing.collect();
    std::fs::create_dir_all(directory)?;
    for made in missing {
        let parent = match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str, s3: &[(&str, &str)]) -> ObjectAddressError {
        let s3 = s3
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let options = ObjectOptions {
            s3,
            limits: ObjectLimits::default(),
        };
        options
            .remote(address)
            .err()
            .unwrap_or_else(|| panic!("{address} was taken"))
    }

    #[test]
    fn addresses_that_cannot_be_meant_are_refused() {
        let addresses = [
            "",
            "gs://bucket/prefix",
            "s3://",
            "s3:///prefix",
            "s3:bucket",
            "s3://user@bucket/prefix",
            "file://directory",
            "file:///a%20b",
            "https://bucket.example/prefix",
        ];
        for address in addresses {
            let error = refusal(address, &[]);
            assert!(
                matches!(error, ObjectAddressError::Address { .. }),
                "{error}"
            );
            assert!(error.to_string().contains("s3://bucket/prefix"), "{error}");
        }
    }

    #[test]
    fn a_file_where_the_directory_should_be_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("write");
        let error = refusal(&file.display().to_string(), &[]);
        assert!(
            matches!(error, ObjectAddressError::Directory { .. }),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_option_names_the_nearest_known_one() {
        let error = refusal("s3://bucket", &[("end_point", "x")]);
        assert!(
            error.to_string().contains("did you mean `endpoint`?"),
            "{error}"
        );
        let error = refusal("s3://bucket", &[("AWS_REGON", "x")]);
        assert!(
            error.to_string().contains("did you mean `region`?"),
            "{error}"
        );
        let error = refusal("s3://bucket", &[("qqqqqqqq", "x")]);
        assert!(error.to_string().contains("access_key_id, "), "{error}");
    }

    #[test]
    fn what_no_store_may_be_without_is_no_option() {
        for key in [
            "bucket",
            "conditional_put",
            "aws_conditional_put",
            "timeout",
            "connect_timeout",
        ] {
            let error = refusal("s3://bucket", &[(key, "x")]);
            assert!(
                matches!(error, ObjectAddressError::FixedOption { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn an_option_with_a_value_that_cannot_be_read_is_refused() {
        let error = refusal("s3://bucket", &[("allow_http", "perhaps")]);
        assert!(matches!(error, ObjectAddressError::S3 { .. }), "{error}");
        assert!(error.to_string().contains("perhaps"), "{error}");
    }

    #[test]
    fn an_endpoint_without_tls_must_be_allowed() {
        let endpoint = ("endpoint", "http://127.0.0.1:9");
        for options in [&[endpoint][..], &[endpoint, ("allow_http", "false")]] {
            let error = refusal("s3://bucket", options);
            assert!(error.to_string().contains("allow_http=true"), "{error}");
        }
    }

    #[test]
    fn every_option_that_is_offered_is_known() {
        for name in KEYS {
            assert!(key(name).is_ok(), "{name}");
        }
        assert!(KEYS.is_sorted());
    }
}
