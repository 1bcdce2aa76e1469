//! OpenAI's routes.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Model;
use crate::answer::{Answer, Arrival, Asked, BASE64_BYTES, JSON_BYTES};
use crate::app::App;
use crate::body;
use crate::inputs::Inputs;
use crate::model::TruncationSide;
use crate::problem::{Problem, ProblemKind};
use crate::queue::OutputKind;
use crate::routes::operation::{json, to_json};
use crate::routes::tei::check_dimensions;
use crate::types::{
    Embedding, EmbeddingsRequest, EmbeddingsResponse, EncodingFormat, ModelList, ModelObject,
    OpenAiErrorResponse, Usage, Vector,
};

/// The texts' vectors, normalised to length 1.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "OpenAI",
    request_body = EmbeddingsRequest,
    responses(
        (status = 200, description = "A vector for each input", body = EmbeddingsResponse),
        (status = 400, description = "Invalid request", body = OpenAiErrorResponse),
        (status = 404, description = "Unknown model", body = OpenAiErrorResponse),
        (status = 413, description = "Too many inputs, or too large ones", body = OpenAiErrorResponse),
        (status = 429, description = "Overloaded; retry after `Retry-After` seconds", body = OpenAiErrorResponse),
        (status = 500, description = "The encoder failed", body = OpenAiErrorResponse),
        (status = 503, description = "Not ready, or deadline exceeded", body = OpenAiErrorResponse),
    )
)]
pub(crate) async fn embeddings(
    State(app): State<Arc<App>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Problem> {
    let asked: EmbeddingsRequest = body::json(&app, request, arrival.deadline).await?;
    check_dimensions(&app, asked.model.as_deref(), asked.dimensions)?;
    let has_empty_text = match &asked.input {
        Inputs::One(text) => text.is_empty(),
        Inputs::Many(texts) => texts.iter().any(String::is_empty),
    };
    if has_empty_text {
        let message = "`input` contains an empty string";
        return Err(Problem::new(ProblemKind::Empty, message).param("input"));
    }
    let (dimensions, format) = (asked.dimensions, asked.encoding_format);
    let asked = Asked {
        inputs: asked.input,
        truncate: None,
        side: TruncationSide::Right,
        model: asked.model,
        output: OutputKind::Vectors,
        bytes_a_value: match format {
            EncodingFormat::Float => JSON_BYTES,
            EncodingFormat::Base64 => BASE64_BYTES,
        },
    };
    let answer = Answer::new(&app, arrival, asked, "input").await?;
    let write = move |mut answer: Answer| {
        let width = answer.shape(dimensions, true);
        let vectors = answer.values.chunks_exact(width).enumerate();
        let data = vectors.map(|(index, vector)| Embedding {
            object: "embedding",
            index,
            embedding: match format {
                EncodingFormat::Float => Vector::Float(vector.to_vec()),
                EncodingFormat::Base64 => Vector::Base64(base64(vector)),
            },
        });
        let words = answer.lengths.iter().sum();
        to_json(&EmbeddingsResponse {
            object: "list",
            data: data.collect(),
            model: answer.model().name().to_owned(),
            usage: Usage {
                prompt_tokens: words,
                total_tokens: words,
            },
        })
    };
    answer.send(&app, write).await
}

/// A vector's little-endian bytes in base64.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Lists the models.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "OpenAI",
    responses((status = 200, description = "The models, the default one first", body = ModelList))
)]
pub(crate) async fn models(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let models = app.models()?.iter();
    let list = ModelList {
        object: "list",
        data: models.map(|model| object(&app, model)).collect(),
    };
    Ok(json(to_json(&list)))
}

/// Describes a model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    tag = "OpenAI",
    params(("id" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The model", body = ModelObject),
        (status = 404, description = "Unknown model", body = OpenAiErrorResponse),
    )
)]
pub(crate) async fn model(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (_, model) = app.model(Some(&id))?;
    Ok(json(to_json(&object(&app, model))))
}

fn object(app: &App, model: &Model) -> ModelObject {
    ModelObject {
        id: model.name().to_owned(),
        object: "model",
        created: app.started,
        owned_by: "gensen",
    }
}
