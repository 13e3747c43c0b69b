//! Encrypted connections: whom to trust, and as whom to come (`--features tls`).
//!
//! The client takes rustls with whatever provider of cryptography the process has. Where it has none,
//! ring becomes it when the first encrypted map is opened: rustls would have to guess otherwise, and
//! panics when there are two to choose from.

use redis::Client;

use crate::address::Address;
use crate::error::Error;

/// What an encrypted connection needs to know; PEM.
#[derive(Clone, Default)]
pub(crate) struct Encryption {
    #[cfg(feature = "tls")]
    pub(crate) roots: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Encryption {
    /// The client of an address.
    pub(crate) fn client(&self, address: &Address) -> Result<Client, Error> {
        #[cfg(feature = "tls")]
        if address.is_encrypted {
            return self.encrypted(address);
        }
        debug_assert!(!address.is_encrypted, "such an address is refused without the feature");
        // What the client says of a URL may repeat it, and with it a password.
        Client::open(address.url.as_str()).map_err(|_| UNREADABLE)
    }

    #[cfg(feature = "tls")]
    fn encrypted(&self, address: &Address) -> Result<Client, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been first, which is as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client_tls = self.identity.as_ref().map(|(chain, key)| redis::ClientTlsConfig {
            client_cert: chain.clone(),
            client_key: key.clone(),
        });
        // A URL that can't be read is told from certificates that can't.
        Client::open(address.url.as_str()).map_err(|_| UNREADABLE)?;
        let certificates = redis::TlsCertificates { client_tls, root_cert: self.roots.clone() };
        Client::build_with_tls(address.url.as_str(), certificates)
            .map_err(|_| Error::Url { reason: "its certificates or key can't be read" })
    }
}

const UNREADABLE: Error = Error::Url { reason: "host, port, user or password can't be read" };

impl std::fmt::Debug for Encryption {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A key is nobody's business.
        out.debug_struct("Encryption").finish_non_exhaustive()
    }
}
