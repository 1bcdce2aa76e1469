//! Serves a device of this machine, with our operations, to other machines.

use std::net::TcpListener;

use burn::backend::{DispatchDevice, Flex};
use burn::server::{
    AuthorizationRequest, PeerAuthorizer, RemoteServer, ServeError, TokenAuthorizer,
    WebSocketTransport,
};
use burn::tensor::Device;

use crate::ops::remote::operations;

/// Serves `device` to clients of `listener`, with `token` only to those that send it, until Ctrl-C
/// or SIGTERM. Each session is logged when it opens.
///
/// # Errors
///
/// A device that Burn cannot serve: libtorch's, or one that is itself served by another machine.
pub fn serve(
    device: &Device,
    listener: TcpListener,
    token: Option<&str>,
) -> Result<(), ServeError> {
    let token = token.and_then(|token| TokenAuthorizer::new(token).ok());
    let server = RemoteServer::new([device.clone()]).with_authorizer(Door { token });
    let server = match device.as_dispatch() {
        DispatchDevice::Flex(_) => server.with_custom_ops(operations::<Flex>()),
        #[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
        DispatchDevice::Cube(_) => server.with_custom_ops(operations::<burn::backend::Cube>()),
        _ => server,
    };
    server.serve(WebSocketTransport::from_listener(listener))
}

struct Door {
    /// Without a token, any client is accepted.
    token: Option<TokenAuthorizer>,
}

impl PeerAuthorizer for Door {
    fn authorize(&self, request: AuthorizationRequest<'_>) -> Result<(), String> {
        let client = request.client;
        if let Some(token) = &self.token {
            token.authorize(request)?;
        }
        tracing::info!("{client} opened a session");
        Ok(())
    }
}
