//! Errors of starting a server.

use std::io;
use std::net::SocketAddr;

use gensen_data::tokenizer::TokenizerError;
use gensen_encode::EncodeError;

/// Errors of starting a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Listening on the address fails.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The threads that answer requests cannot be started.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
    /// An invalid setting.
    #[error("the setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The valid values.
        expected: String,
    },
    /// There is no model.
    #[error("there is no model to serve")]
    NoModel,
    /// Two models with the same name.
    #[error("two models are named `{name}`")]
    SameName {
        /// The name.
        name: String,
    },
    /// An invalid name of a model.
    #[error("invalid model name `{name}`: expected letters, digits, `.`, `_`, `-` and `/`")]
    Name {
        /// The name.
        name: String,
    },
    /// A pooling that makes vectors depend on other sentences of the batch.
    #[error(
        "model `{model}` has the pooling max-padded, by which a vector depends on the other sentences of \
         its batch; serve it with another pooling, such as max"
    )]
    Pooling {
        /// The model.
        model: String,
    },
    /// The model's tokeniser cannot be created.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model cannot be opened, or does not encode a sentence.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
