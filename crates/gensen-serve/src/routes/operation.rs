//! Routes for operating the server.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::problem::Problem;
use crate::types::ErrorResponse;

/// Readiness: 503 while models are loading and when the server is stopping.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Operation",
    responses(
        (status = 200, description = "Ready"),
        (status = 503, description = "Not ready", body = ErrorResponse),
    )
)]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Result<(), Problem> {
    app.ready()
}

/// Liveness: 200 whenever the program runs, also while models are loading.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "Operation",
    responses((status = 200, description = "Alive"))
)]
pub(crate) async fn livez() {}

/// Metrics in Prometheus's text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operation",
    responses((status = 200, description = "Prometheus's text format", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    with_type(
        app.metrics.text(app.queue.waiting()),
        "text/plain; version=0.0.4",
    )
}

/// A response with this media type.
pub(crate) fn with_type(body: impl Into<Body>, media: &'static str) -> Response {
    let mut response = Response::new(body.into());
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// A JSON response.
pub(crate) fn json(json: Vec<u8>) -> Response {
    with_type(json, "application/json")
}

/// Serialises a value to JSON.
#[allow(
    clippy::expect_used,
    reason = "responses are structs, lists, strings and numbers, which always serialise"
)]
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("responses serialise to JSON")
}
