//! Requests and responses.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoResponses, ToSchema};

use crate::inputs::Inputs;
use crate::model::TruncationSide;

/// The side on which a long text is truncated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TruncationDirection {
    /// Remove the beginning.
    #[serde(alias = "Left")]
    Left,
    /// Remove the end.
    #[default]
    #[serde(alias = "Right")]
    Right,
}

impl From<TruncationDirection> for TruncationSide {
    fn from(direction: TruncationDirection) -> Self {
        match direction {
            TruncationDirection::Left => Self::Left,
            TruncationDirection::Right => Self::Right,
        }
    }
}

/// A request to `POST /embed`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbedRequest {
    pub(crate) inputs: Inputs,
    /// Truncate inputs that are too long; the default is the server's setting.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Not supported: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// Scale vectors to length 1.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) normalize: bool,
    /// Truncate vectors to this many dimensions.
    pub(crate) dimensions: Option<usize>,
    /// The model's name, the first model by default. (An addition to text-embeddings-inference.)
    pub(crate) model: Option<String>,
}

fn yes() -> bool {
    true
}

/// A request to `POST /embed_all`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbedAllRequest {
    pub(crate) inputs: Inputs,
    /// Truncate inputs that are too long; the default is the server's setting.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Not supported: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// The model's name, the first model by default.
    pub(crate) model: Option<String>,
}

/// A sentence, and the sentences to compare it with.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityInputs {
    pub(crate) source_sentence: String,
    pub(crate) sentences: Vec<String>,
}

/// Options of a comparison.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SimilarityParameters {
    /// Truncate sentences that are too long; the default is the server's setting.
    pub(crate) truncate: Option<bool>,
    #[serde(default)]
    pub(crate) truncation_direction: TruncationDirection,
    /// Not supported: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
}

/// A request to `POST /similarity`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityRequest {
    pub(crate) inputs: SimilarityInputs,
    pub(crate) parameters: Option<SimilarityParameters>,
    /// The model's name, the first model by default.
    pub(crate) model: Option<String>,
}

/// A request to `POST /tokenize`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TokenizeRequest {
    pub(crate) inputs: Inputs,
    /// Add `<s>` and `</s>` to each text, as the encoder does.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) add_special_tokens: bool,
    /// Not supported: the models have no prompts.
    pub(crate) prompt_name: Option<String>,
    /// The model's name, the first model by default.
    pub(crate) model: Option<String>,
}

/// A word in a text.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SimpleToken {
    /// Its id in the vocabulary; the id of `<unk>` for unknown words.
    pub(crate) id: u32,
    /// Its spelling in the text, or the tokeniser's if its position is unknown.
    pub(crate) text: String,
    /// Whether it is `<s>` or `</s>`.
    pub(crate) special: bool,
    /// Its start in characters; null for special words, and if its position is unknown.
    pub(crate) start: Option<usize>,
    /// Its end in characters.
    pub(crate) stop: Option<usize>,
}

/// The response of `GET /info`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Info {
    pub(crate) model_id: String,
    pub(crate) model_sha: Option<String>,
    /// The type of the weights.
    pub(crate) model_dtype: &'static str,
    pub(crate) model_type: ModelType,
    pub(crate) max_concurrent_requests: usize,
    /// The limit on words in an input.
    pub(crate) max_input_length: usize,
    /// The limit on words in a batch.
    pub(crate) max_batch_tokens: usize,
    pub(crate) max_batch_requests: Option<usize>,
    pub(crate) max_client_batch_size: usize,
    pub(crate) auto_truncate: bool,
    pub(crate) tokenization_workers: usize,
    pub(crate) version: &'static str,
    pub(crate) sha: Option<String>,
    pub(crate) docker_label: Option<String>,
}

/// The type of a model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelType {
    /// A model of vectors.
    Embedding(EmbeddingModel),
}

/// The parameters of an embedding model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmbeddingModel {
    /// `mean`, `max` or `last`.
    pub(crate) pooling: String,
}

/// An error of text-embeddings-inference's routes.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct ErrorResponse {
    pub(crate) error: String,
    /// `validation`, `empty`, `overloaded`, `unhealthy`, `backend`, ...
    pub(crate) error_type: String,
}

/// The error responses of text-embeddings-inference's routes.
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

/// The encoding of vectors in OpenAI's route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// The bytes of little-endian 32-bit floats, in base64.
    Base64,
}

/// A request to `POST /v1/embeddings`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbeddingsRequest {
    pub(crate) input: Inputs,
    /// The model's name, the first model by default.
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) encoding_format: EncodingFormat,
    /// Truncate vectors to this many dimensions, and normalise them again.
    pub(crate) dimensions: Option<usize>,
}

/// The response of `POST /v1/embeddings`.
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
    /// A list of numbers.
    Float(Vec<f32>),
    /// Base64.
    Base64(String),
}

/// The number of words in the inputs, `<s>` and `</s>` included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) total_tokens: usize,
}

/// The response of `GET /v1/models`.
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
    /// The server's start time in seconds since 1970.
    pub(crate) created: u64,
    pub(crate) owned_by: &'static str,
}

/// An error of OpenAI's routes.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct OpenAiErrorResponse {
    pub(crate) error: OpenAiError,
}

/// The details of an error.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "for the documentation; `Problem` writes it")]
pub(crate) struct OpenAiError {
    pub(crate) message: String,
    #[serde(rename = "type")]
    pub(crate) error_type: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

/// Serialises values as a list of rows.
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
