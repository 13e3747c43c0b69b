//! Asking a program over HTTP: one GET, bounded in time and size.
//!
//! The program may be anybody's: an answer that is too long, too slow, or grows when it is unpacked is
//! given up. TLS is checked against the certificates that the system trusts.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The longest answer that is read, unpacked.
const LONGEST: u64 = 64 << 20;
/// An answer that leads elsewhere leads there at most this often.
const MOST_REDIRECTS: u32 = 3;

/// A way to ask, with the headers that go along.
pub(super) struct Client {
    agent: Agent,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Makes one for a URL.
    pub(super) fn new(url: &str, headers: &[String], timeout: Duration) -> Result<Self> {
        let uri: Uri =
            url.parse().with_context(|| format!("{} is no URL", without_secrets(url)))?;
        let headers = headers.iter().map(|header| split_header(header)).collect::<Result<_>>()?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(MOST_REDIRECTS)
            .user_agent(concat!("tophash/", env!("CARGO_PKG_VERSION")));
        if uri.host().is_some_and(is_loopback) {
            config = config.proxy(None);
        }
        if uri.scheme_str() == Some("https") {
            config = config.tls_config(tls()?);
        }
        Ok(Self { agent: config.build().into(), headers })
    }

    /// Asks; `None` if there is nothing at that place.
    pub(super) fn get(&self, url: &str) -> Result<Option<Vec<u8>>> {
        let shown = without_secrets(url);
        let mut request = self.agent.get(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::StatusCode(404)) => return Ok(None),
            Err(ureq::Error::StatusCode(status @ (401 | 403))) => {
                bail!("{shown} answers {status}: give what it asks for with --header")
            }
            Err(ureq::Error::StatusCode(status)) => bail!("{shown} answers {status}"),
            Err(ureq::Error::Timeout(_)) => {
                bail!("{shown} did not answer in time; --timeout gives it more")
            }
            Err(fault) => {
                return Err(fault).with_context(|| format!("{shown} can't be reached"));
            }
        };
        let mut body = Vec::new();
        let reader = response.into_body().into_reader();
        reader
            .take(LONGEST + 1)
            .read_to_end(&mut body)
            .with_context(|| format!("the answer of {shown} broke off"))?;
        if body.len() as u64 > LONGEST {
            bail!("the answer of {shown} is longer than {LONGEST} bytes");
        }
        Ok(Some(body))
    }
}

/// Takes user and password out of a URL, for messages and records.
pub(super) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // Tokens go into queries, too.
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn split_header(header: &str) -> Result<(String, String)> {
    // The value may be a secret, so that it is not shown.
    let (name, value) = header.split_once(':').context("a header is written 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|at: std::net::IpAddr| at.is_loopback())
}

fn tls() -> Result<TlsConfig> {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> =
        found.certs.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
    if roots.is_empty() {
        bail!(
            "no trusted certificates were found on this machine; set SSL_CERT_FILE to a file of some"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_not_shown() {
        for (url, shown) in [
            ("http://user:pass@host:80/metrics?token=x", "http://host:80/metrics"),
            ("http://host/a@b", "http://host/a@b"),
            ("https://host", "https://host"),
            ("host", "host"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn loopback_is_told_from_elsewhere() {
        assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example"));
    }
}
