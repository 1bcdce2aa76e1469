//! Errors at a server's start.

use std::io;
use std::net::SocketAddr;

use gensen_data::tokenizer::TokenizerError;
use gensen_encode::EncodeError;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Cannot listen on the address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// Cannot start threads.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
    /// A setting out of range.
    #[error("the setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The valid values.
        expected: String,
    },
    /// No model was given.
    #[error("there is no model to serve")]
    NoModel,
    /// Two models have the same name.
    #[error("two models are named `{name}`")]
    SameName {
        /// The name.
        name: String,
    },
    /// A malformed model name.
    #[error("malformed model name `{name}`: expected letters, digits, `.`, `_`, `-` and `/`")]
    Name {
        /// The name.
        name: String,
    },
    /// The pooling `max-padded`: vectors would depend on the other texts in the batch.
    #[error(
        "model `{model}` has the pooling max-padded, which makes a vector depend on the other sentences in its \
         batch; choose another pooling, such as max"
    )]
    Pooling {
        /// The model.
        model: String,
    },
    /// The model's tokeniser cannot be created.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model cannot be loaded, or fails to encode.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
