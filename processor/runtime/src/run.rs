//! A processor: lanes, restorers, writer, control follower and HTTP, started and stopped together.
//!
//! Invariant: on the way out lanes finish first, because they still need the writer; then the writer; a lane that fails
//! takes the process down in order, so that its supervisor starts a clean one. Nothing here is on the way of a message.

use crate::config::Config;
use crate::control::{ControlError, ControlFollower};
use crate::kafka::{
    BrokerError, Cluster, lane_consumer_config, lane_producer_config, shadow_producer_config,
};
use crate::kubernetes::Pod;
use crate::lane::Settings;
use crate::restore::Leases;
use crate::shell::{
    self, Checkpointer, Checkpoints, Farewell, LaneHandle, LaneParts, LogStart, Mail, OutputTopics,
    Restorers, WorldParts,
};
use crate::telemetry::Telemetry;
use crate::traces::Exporter;
use gavel_judge::ControlLog;
use gavel_state::{
    ObjectAddressError, ObjectError, ObjectLimits, ObjectOptions, ObjectStore, Objects, Probe,
    Repository, Shared, Writer,
};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Contexts serialised per partition and turn of the loop: about ten microseconds' worth.
const FREEZE_PER_TICK: usize = 64;

/// How long the object store of checkpoints is waited for at the start.
const PROBE: ObjectLimits = ObjectLimits {
    connect: Duration::from_secs(2),
    request: Duration::from_secs(2),
    call: Duration::from_secs(3),
    little: Duration::from_secs(3),
};

/// Why a processor did not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "`{topic}` has no LogOpened order: nothing may be folded before the log has an identity"
    )]
    NotOpened { topic: String },
    #[error(
        "no policy has been activated: every message would be allowed with the code `no-policy`, and those verdicts stand"
    )]
    NoPolicy,
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    CheckpointAddress(#[from] ObjectAddressError),
    #[error("checkpoints.store: {0}")]
    CheckpointStore(#[from] ObjectError),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("lane {lane} ended: {error}")]
    Lane { lane: usize, error: String },
}

impl RunError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            RunError::Broker(error) => error.next_step(),
            RunError::Control(error) => error.next_step(),
            RunError::NotOpened { .. } => "run `gavel topics create --partitions N`, or `gavel topics adopt` for topics made elsewhere".into(),
            RunError::NoPolicy => {
                "run `gavel policy publish FILE` and `gavel policy activate DIGEST`, or start with --allow-no-policy".into()
            }
            RunError::Io { .. } => "check the path or address, its permissions and its free space".into(),
            RunError::CheckpointAddress(_) | RunError::CheckpointStore(_) => {
                "set checkpoints.store to a directory or s3://BUCKET/PREFIX that this process may read and write, or to `none`".into()
            }
            RunError::Metrics(_) => "this is a defect; report it".into(),
            RunError::Lane { .. } => "start again; if it repeats, the log line above says what the client refused".into(),
        }
    }
}

/// A running processor.
pub struct Processor {
    pub telemetry: Arc<Telemetry>,
    /// Where HTTP listens; None if it was not asked for.
    pub http: Option<SocketAddr>,
    lanes: Vec<LaneHandle>,
    restorers: Restorers,
    restorer_threads: Vec<JoinHandle<()>>,
    writer: Arc<Writer>,
    checkpointer: Checkpointer,
    checkpoints: Checkpoints,
    exporter: Option<Exporter>,
    server: Option<Server>,
    config: Config,
    ended: mpsc::Receiver<usize>,
}

struct Server {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Processor {
    /// Checks what must be true, then starts everything. `http` is false for embedded use.
    pub fn start(config: &Config, http: bool) -> Result<Processor, RunError> {
        let partitions = Cluster::new(config)?
            .require(&config.topics.messages)?
            .partitions;
        let control = Arc::new(ControlFollower::start(config)?);
        check_control(config, &*control.consult_and_wait(i64::MAX)?)?;
        let data_dir = &config.run.data_dir;
        std::fs::create_dir_all(data_dir).map_err(|source| RunError::Io {
            what: format!("create {}", data_dir.display()),
            source,
        })?;
        forget_marker(data_dir)?;
        let telemetry = Arc::new(Telemetry::new(config.run.lanes)?);
        let server = if http {
            Some(serve(config, &telemetry)?)
        } else {
            None
        };

        let writer = Arc::new(Writer::start().map_err(|source| RunError::Io {
            what: "start the writer".into(),
            source,
        })?);
        let repository = repository(config)?;
        let leases = Leases::default();
        let (checkpointer, checkpoints) = Checkpointer::start(
            &config.checkpoints,
            (data_dir, &leases),
            repository.clone(),
            log_start(config),
            &telemetry,
        )
        .map_err(|source| RunError::Io {
            what: "start the checkpointer".into(),
            source,
        })?;
        let parts = Arc::new(WorldParts {
            config: config.clone(),
            control: Arc::clone(&control),
            store: Shared::new(
                bytes(config.store.block_cache_bytes.0),
                bytes(config.store.write_buffer_bytes.0),
            ),
            repository,
            telemetry: Arc::clone(&telemetry),
            context_bytes: bytes(config.run.context_bytes.0)
                / usize::try_from(partitions).unwrap_or(1).max(1),
        });
        let no_thread = |source| RunError::Io {
            what: "start a thread".into(),
            source,
        };
        let (restorers, restorer_threads) =
            Restorers::start(config.run.restorers, &parts, &leases).map_err(no_thread)?;
        let instance = config.run.instance_id.as_deref();
        let exporter = Exporter::start(&config.traces, instance, &telemetry).map_err(no_thread)?;
        let (end, ended) = mpsc::channel();
        let mut lanes = Vec::new();
        for index in 0..config.run.lanes {
            let parts = LaneParts {
                index,
                settings: settings(config),
                consumer: lane_consumer_config(config, index),
                producer: lane_producer_config(config),
                linger: Duration::from_millis(config.kafka.linger_ms),
                shadow: shadow_producer_config(config),
                tracer: exporter.as_ref().map(Exporter::tracer),
                topics: OutputTopics::of(&config.topics),
                partitions,
                restorers: restorers.clone(),
                writer: Arc::clone(&writer),
                checkpoints: checkpoints.clone(),
                control: Arc::clone(&control),
                telemetry: Arc::clone(&telemetry),
                ended: end.clone(),
            };
            lanes.push(shell::start(parts).map_err(no_thread)?);
        }
        let (http, server) = server.map_or((None, None), |(address, server)| {
            (Some(address), Some(server))
        });
        tracing::info!(lanes = config.run.lanes, partitions, data_dir = %data_dir.display(), "started");
        Ok(Processor {
            telemetry,
            http,
            lanes,
            restorers,
            restorer_threads,
            writer,
            checkpointer,
            checkpoints,
            exporter,
            server,
            config: config.clone(),
            ended,
        })
    }

    /// The lane that ended by itself, if one does within `wait`.
    pub fn ended(&self, wait: Duration) -> Option<usize> {
        self.ended.recv_timeout(wait).ok()
    }

    /// Drains, stores, commits, and leaves the group; a static member only if the marker says that it leaves for good.
    pub fn stop(self) -> Result<(), RunError> {
        let for_good = leaves_for_good(&self.config);
        let farewell = Farewell::of(&self.config, for_good);
        for lane in &self.lanes {
            // A lane that ended by itself needs no telling.
            let _gone = lane.mail.send(Mail::Stop(farewell.clone()));
        }
        self.restorers.stop();
        let mut failed = Ok(());
        for (index, lane) in self.lanes.into_iter().enumerate() {
            let error = match lane.thread.join() {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked; the message is in the log".into(),
            };
            failed = failed.and(Err(RunError::Lane { lane: index, error }));
        }
        for thread in self.restorer_threads {
            if thread.join().is_err() {
                tracing::error!("a restorer panicked");
            }
        }
        // The last holder: it commits what is queued.
        drop(self.writer);
        self.checkpointer.finish(self.checkpoints);
        if let Some(exporter) = self.exporter {
            exporter.finish();
        }
        if let Some(server) = self.server {
            let _gone = server.stop.send(());
            if let Ok(Err(error)) = server.thread.join() {
                tracing::warn!(%error, "HTTP");
            }
        }
        tracing::info!("stopped");
        failed
    }
}

/// Whether nobody will come back to this seat in the group: the marker says so, or the StatefulSet does.
fn leaves_for_good(config: &Config) -> bool {
    let run = &config.run;
    if shell::marker(&run.data_dir).exists() {
        return true;
    }
    let (Some(set), Some(instance)) = (&run.stateful_set, &run.instance_id) else {
        return false;
    };
    let account = &run.service_account_dir;
    let surplus = Pod {
        set,
        instance,
        account,
    }
    .is_surplus();
    match &surplus {
        Ok(true) => tracing::info!(
            set,
            instance,
            "this pod is wanted no more: it leaves the group for good"
        ),
        Ok(false) => tracing::info!(
            set,
            instance,
            "this pod comes back: it keeps its seat in the group"
        ),
        Err(error) => tracing::warn!(
            set,
            instance,
            "{error}; it is taken for one that comes back, so its partitions wait for a session if it does not"
        ),
    }
    surplus.unwrap_or(false)
}

/// A processor that starts has come back: what was said before its last end is over.
fn forget_marker(data_dir: &Path) -> Result<(), RunError> {
    let marker = shell::marker(data_dir);
    match std::fs::remove_file(&marker) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RunError::Io {
            what: format!("remove {}", marker.display()),
            source,
        }),
        _ => Ok(()),
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        in_flight: config.run.in_flight,
        epoch_ms: config.run.epoch_ms,
        commit_ms: config.run.commit_ms,
        freeze_per_tick: FREEZE_PER_TICK,
        drain_ms: config.run.drain_ms,
        #[cfg(feature = "seeded-bugs")]
        bug: None,
    }
}

fn check_control(config: &Config, control: &ControlLog) -> Result<(), RunError> {
    if control.opened(0).is_none() {
        return Err(RunError::NotOpened {
            topic: config.topics.control.clone(),
        });
    }
    if !config.run.allow_no_policy && !control.has_activation() {
        return Err(RunError::NoPolicy);
    }
    Ok(())
}

fn serve(config: &Config, telemetry: &Arc<Telemetry>) -> Result<(SocketAddr, Server), RunError> {
    let listen = config.http.listen;
    let failed = |source| RunError::Io {
        what: format!("listen on {listen}"),
        source,
    };
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let file = config.run.data_dir.join("http.addr");
    std::fs::write(&file, format!("{address}\n")).map_err(|source| RunError::Io {
        what: format!("write {}", file.display()),
        source,
    })?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let telemetry = Arc::clone(telemetry);
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stopped = async move { stopped.await.unwrap_or_default() };
            crate::http::serve(listener, telemetry, stopped).await
        })
    };
    let thread = std::thread::Builder::new()
        .name("http".into())
        .spawn(work)
        .map_err(failed)?;
    tracing::info!(%address, "metrics, health and readiness");
    Ok((address, Server { stop, thread }))
}

/// The repository of checkpoints, unless it is switched off. An object store that does not answer now may do so later, and costs
/// nothing but checkpoints; one that refuses would do so for ever.
fn repository(config: &Config) -> Result<Option<Repository>, RunError> {
    let Some(address) = config.checkpoint_address() else {
        tracing::warn!(
            "checkpoints are switched off: a lost data directory is rebuilt from the beginning of the log, if that is still there"
        );
        return Ok(None);
    };
    let store = ObjectStore::open(&address, &ObjectOptions::default())?;
    // Nobody is judged meanwhile, so a store that is silent is not waited for.
    let hasty = ObjectOptions {
        limits: PROBE,
        ..ObjectOptions::default()
    };
    match ObjectStore::open(&address, &hasty)?.probe(Probe::Write) {
        Err(error @ ObjectError::Refused { .. }) => return Err(error.into()),
        Err(error) => tracing::warn!(address, "the object store of checkpoints: {error}"),
        Ok(()) => {}
    }
    Ok(Some(Repository::new(Arc::new(store) as Arc<dyn Objects>)))
}

/// Asks with a client of its own, which is made when it is first needed.
fn log_start(config: &Config) -> LogStart {
    let config = config.clone();
    let mut cluster = None;
    Box::new(move |partition| {
        if cluster.is_none() {
            cluster = Cluster::new(&config).ok();
        }
        let bounds = cluster.as_ref()?.bounds(&config.topics.messages, partition);
        bounds.ok().map(|bounds| bounds.start)
    })
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
