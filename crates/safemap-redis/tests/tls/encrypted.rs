//! A server that speaks TLS, and who signs the certificates of a test.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tophash_safemap::Schema;
use tophash_safemap_redis::{SharedMap, SharedMapBuilder};

use crate::server::Server;

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut about = CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(about, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key.
    pub(crate) fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut about = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // With the issuer's own name it would be taken for one that is signed by itself.
        about.distinguished_name.push(DnType::CommonName, name);
        (about.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// A server that speaks TLS at a second port.
pub(crate) struct Encrypted {
    pub(crate) server: Server,
    pub(crate) authority: Authority,
    port: u16,
    _files: TempDir,
}

impl Encrypted {
    pub(crate) fn start(name: &str, asks_for_certificates: bool) -> Self {
        let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
        let (certificate, key) = authority.signed(name);
        let file = |name: &str, text: &str| -> PathBuf {
            let path = files.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = (file("server.pem", &certificate), file("server.key", &key));
        let roots = file("roots.pem", &authority.pem());
        let (server, port) = Server::start_encrypted(&|port| {
            let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
            let asks = if asks_for_certificates { "yes" } else { "no" };
            [
                ["--tls-port", &port.to_string()],
                ["--tls-cert-file", &text(&certificate)],
                ["--tls-key-file", &text(&key)],
                ["--tls-ca-cert-file", &text(&roots)],
                ["--tls-auth-clients", asks],
            ]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
        });
        Self { server, authority, port, _files: files }
    }

    /// Where it speaks TLS.
    pub(crate) fn url(&self, host: &str, rest: &str) -> String {
        format!("rediss://{host}:{}/{rest}", self.port)
    }

    /// A map there that trusts who signed its certificate.
    pub(crate) fn builder(&self, host: &str) -> SharedMapBuilder {
        SharedMap::builder(&self.url(host, "test"), Schema::open())
            .root_certificates(self.authority.pem())
    }
}
