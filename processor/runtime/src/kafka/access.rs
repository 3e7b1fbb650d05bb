//! How clients find brokers and prove who they are; every client of the process is made here.
//!
//! Invariant: a client that exists knows its brokers, and has its first token if it needs one. What it costs to know that is asked for
//! once per process.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::types::RDKafka;

use super::token_file::TokenFile;
use super::tokens::{Registration, Tokens};
use crate::aws::{self, Door, MskTokens};
use crate::config::{Auth, Kafka};

/// Where the brokers' certificates are looked for when nothing says so.
const CA_LOCATION: &str = "ssl.ca.location";

/// Settings of a client, and how it comes in.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    raw: ClientConfig,
    auth: Auth,
    token_file: Option<PathBuf>,
    cluster: Option<String>,
}

/// A client that is supplied with tokens for as long as it lives, if it needs any.
pub struct Authenticated<T> {
    /// Goes first: see `tokens::Handle`.
    registration: Option<Registration>,
    client: T,
}

/// Clients whose native handle can be had.
pub trait Native {
    fn native(&self) -> *mut RDKafka;
}

impl<C: ConsumerContext> Native for BaseConsumer<C> {
    fn native(&self) -> *mut RDKafka {
        self.client().native_ptr()
    }
}

impl<C: ProducerContext> Native for BaseProducer<C> {
    fn native(&self) -> *mut RDKafka {
        self.client().native_ptr()
    }
}

impl<C: ClientContext> Native for AdminClient<C> {
    fn native(&self) -> *mut RDKafka {
        self.inner().native_ptr()
    }
}

/// By what makes them differ: one thread and one set of credentials for all clients that come in the same way.
static TOKENS: Mutex<BTreeMap<String, Arc<Tokens>>> = Mutex::new(BTreeMap::new());

impl ClientSettings {
    pub(crate) fn new(kafka: &Kafka) -> ClientSettings {
        let mut raw = ClientConfig::new();
        raw.set_log_level(RDKafkaLogLevel::Warning);
        ClientSettings {
            raw,
            auth: kafka.auth,
            token_file: kafka.token_file.as_ref().map(PathBuf::from),
            cluster: kafka.cluster_arn().map(str::to_owned),
        }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.raw.get(key)
    }

    /// Last one wins.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> &mut ClientSettings {
        self.raw.set(key, value);
        self
    }

    pub(super) fn without(mut self, key: &str) -> ClientSettings {
        self.raw.remove(key);
        self
    }

    /// With what every client needs to come in.
    fn complete(&self) -> ClientConfig {
        let mut raw = self.raw.clone();
        // The OpenSSL that is linked in would look where it was built.
        let elsewhere = raw.get(CA_LOCATION).or(raw.get("ssl.ca.pem")).is_some();
        if !elsewhere && std::env::var_os("SSL_CERT_FILE").is_none() {
            raw.set(CA_LOCATION, "probe");
        }
        if self.auth != Auth::Properties {
            raw.set("sasl.mechanism", "OAUTHBEARER");
            if raw.get("security.protocol").is_none() {
                raw.set("security.protocol", "SASL_SSL");
            }
        }
        raw
    }

    /// Makes the client. Waits for Amazon, or reads a file, the first time that the process needs it.
    pub fn create_with_context<C, T>(&self, context: C) -> KafkaResult<Authenticated<T>>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C> + Native,
    {
        let refused = |error: String| KafkaError::ClientCreation(error);
        let mut raw = self.complete();
        if let Some(arn) = &self.cluster {
            let servers = aws::bootstrap_servers(arn, self.door(raw.get("security.protocol")))
                .map_err(|error| refused(error.to_string()))?;
            raw.set("bootstrap.servers", servers);
        }
        let tokens = self.tokens().map_err(refused)?;
        let client: T = raw.create_with_context(context)?;
        let registration = tokens
            .map(|tokens| tokens.register(client.native()))
            .transpose()
            .map_err(refused)?;
        Ok(Authenticated {
            registration,
            client,
        })
    }

    fn door(&self, protocol: Option<&str>) -> Door {
        match (self.auth, protocol) {
            (Auth::MskIam, _) => Door::Iam,
            (_, Some(protocol)) if protocol.eq_ignore_ascii_case("SASL_SSL") => Door::Scram,
            (_, Some(protocol)) if protocol.eq_ignore_ascii_case("SSL") => Door::Tls,
            _ => Door::Plain,
        }
    }

    fn tokens(&self) -> Result<Option<Arc<Tokens>>, String> {
        let name = match self.auth {
            Auth::Properties => return Ok(None),
            Auth::MskIam => format!("msk-iam {}", self.cluster.as_deref().unwrap_or_default()),
            Auth::TokenFile => format!("{:?}", self.token_file),
        };
        let mut known = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokens) = known.get(&name) {
            return Ok(Some(Arc::clone(tokens)));
        }
        let tokens = match &self.token_file {
            Some(file) if self.auth == Auth::TokenFile => {
                let source = TokenFile(file.clone());
                Tokens::keep(move || Ok(source))?
            }
            _ => {
                let region = self.cluster.as_deref().and_then(aws::region_of);
                let region = region.map(str::to_owned);
                Tokens::keep(move || {
                    MskTokens::new(region.as_deref()).map_err(|error| error.to_string())
                })?
            }
        };
        known.insert(name, Arc::clone(&tokens));
        Ok(Some(tokens))
    }
}

impl<T> Deref for Authenticated<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.client
    }
}

impl<T> DerefMut for Authenticated<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.client
    }
}

impl<T> std::fmt::Debug for Authenticated<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticated")
            .field("registration", &self.registration)
            .finish_non_exhaustive()
    }
}
