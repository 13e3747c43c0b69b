//! Where a shared map lies: `redis://[user:password@]host[:port]/namespace[?db=n]`.

use crate::error::Error;

/// The longest namespace, in bytes.
const LONGEST_NAMESPACE: usize = 64;

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the client takes it, with a database in place of the namespace; may hold a password.
    pub(crate) url: String,
    /// Host and port, for people.
    pub(crate) server: String,
    pub(crate) namespace: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let fault = |reason| Error::Url { reason };
        let rest = url.strip_prefix("redis://").ok_or(fault("it does not begin with redis://"))?;
        let (rest, query) =
            rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let database: u32 = match query {
            None => 0,
            Some(query) => query
                .strip_prefix("db=")
                .and_then(|number| number.parse().ok())
                .ok_or(fault("all that may follow ? is db= and a number"))?,
        };
        let (authority, namespace) = rest.rsplit_once('/').ok_or(fault("it names no namespace"))?;
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
        if server.is_empty() {
            return Err(fault("it names no server"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if namespace.is_empty() {
            return Err(fault("it names no namespace"));
        }
        if namespace.len() > LONGEST_NAMESPACE || !namespace.bytes().all(is_plain) {
            return Err(fault(
                "a namespace is up to 64 letters, digits, dots, hyphens and underscores",
            ));
        }
        Ok(Self {
            url: format!("redis://{authority}/{database}"),
            server: server.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The four keys that the namespace has. The braces keep them in one slot of a cluster.
    pub(crate) fn keys(&self) -> [String; 4] {
        ["meta", "data", "expiry", "feed"]
            .map(|part| format!("{{safemap:{}}}:{part}", self.namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address = Address::parse("redis://ada:secret@cache:6380/risk-policy?db=3").unwrap();
        assert_eq!(address.url, "redis://ada:secret@cache:6380/3");
        assert_eq!(address.server, "cache:6380");
        assert_eq!(address.keys()[0], "{safemap:risk-policy}:meta");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in [
            "http://u:secret@h/n",
            "redis://u:secret@h",
            "redis://u:secret@h/",
            "redis://u:secret@h/a b",
            "redis://u:secret@/n",
            "redis://u:secret@h/n?db=x",
            "redis://u:secret@h/n?tls=1",
        ] {
            let refused = Address::parse(url).unwrap_err();
            assert!(!refused.to_string().contains("secret"), "{url}");
        }
    }
}
