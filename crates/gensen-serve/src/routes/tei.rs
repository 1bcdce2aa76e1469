//! text-embeddings-inference's routes.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use gensen_encode::weights::StoredPrecision;

use crate::Model;
use crate::answer::{Answer, Arrival, Asked, JSON_BYTES, check_count, no_prompt, off_worker};
use crate::app::App;
use crate::body;
use crate::inputs::Inputs;
use crate::offsets::tokens;
use crate::problem::{Problem, ProblemKind};
use crate::queue::OutputKind;
use crate::routes::operation::{json, to_json};
use crate::types::{
    EmbedAllRequest, EmbedRequest, EmbeddingModel, ErrorResponse, Info, ModelType, Refusals, Rows,
    SimilarityRequest, SimpleToken, TokenizeRequest,
};

/// The texts' vectors. Also available as `POST /`.
#[utoipa::path(
    post,
    path = "/embed",
    tag = "text-embeddings-inference",
    request_body = EmbedRequest,
    responses(
        (status = 200, description = "A vector for each input", body = Vec<Vec<f32>>),
        Refusals,
    )
)]
pub(crate) async fn embed(
    State(app): State<Arc<App>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Problem> {
    let asked: EmbedRequest = body::json(&app, request, arrival.deadline).await?;
    no_prompt(asked.prompt_name.as_ref())?;
    check_dimensions(&app, asked.model.as_deref(), asked.dimensions)?;
    let (dimensions, normalize) = (asked.dimensions, asked.normalize);
    let asked = Asked {
        inputs: asked.inputs,
        truncate: asked.truncate,
        side: asked.truncation_direction.into(),
        model: asked.model,
        output: OutputKind::Vectors,
        bytes_a_value: JSON_BYTES,
    };
    let answer = Answer::new(&app, arrival, asked, "inputs").await?;
    let write = move |mut answer: Answer| {
        let width = answer.shape(dimensions, normalize);
        let values = &answer.values;
        to_json(&Rows { values, width })
    };
    answer.send(&app, write).await
}

/// Refuses `dimensions` outside of 1 to the model's width.
pub(crate) fn check_dimensions(
    app: &App,
    model: Option<&str>,
    dimensions: Option<usize>,
) -> Result<(), Problem> {
    let width = app.model(model)?.1.encoder().width();
    match dimensions {
        Some(found) if !(1..=width).contains(&found) => {
            let message = format!("`dimensions` is {found}: expected 1 to {width}");
            Err(Problem::new(ProblemKind::Invalid, message).param("dimensions"))
        }
        _ => Ok(()),
    }
}

/// The hidden states of the texts' words, `<s>` and `</s>` included.
#[utoipa::path(
    post,
    path = "/embed_all",
    tag = "text-embeddings-inference",
    request_body = EmbedAllRequest,
    responses(
        (status = 200, description = "A state for each word in each input", body = Vec<Vec<Vec<f32>>>),
        Refusals,
    )
)]
pub(crate) async fn embed_all(
    State(app): State<Arc<App>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Problem> {
    let asked: EmbedAllRequest = body::json(&app, request, arrival.deadline).await?;
    no_prompt(asked.prompt_name.as_ref())?;
    let asked = Asked {
        inputs: asked.inputs,
        truncate: asked.truncate,
        side: asked.truncation_direction.into(),
        model: asked.model,
        output: OutputKind::States,
        bytes_a_value: JSON_BYTES,
    };
    let answer = Answer::new(&app, arrival, asked, "inputs").await?;
    let write = |answer: Answer| {
        let width = answer.width();
        let mut left = &answer.values[..];
        let texts = answer.lengths.iter().map(|words| {
            let (values, others) = left.split_at(words * width);
            left = others;
            Rows { values, width }
        });
        to_json(&texts.collect::<Vec<_>>())
    };
    answer.send(&app, write).await
}

/// The cosines of a sentence with other sentences.
#[utoipa::path(
    post,
    path = "/similarity",
    tag = "text-embeddings-inference",
    request_body = SimilarityRequest,
    responses(
        (status = 200, description = "A cosine for each of `sentences`", body = Vec<f32>),
        Refusals,
    )
)]
pub(crate) async fn similarity(
    State(app): State<Arc<App>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Problem> {
    const FIELD: &str = "inputs.sentences";
    let asked: SimilarityRequest = body::json(&app, request, arrival.deadline).await?;
    let parameters = asked.parameters.unwrap_or_default();
    no_prompt(parameters.prompt_name.as_ref())?;
    check_count(&app, asked.inputs.sentences.len(), FIELD)?;
    let mut texts = asked.inputs.sentences;
    texts.insert(0, asked.inputs.source_sentence);
    let asked = Asked {
        inputs: Inputs::Many(texts),
        truncate: parameters.truncate,
        side: parameters.truncation_direction.into(),
        model: asked.model,
        output: OutputKind::Vectors,
        bytes_a_value: JSON_BYTES,
    };
    let answer = Answer::new(&app, arrival, asked, FIELD).await?;
    let write = |mut answer: Answer| {
        let width = answer.shape(None, true);
        let (source, others) = answer.values.split_at(width);
        let cosine = |other: &[f32]| source.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let cosines: Vec<f32> = others.chunks_exact(width).map(cosine).collect();
        to_json(&cosines)
    };
    answer.send(&app, write).await
}

/// The texts' words, with their ids and positions.
#[utoipa::path(
    post,
    path = "/tokenize",
    tag = "text-embeddings-inference",
    request_body = TokenizeRequest,
    responses(
        (status = 200, description = "The words of each input", body = Vec<Vec<SimpleToken>>),
        (status = 400, description = "Empty input, or malformed JSON", body = ErrorResponse),
        (status = 413, description = "Too many inputs, or too large ones", body = ErrorResponse),
        (status = 422, description = "Invalid request", body = ErrorResponse),
    )
)]
pub(crate) async fn tokenize(
    State(app): State<Arc<App>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Problem> {
    let asked: TokenizeRequest = body::json(&app, request, arrival.deadline).await?;
    no_prompt(asked.prompt_name.as_ref())?;
    let texts = match asked.inputs {
        Inputs::One(text) => vec![text],
        Inputs::Many(texts) => texts,
    };
    check_count(&app, texts.len(), "inputs")?;
    let (number, _) = app.model(asked.model.as_deref())?;
    let models = Arc::clone(app.models()?);
    let bytes: usize = texts.iter().map(String::len).sum();
    let split = move || {
        let of = |text: &String| tokens(&models[number], text, asked.add_special_tokens);
        to_json(&texts.iter().map(of).collect::<Vec<_>>())
    };
    Ok(json(off_worker(bytes >= 1 << 14, split).await))
}

/// The model and the server's limits; the first model if there are several.
#[utoipa::path(
    get,
    path = "/info",
    tag = "text-embeddings-inference",
    responses((status = 200, description = "The model and the server's limits", body = Info))
)]
pub(crate) async fn info(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (_, model) = app.model(None)?;
    Ok(json(to_json(&describe(&app, model))))
}

fn describe(app: &App, model: &Model) -> Info {
    let limits = &app.config.limits;
    Info {
        model_id: model.name().to_owned(),
        model_sha: None,
        model_dtype: match model.encoder().model().weights().precision() {
            StoredPrecision::F32 => "float32",
            StoredPrecision::F16 => "float16",
            StoredPrecision::I8 => "int8",
        },
        model_type: ModelType::Embedding(EmbeddingModel {
            pooling: model.pooling().to_string(),
        }),
        max_concurrent_requests: limits.requests,
        max_input_length: limits.input_words,
        max_batch_tokens: limits.batch_words,
        max_batch_requests: limits.batch_requests,
        max_client_batch_size: limits.inputs,
        auto_truncate: app.config.auto_truncate,
        tokenization_workers: std::thread::available_parallelism().map_or(1, usize::from),
        version: env!("CARGO_PKG_VERSION"),
        sha: None,
        docker_label: None,
    }
}
