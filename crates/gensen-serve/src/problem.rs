//! Error responses, in the form of either protocol.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// The body is malformed JSON.
    Malformed,
    /// The JSON is not a valid request.
    Invalid,
    /// The content type is not JSON.
    MediaType,
    /// There is no input.
    Empty,
    /// A size limit is exceeded.
    TooLarge,
    /// The queue is full, or there are too many concurrent requests.
    Overloaded,
    /// The token is missing or wrong.
    Unauthorized,
    /// No model has the requested name.
    UnknownModel,
    /// No route has the path.
    NotFound,
    /// The route does not support the method.
    Method,
    /// The body did not arrive in time.
    Slow,
    /// The deadline passed before the result.
    Deadline,
    /// The model is loading, or the server is stopping.
    Unready,
    /// The encoder failed.
    Backend,
}

/// The protocol of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteProtocol {
    /// text-embeddings-inference.
    Tei,
    /// OpenAI.
    OpenAi,
}

impl RouteProtocol {
    /// The protocol of the route with this path.
    pub(crate) fn of(path: &str) -> Self {
        match path.starts_with("/v1/") {
            true => Self::OpenAi,
            false => Self::Tei,
        }
    }
}

/// An error response.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    message: String,
    param: Option<&'static str>,
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
        }
    }

    /// Names the invalid field of the request.
    pub(crate) fn param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Sets `Retry-After`.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn status(&self, protocol: RouteProtocol) -> StatusCode {
        match (self.kind, protocol) {
            (ProblemKind::Malformed | ProblemKind::Empty, _) => StatusCode::BAD_REQUEST,
            (ProblemKind::Invalid, RouteProtocol::Tei) => StatusCode::UNPROCESSABLE_ENTITY,
            (ProblemKind::Invalid, RouteProtocol::OpenAi) => StatusCode::BAD_REQUEST,
            (ProblemKind::MediaType, _) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            (ProblemKind::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (ProblemKind::Overloaded, _) => StatusCode::TOO_MANY_REQUESTS,
            (ProblemKind::Unauthorized, _) => StatusCode::UNAUTHORIZED,
            (ProblemKind::UnknownModel | ProblemKind::NotFound, _) => StatusCode::NOT_FOUND,
            (ProblemKind::Method, _) => StatusCode::METHOD_NOT_ALLOWED,
            (ProblemKind::Slow, _) => StatusCode::REQUEST_TIMEOUT,
            (ProblemKind::Deadline | ProblemKind::Unready, _) => StatusCode::SERVICE_UNAVAILABLE,
            (ProblemKind::Backend, RouteProtocol::Tei) => StatusCode::FAILED_DEPENDENCY,
            (ProblemKind::Backend, RouteProtocol::OpenAi) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// text-embeddings-inference's `error_type`; the last three are additions.
    pub(crate) fn error_type(&self) -> &'static str {
        match self.kind {
            ProblemKind::Malformed
            | ProblemKind::Invalid
            | ProblemKind::MediaType
            | ProblemKind::TooLarge
            | ProblemKind::Slow => "validation",
            ProblemKind::Empty => "empty",
            ProblemKind::Overloaded | ProblemKind::Deadline => "overloaded",
            ProblemKind::Unready => "unhealthy",
            ProblemKind::Backend => "backend",
            ProblemKind::Unauthorized => "unauthorized",
            ProblemKind::UnknownModel | ProblemKind::NotFound => "not_found",
            ProblemKind::Method => "method_not_allowed",
        }
    }

    /// OpenAI's `type` and `code`.
    fn type_and_code(&self) -> (&'static str, Option<&'static str>) {
        match self.kind {
            ProblemKind::Overloaded => ("requests", Some("rate_limit_exceeded")),
            ProblemKind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
            ProblemKind::UnknownModel => ("invalid_request_error", Some("model_not_found")),
            ProblemKind::NotFound => ("invalid_request_error", Some("unknown_url")),
            ProblemKind::Deadline | ProblemKind::Unready | ProblemKind::Backend => {
                ("server_error", None)
            }
            _ => ("invalid_request_error", None),
        }
    }

    /// The response in this protocol's format.
    pub(crate) fn response(&self, protocol: RouteProtocol) -> Response {
        let message = &self.message;
        let body = match protocol {
            RouteProtocol::Tei => json!({ "error": message, "error_type": self.error_type() }),
            RouteProtocol::OpenAi => {
                let (error_type, code) = self.type_and_code();
                let param = self.param;
                json!({ "error": {
                    "message": message, "type": error_type, "param": param, "code": code,
                }})
            }
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status(protocol);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A placeholder; `front` builds the response, because its form depends on the request's path.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}
