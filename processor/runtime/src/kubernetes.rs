//! The one question that a processor asks Kubernetes: will this pod come back?
//!
//! A static member that stops keeps its seat for a session, which is right for a restart and wrong for a scale-down; only its
//! StatefulSet knows which it is. Invariant: whatever Kubernetes answers or fails to, the stop goes on within seconds, and a doubt means
//! "it comes back", which costs a session of waiting and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// Longest wait for an answer: it is asked for while partitions are dark.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why Kubernetes gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    #[error(
        "`{instance}` is not the name of a pod of the StatefulSet `{set}`: set run.instance_id to the pod's name"
    )]
    NotOurs { instance: String, set: String },
    #[error("this process runs in no pod: {0} is not set")]
    NoPod(&'static str),
    #[error("{}: {source}; is the service account's token mounted?", .path.display())]
    NoAccount {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the API server did not answer: {0}")]
    NoAnswer(String),
    #[error(
        "the API server refused with {status}: the pod's service account needs `get` on statefulsets/{set}"
    )]
    Refused { status: u16, set: String },
}

/// What of a StatefulSet is of interest.
#[derive(Debug, Deserialize)]
struct StatefulSet {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Spec {
    replicas: Option<u32>,
    ordinals: Option<Ordinals>,
}

#[derive(Debug, Deserialize)]
struct Ordinals {
    start: u32,
}

impl StatefulSet {
    /// Whether it wants a pod with this ordinal.
    fn wants(&self, ordinal: u32) -> bool {
        let start = self.spec.ordinals.as_ref().map_or(0, |one| one.start);
        let end = start.saturating_add(self.spec.replicas.unwrap_or(1));
        self.metadata.deletion_timestamp.is_none() && (start..end).contains(&ordinal)
    }
}

/// Where a pod is told who it is.
#[derive(Debug)]
pub struct Pod<'a> {
    /// The StatefulSet that this pod is said to be of.
    pub set: &'a str,
    /// The pod's name.
    pub instance: &'a str,
    /// Directory with `token`, `namespace` and `ca.crt`.
    pub account: &'a Path,
}

impl Pod<'_> {
    /// Whether its StatefulSet wants it no more. Waits for `PATIENCE` at most.
    pub fn is_surplus(&self) -> Result<bool, KubernetesError> {
        let ordinal = self.ordinal()?;
        // On a thread of its own: the caller may be a task of tokio, which must not block on another.
        let asked = std::thread::scope(|scope| scope.spawn(|| self.ask()).join());
        match asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
            Some(set) => Ok(!set.wants(ordinal)),
            None => Ok(true),
        }
    }

    fn ordinal(&self) -> Result<u32, KubernetesError> {
        let ordinal = self.instance.strip_prefix(self.set);
        ordinal
            .and_then(|rest| rest.strip_prefix('-')?.parse().ok())
            .ok_or_else(|| KubernetesError::NotOurs {
                instance: self.instance.to_owned(),
                set: self.set.to_owned(),
            })
    }

    fn read(&self, name: &str) -> Result<String, KubernetesError> {
        let path = self.account.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(source) => Err(KubernetesError::NoAccount { path, source }),
        }
    }

    /// None: the set is gone.
    fn ask(&self) -> Result<Option<StatefulSet>, KubernetesError> {
        let url = format!(
            "{}/apis/apps/v1/namespaces/{}/statefulsets/{}",
            server()?,
            self.read("namespace")?.trim(),
            self.set
        );
        let token = self.read("token")?;
        let authority = self.read("ca.crt")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let failed = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(below) = cause {
                text = format!("{text}: {below}");
                cause = below.source();
            }
            KubernetesError::NoAnswer(text)
        };
        runtime.map_err(|error| failed(&error))?.block_on(async {
            // An earlier choice of the process stands.
            let _chosen = rustls::crypto::ring::default_provider().install_default();
            // More than one while the cluster changes its authority.
            let authorities = reqwest::Certificate::from_pem_bundle(authority.as_bytes())
                .map_err(|error| failed(&error))?;
            let client = reqwest::Client::builder()
                .tls_certs_only(authorities)
                .no_proxy()
                .timeout(PATIENCE)
                .build()
                .map_err(|error| failed(&error))?;
            let answer = client
                .get(url)
                .bearer_auth(token.trim())
                .send()
                .await
                .map_err(|error| failed(&error))?;
            match answer.status().as_u16() {
                200 => {}
                404 => return Ok(None),
                status => {
                    let set = self.set.to_owned();
                    return Err(KubernetesError::Refused { status, set });
                }
            }
            let body = answer.bytes().await.map_err(|error| failed(&error))?;
            serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| failed(&error))
        })
    }
}

/// `https://host:port` of the API server, as every pod is told.
fn server() -> Result<String, KubernetesError> {
    let told = |name| std::env::var(name).map_err(|_| KubernetesError::NoPod(name));
    let host = told("KUBERNETES_SERVICE_HOST")?;
    let port = told("KUBERNETES_SERVICE_PORT")?;
    Ok(if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(json: &str) -> StatefulSet {
        serde_json::from_str(json).expect("a StatefulSet")
    }

    #[test]
    fn a_set_wants_the_pods_below_its_replicas_unless_it_is_going_away() {
        let three =
            set(r#"{"metadata":{"name":"gavel"},"spec":{"replicas":3,"serviceName":"gavel"}}"#);
        assert!(three.wants(2));
        assert!(!three.wants(3));
        let from_five = set(r#"{"metadata":{},"spec":{"replicas":2,"ordinals":{"start":5}}}"#);
        assert_eq!(
            [4, 5, 6, 7].map(|ordinal| from_five.wants(ordinal)),
            [false, true, true, false]
        );
        let unsaid = set(r#"{"metadata":{},"spec":{}}"#);
        assert!(unsaid.wants(0) && !unsaid.wants(1));
        let going = set(
            r#"{"metadata":{"deletionTimestamp":"2026-11-22T00:00:00Z"},"spec":{"replicas":3}}"#,
        );
        assert!(!going.wants(0));
    }

    #[test]
    fn the_ordinal_stands_behind_the_sets_name() {
        let ordinal = |set, instance| {
            let account = Path::new("/nowhere");
            Pod {
                set,
                instance,
                account,
            }
            .ordinal()
            .ok()
        };
        assert_eq!(ordinal("gavel", "gavel-12"), Some(12));
        assert_eq!(ordinal("gavel-eu", "gavel-eu-0"), Some(0));
        for instance in ["gavel", "gavel-", "gavel-eu-0", "other-1", "gavel-x"] {
            assert_eq!(ordinal("gavel", instance), None, "{instance}");
        }
    }
}
