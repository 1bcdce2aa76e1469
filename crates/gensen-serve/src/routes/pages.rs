//! Pages. They load nothing from other hosts.

use std::sync::OnceLock;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::Response;
use bytes::Bytes;
use utoipa::OpenApi;

use crate::openapi::Documentation;
use crate::routes::operation::{json, with_type};

const INDEX: &str = include_str!("../../pages/index.html");
const DOCS: &str = include_str!("../../pages/docs.html");
/// Allows a page's inline style and script and requests to this server only.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The page for comparing sentences.
pub(crate) async fn index() -> Response {
    page(INDEX)
}

/// The routes' documentation as a page.
pub(crate) async fn docs() -> Response {
    page(DOCS)
}

/// The routes' documentation as OpenAPI.
pub(crate) async fn openapi() -> Response {
    static JSON: OnceLock<Bytes> = OnceLock::new();
    let text = JSON.get_or_init(|| super::operation::to_json(&Documentation::openapi()).into());
    json(text.to_vec())
}

fn page(text: &'static str) -> Response {
    let mut response = with_type(text, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
