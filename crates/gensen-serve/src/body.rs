//! Bodies of requests and responses.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use crate::app::App;
use crate::problem::{Problem, ProblemKind};

/// Rejected bodies are drained up to this multiple of the limit.
const DRAINED: usize = 16;
/// Size of the chunks in which a response is sent, in bytes.
const CHUNK: usize = 1 << 16;

/// Parses a request's JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    app: &App,
    request: Request,
    deadline: Instant,
) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        let message = "expected a request with `Content-Type: application/json`";
        return Err(Problem::new(ProblemKind::MediaType, message));
    }
    let bytes = match timeout_at(deadline.into(), read(app, request)).await {
        Ok(bytes) => bytes?,
        Err(_) => {
            let message = format!(
                "the request's body did not arrive within {} seconds",
                app.config.timeouts.request.as_secs_f32()
            );
            return Err(Problem::new(ProblemKind::Slow, message));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        Category::Data => Problem::new(ProblemKind::Invalid, format!("invalid request: {error}")),
        _ => Problem::new(
            ProblemKind::Malformed,
            format!("the request's body is malformed JSON: {error}"),
        ),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = value
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// Reads a request's body; keeps at most `body_bytes` in memory.
async fn read(app: &App, request: Request) -> Result<Vec<u8>, Problem> {
    let most = app.config.limits.body_bytes;
    let too_large = || {
        let message = format!("the request's body is larger than the limit of {most} bytes");
        Problem::new(ProblemKind::TooLarge, message)
    };
    if declared(request.headers()).is_some_and(|length| length > most as u64) {
        drop_body(app, request).await;
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut seen = 0;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!("the request's body is incomplete: {error}");
            Problem::new(ProblemKind::Malformed, message)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen += data.len();
        match seen <= most {
            true => bytes.extend_from_slice(&data),
            // Too large, without a declared length.
            false => bytes = Vec::new(),
        }
        if seen > most.saturating_mul(DRAINED) {
            break;
        }
    }
    match seen <= most {
        true => Ok(bytes),
        false => Err(too_large()),
    }
}

/// A request's `Content-Length`.
fn declared(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Drains a rejected body so that its sender can read the response: closing the connection while the client still
/// writes would reset it.
pub(crate) async fn drop_body(app: &App, request: Request) {
    if request.headers().contains_key(EXPECT) {
        // The client waits for `100 Continue` before it sends the body.
        return;
    }
    let most = app.config.limits.body_bytes.saturating_mul(DRAINED);
    let mut seen = 0;
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > most {
            return;
        }
    }
}

/// A JSON response that holds `permit` until it has been sent.
pub(crate) fn sent(json: Vec<u8>, permit: OwnedSemaphorePermit) -> Response {
    let body = Chunks {
        left: json.into(),
        permit: Some(permit),
    };
    let mut response = Response::new(Body::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A body sent in chunks, so that back-pressure reaches it.
struct Chunks {
    left: Bytes,
    permit: Option<OwnedSemaphorePermit>,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left.is_empty() {
            self.permit = None;
            return Poll::Ready(None);
        }
        let length = self.left.len().min(CHUNK);
        let chunk = self.left.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
