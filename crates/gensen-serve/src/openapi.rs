//! The OpenAPI document, generated from the routes.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::routes::{openai, operation, tei};

/// The OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "GenSen",
        description = "Sentence vectors over HTTP, for clients of text-embeddings-inference and of OpenAI.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        tei::embed,
        tei::embed_all,
        tei::similarity,
        tei::tokenize,
        tei::info,
        openai::embeddings,
        openai::models,
        openai::model,
        operation::health,
        operation::livez,
        operation::metrics,
    ),
    modifiers(&BearerToken),
)]
pub(crate) struct Documentation;

/// Adds the bearer token to the document.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
    }
}
