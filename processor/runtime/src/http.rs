//! `/metrics`, `/healthz`, `/readyz`. Read-only and without secrets; it listens on loopback unless told otherwise.

use crate::telemetry::Telemetry;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .with_state(telemetry);
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop)
        .await
}

async fn metrics(State(telemetry): State<Arc<Telemetry>>) -> (StatusCode, String) {
    match telemetry.render() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn health(State(telemetry): State<Arc<Telemetry>>) -> (StatusCode, String) {
    answer(telemetry.healthy())
}

async fn readiness(State(telemetry): State<Arc<Telemetry>>) -> (StatusCode, String) {
    answer(telemetry.ready())
}

fn answer(outcome: Result<(), String>) -> (StatusCode, String) {
    match outcome {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
