//! Names tenants: the same credential is always the same tenant, and the name tells nothing about it.

use http::HeaderMap;

use super::{Share, presented};
use crate::domain::{Credential, Secret, TenantId};

/// Turns credentials into tenants, under this installation's secret.
#[derive(Debug, Clone)]
pub struct Tenants {
    secret: Secret,
    share: Share,
}

impl Tenants {
    /// `secret` keys the names, so that they mean nothing elsewhere and cannot be guessed from a list of keys.
    #[must_use]
    pub const fn new(secret: Secret, share: Share) -> Self {
        Self { secret, share }
    }

    /// The same names' keeper under another rule of sharing.
    #[must_use]
    pub fn shared_by(&self, share: Share) -> Self {
        Self { secret: self.secret.clone(), share }
    }

    /// Whose request it is, by its headers.
    #[must_use]
    pub fn identify(&self, headers: &HeaderMap) -> TenantId {
        self.name(presented(headers).as_ref())
    }

    /// The tenant of a credential. Requests without one share a tenant of their own.
    #[must_use]
    pub fn name(&self, credential: Option<&Credential>) -> TenantId {
        // Presence is a field of its own, so that no credential can spell the name of another kind of tenant.
        let hasher = self.secret.hasher("tenant");
        let digest = match (self.share, credential) {
            (Share::Everyone, _) => hasher.field(b"everyone"),
            (Share::Credential, None) => hasher.field(b"anonymous"),
            (Share::Credential, Some(credential)) => hasher.field(b"credential").field(credential.expose().as_bytes()),
        }
        .digest();
        TenantId(digest.to_hex()[..32].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(secret: u8, share: Share) -> Tenants {
        Tenants::new(Secret::new([secret; 32]), share)
    }

    fn name(tenants: &Tenants, credential: &str) -> String {
        tenants.name(Some(&Credential::new(credential))).0.to_string()
    }

    #[test]
    fn a_name_is_stable_keyed_and_32_hex_digits() {
        let one = name(&tenants(1, Share::Credential), "sk-1");
        assert_eq!(one, name(&tenants(1, Share::Credential), "sk-1"));
        assert_ne!(one, name(&tenants(2, Share::Credential), "sk-1"));
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn credentials_never_share_unless_all_do() {
        let apart = tenants(1, Share::Credential);
        assert_ne!(name(&apart, "sk-1"), name(&apart, "sk-2"));
        assert_ne!(name(&apart, "anonymous"), apart.name(None).0.to_string());
        let together = tenants(1, Share::Everyone);
        assert_eq!(name(&together, "sk-1"), name(&together, "sk-2"));
        assert_eq!(name(&together, "sk-1"), together.name(None).0.to_string());
    }

    #[test]
    fn the_same_key_is_the_same_tenant_on_every_protocol() {
        let tenants = tenants(1, Share::Credential);
        let with = |name: &'static str, value: &'static str| {
            tenants.identify(&HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(with("authorization", "Bearer k"), with("x-api-key", "k"));
        assert_eq!(tenants.identify(&HeaderMap::new()), tenants.name(None));
    }
}
