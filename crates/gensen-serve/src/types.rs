//! What requests and answers hold.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoResponses, ToSchema};

use crate::inputs::Inputs;
use crate::model::Side;

/// Which end of a text that is too long goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TruncationDirection {
    /// The beginning.
    #[serde(alias = "Left")]
    Left,
    /// The end.
    #[default]
    #[serde(alias = "Right")]
    Right,
}

impl From<TruncationDirection> for Side {
    fn from(direction: TruncationDirection) -> Self {
        match direction {
            TruncationDirection::Left => Self::Left,
            TruncationDirection::Right => Self::Right,
        }
    }
}

/// What `POST /embed` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbedRequest {
    pub(crate) inputs: Inputs,
    /// Cut inputs that are too long; the server's setting without it.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Refused: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// Scale vectors to length 1.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) normalize: bool,
    /// Keep only the first N numbers of each vector.
    pub(crate) dimensions: Option<usize>,
    /// Which model, if the server has several; the first without it. (Not in text-embeddings-inference.)
    pub(crate) model: Option<String>,
}

fn yes() -> bool {
    true
}

/// What `POST /embed_all` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbedAllRequest {
    pub(crate) inputs: Inputs,
    /// Cut inputs that are too long; the server's setting without it.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Refused: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// Which model; the first without it.
    pub(crate) model: Option<String>,
}

/// A sentence and those it is compared with.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityInputs {
    pub(crate) source_sentence: String,
    pub(crate) sentences: Vec<String>,
}

/// How the sentences of a comparison are read.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SimilarityParameters {
    /// Cut sentences that are too long; the server's setting without it.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Refused: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
}

/// What `POST /similarity` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityRequest {
    pub(crate) inputs: SimilarityInputs,
    pub(crate) parameters: Option<SimilarityParameters>,
    /// Which model; the first without it.
    pub(crate) model: Option<String>,
}

/// What `POST /tokenize` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TokenizeRequest {
    pub(crate) inputs: Inputs,
    /// Put `<s>` and `</s>` around each text, as the encoder does.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) add_special_tokens: bool,
    /// Refused: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// Which model; the first without it.
    pub(crate) model: Option<String>,
}

/// A word of a text.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SimpleToken {
    /// Its number in the vocabulary; that of `<unk>` if the model does not know it.
    pub(crate) id: u32,
    /// As it stands in the text, or as the tokeniser writes it.
    pub(crate) text: String,
    /// Whether it is `<s>` or `</s>`.
    pub(crate) special: bool,
    /// Where it begins, in characters; null for a special word, and where the tokeniser writes it otherwise.
    pub(crate) start: Option<usize>,
    /// Where it ends.
    pub(crate) stop: Option<usize>,
}

/// What `GET /info` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Info {
    pub(crate) model_id: String,
    pub(crate) model_sha: Option<String>,
    /// How the weights are stored.
    pub(crate) model_dtype: &'static str,
    pub(crate) model_type: ModelType,
    pub(crate) max_concurrent_requests: usize,
    /// Words of an input.
    pub(crate) max_input_length: usize,
    /// Words of a batch.
    pub(crate) max_batch_tokens: usize,
    pub(crate) max_batch_requests: Option<usize>,
    pub(crate) max_client_batch_size: usize,
    pub(crate) auto_truncate: bool,
    pub(crate) tokenization_workers: usize,
    pub(crate) version: &'static str,
    pub(crate) sha: Option<String>,
    pub(crate) docker_label: Option<String>,
}

/// What a model is for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelType {
    /// Vectors.
    Embedding(EmbeddingModel),
}

/// How a model makes vectors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmbeddingModel {
    /// `mean`, `max` or `last`.
    pub(crate) pooling: String,
}

/// What text-embeddings-inference's routes answer if they cannot.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct ErrorResponse {
    pub(crate) error: String,
    /// `validation`, `empty`, `overloaded`, `unhealthy`, `backend`, ...
    pub(crate) error_type: String,
}

/// Why text-embeddings-inference's routes do not encode.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes them")]
pub(crate) enum Refusals {
    #[response(status = 400, description = "Empty input, or malformed JSON")]
    Empty(ErrorResponse),
    #[response(status = 413, description = "Too many inputs, or too large ones")]
    TooLarge(ErrorResponse),
    #[response(status = 422, description = "Invalid request")]
    Invalid(ErrorResponse),
    #[response(status = 424, description = "The encoder failed")]
    Failed(ErrorResponse),
    #[response(
        status = 429,
        description = "Overloaded; retry after `Retry-After` seconds"
    )]
    Overloaded(ErrorResponse),
    #[response(status = 503, description = "Not ready, or deadline exceeded")]
    Unavailable(ErrorResponse),
}

/// How OpenAI's route writes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// As a list of numbers.
    #[default]
    Float,
    /// As the bytes of its little-endian 32-bit floats, in base64.
    Base64,
}

/// What `POST /v1/embeddings` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbeddingsRequest {
    pub(crate) input: Inputs,
    /// The first without it.
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) encoding_format: EncodingFormat,
    /// Keep only the first N numbers of each vector, scaled to length 1 again.
    pub(crate) dimensions: Option<usize>,
}

/// What `POST /v1/embeddings` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmbeddingsResponse {
    /// `list`.
    pub(crate) object: &'static str,
    pub(crate) data: Vec<Embedding>,
    pub(crate) model: String,
    pub(crate) usage: Usage,
}

/// A vector.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Embedding {
    /// `embedding`.
    pub(crate) object: &'static str,
    pub(crate) index: usize,
    pub(crate) embedding: Vector,
}

/// A vector in either format.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Vector {
    /// Numbers.
    Float(Vec<f32>),
    /// Base64.
    Base64(String),
}

/// The words that were read, `<s>` and `</s>` included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) total_tokens: usize,
}

/// What `GET /v1/models` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// `list`.
    pub(crate) object: &'static str,
    pub(crate) data: Vec<ModelObject>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelObject {
    pub(crate) id: String,
    /// `model`.
    pub(crate) object: &'static str,
    /// When the server started, in seconds since 1970.
    pub(crate) created: u64,
    pub(crate) owned_by: &'static str,
}

/// What OpenAI's routes answer if they cannot.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct OpenAiErrorResponse {
    pub(crate) error: OpenAiError,
}

/// Why an OpenAI route does not answer.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct OpenAiError {
    pub(crate) message: String,
    #[serde(rename = "type")]
    pub(crate) error_type: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

/// Numbers as a list of rows.
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) width: usize,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.values.chunks_exact(self.width);
        let mut list = serializer.serialize_seq(Some(rows.len()))?;
        for row in rows {
            list.serialize_element(row)?;
        }
        list.end()
    }
}
