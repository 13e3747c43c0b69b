//! Asking a program over HTTP: one GET, bounded in time and size.
//!
//! The program may be anybody's: an answer that is too long, too slow, or grows when it is unpacked is
//! given up. TLS is checked against the certificates that the system trusts. Headers, which may be
//! secrets, go to the place that was named and to no other: with headers no redirect is followed.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The longest page that is read whole, unpacked.
const LONGEST: u64 = 64 << 20;
/// An answer that leads elsewhere leads there at most this often.
const MOST_REDIRECTS: u32 = 3;

/// How programs are asked.
#[derive(Debug, Args)]
pub(crate) struct RequestOptions {
    /// Send this header with each request, such as 'Authorization: Bearer …'. May be given several
    /// times. With headers no redirect is followed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The longest that a request may take. What `?seconds=` asks for is added.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}

/// A way to ask one host, with the headers that go along.
pub(crate) struct Client {
    agent: Agent,
    headers: Vec<(String, String)>,
}

/// Tells whether a target is a URL.
pub(crate) fn is_url(target: &str) -> bool {
    target.starts_with("http://") || target.starts_with("https://")
}

/// Takes users, passwords and tokens out of a URL, for messages and records.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Takes a URL apart.
pub(crate) fn parse(url: &str) -> Result<Uri> {
    url.parse().with_context(|| format!("{} is no URL", without_secrets(url)))
}

impl Client {
    /// Makes one for a URL. `delay` is how long the program takes by intent before it answers.
    pub(crate) fn new(url: &str, options: &RequestOptions, delay: Duration) -> Result<Self> {
        let uri = parse(url)?;
        let headers = options
            .headers
            .iter()
            .map(|header| split_header(header))
            .collect::<Result<Vec<_>>>()?;
        let redirects = if headers.is_empty() { MOST_REDIRECTS } else { 0 };
        let mut config = Agent::config_builder()
            .timeout_global(Some(options.timeout.saturating_add(delay)))
            .max_redirects(redirects)
            .user_agent(concat!("tophash/", env!("CARGO_PKG_VERSION")));
        if uri.host().is_some_and(is_loopback) {
            config = config.proxy(None);
        }
        if uri.scheme_str() == Some("https") {
            config = config.tls_config(tls()?);
        }
        Ok(Self { agent: config.build().into(), headers })
    }

    /// Asks; `None` if there is nothing at that place. The answer is as long as it is: whoever reads
    /// it bounds it.
    pub(crate) fn open(&self, url: &str) -> Result<Option<impl Read + use<>>> {
        let shown = without_secrets(url);
        let mut request = self.agent.get(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match request.call() {
            Ok(response) if response.status().is_redirection() => {
                bail!("{shown} leads elsewhere: name that place, headers are not sent on")
            }
            Ok(response) => Ok(Some(response.into_body().into_reader())),
            Err(ureq::Error::StatusCode(404)) => Ok(None),
            Err(ureq::Error::StatusCode(status @ (401 | 403))) => {
                bail!("{shown} answers {status}: give what it asks for with --header")
            }
            Err(ureq::Error::StatusCode(status)) => bail!("{shown} answers {status}"),
            Err(ureq::Error::Timeout(_)) => {
                bail!("{shown} did not answer in time; --timeout gives it more")
            }
            Err(fault) => Err(fault).with_context(|| format!("{shown} can't be reached")),
        }
    }

    /// Asks for a page and reads it whole; `None` if there is none.
    pub(crate) fn get(&self, url: &str) -> Result<Option<Vec<u8>>> {
        let Some(answer) = self.open(url)? else { return Ok(None) };
        let shown = without_secrets(url);
        let mut body = Vec::new();
        answer
            .take(LONGEST + 1)
            .read_to_end(&mut body)
            .with_context(|| format!("the answer of {shown} broke off"))?;
        if body.len() as u64 > LONGEST {
            bail!("the answer of {shown} is longer than {LONGEST} bytes");
        }
        Ok(Some(body))
    }
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
        bail!("this machine has no certificates to trust; SSL_CERT_FILE may name a file with some");
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
