//! The brokers of an MSK cluster, by its ARN.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_kafka::error::DisplayErrorContext;
use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput;

use super::{AwsError, region_of, runtime, settings};

/// How clients come in: MSK has brokers of other names or ports for each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    Iam,
    Scram,
    Tls,
    Plain,
}

const DOORS: [Door; 4] = [Door::Iam, Door::Scram, Door::Tls, Door::Plain];

impl Door {
    fn name(self) -> &'static str {
        match self {
            Door::Iam => "IAM (kafka.auth = msk-iam)",
            Door::Scram => "SCRAM (security.protocol = SASL_SSL)",
            Door::Tls => "TLS (security.protocol = SSL)",
            Door::Plain => "plain text",
        }
    }

    fn brokers(self, found: &GetBootstrapBrokersOutput) -> Option<&str> {
        match self {
            Door::Iam => found.bootstrap_broker_string_sasl_iam(),
            Door::Scram => found.bootstrap_broker_string_sasl_scram(),
            Door::Tls => found.bootstrap_broker_string_tls(),
            Door::Plain => found.bootstrap_broker_string(),
        }
    }
}

/// What has been found so far: every client of the process asks, and the names of brokers stay for as long as the cluster does.
static FOUND: Mutex<BTreeMap<(String, Door), String>> = Mutex::new(BTreeMap::new());

/// `host:port,…` of a cluster for clients that come in by this door. Waits for Amazon the first time.
pub fn bootstrap_servers(arn: &str, door: Door) -> Result<String, AwsError> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (arn.to_owned(), door);
    if let Some(servers) = known.get(&key) {
        return Ok(servers.clone());
    }
    // On a thread of its own: the caller may be a task of tokio, which must not block on another.
    let asked = std::thread::scope(|scope| scope.spawn(|| ask(arn)).join());
    let found = asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let Some(servers) = door.brokers(&found) else {
        return Err(AwsError::NoDoor {
            arn: arn.to_owned(),
            door: door.name(),
            others: others(&found),
        });
    };
    tracing::info!(arn, servers, "brokers of the MSK cluster");
    known.insert(key, servers.to_owned());
    Ok(servers.to_owned())
}

fn ask(arn: &str) -> Result<GetBootstrapBrokersOutput, AwsError> {
    let region = region_of(arn).ok_or(AwsError::NoRegion)?;
    runtime()?.block_on(async {
        let client = aws_sdk_kafka::Client::new(&settings(Some(region)).await);
        let asked = client.get_bootstrap_brokers().cluster_arn(arn).send().await;
        asked.map_err(|error| AwsError::NoBrokers {
            arn: arn.to_owned(),
            reason: DisplayErrorContext(&error).to_string(),
        })
    })
}

/// The doors that there are, for whoever chose another.
fn others(found: &GetBootstrapBrokersOutput) -> String {
    let open: Vec<&str> = DOORS
        .into_iter()
        .filter(|door| door.brokers(found).is_some())
        .map(Door::name)
        .collect();
    if open.is_empty() {
        "it names none at all, as one that is being created does".into()
    } else {
        format!("it has some for {}", open.join(", "))
    }
}
