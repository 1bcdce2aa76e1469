//! The routes, one file per protocol.

pub(crate) mod openai;
pub(crate) mod operation;
pub(crate) mod pages;
pub(crate) mod tei;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
use crate::front::front;
use crate::problem::{Problem, ProblemKind};

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::index).post(tei::embed))
        .route("/embed", post(tei::embed))
        .route("/embed_all", post(tei::embed_all))
        .route("/similarity", post(tei::similarity))
        .route("/tokenize", post(tei::tokenize))
        .route("/info", get(tei::info))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{*id}", get(openai::model))
        .route("/health", get(operation::health))
        .route("/livez", get(operation::livez))
        .route("/metrics", get(operation::metrics))
        .route("/docs", get(pages::docs))
        .route("/api-doc/openapi.json", get(pages::openapi))
        .fallback(|| async {
            Problem::new(
                ProblemKind::NotFound,
                "no route has this path; /docs lists the routes",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                ProblemKind::Method,
                "the route does not support this method; /docs lists the routes",
            )
        })
        .layer(from_fn_with_state(Arc::clone(&app), front))
        .with_state(app)
}
