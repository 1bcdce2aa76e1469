//! The bearer token.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The hash of the token that requests must carry. Comparing hashes takes the same time for tokens of any length.
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether the headers carry the token.
    pub(crate) fn opens(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return false;
        };
        let value = value.as_bytes();
        let Some((scheme, token)) = value.split_at_checked(b"bearer ".len()) else {
            return false;
        };
        let found: [u8; 32] = Sha256::digest(token.trim_ascii_start()).into();
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(found.ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let key = TokenHash::new("s3cret");
        let opens = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            key.opens(&headers)
        };
        assert!(opens("Bearer s3cret"));
        assert!(opens("bearer  s3cret"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crets",
            "s3cret",
            "Basic s3cret",
        ] {
            assert!(!opens(wrong), "{wrong}");
        }
        assert!(!key.opens(&HeaderMap::new()));
    }
}
