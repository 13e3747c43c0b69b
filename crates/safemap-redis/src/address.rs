//! Where a shared map lies: `redis://[user:password@]host[:port]/namespace[?db=n]`, or `rediss://` for a
//! connection that is encrypted.

use std::fmt;

use crate::error::Error;

/// The longest namespace, in bytes.
const LONGEST_NAMESPACE: usize = 64;

/// A URL taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the client takes it, with a database in place of the namespace; may hold a password.
    pub(crate) url: String,
    pub(crate) is_encrypted: bool,
    /// Host and port, for people.
    pub(crate) server: String,
    pub(crate) namespace: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Address")
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let fault = |reason| Error::Url { reason };
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| ["redis", "rediss"].contains(scheme))
            .ok_or(fault("it begins neither with redis:// nor with rediss://"))?;
        let is_encrypted = scheme == "rediss";
        if is_encrypted && cfg!(not(feature = "tls")) {
            return Err(fault("rediss:// needs the feature `tls`"));
        }
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
            url: format!("{scheme}://{authority}/{database}"),
            is_encrypted,
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
        assert!(!format!("{address:?}").contains("secret"));
        assert_eq!(address.keys()[0], "{safemap:risk-policy}:meta");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn what_can_not_be_encrypted_is_not_sent_in_the_open() {
        let refused = Address::parse("rediss://cache/flags").unwrap_err();
        assert!(refused.to_string().contains("needs the feature"), "{refused}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn an_encrypted_one_stays_so() {
        let address = Address::parse("rediss://cache/flags").unwrap();
        assert!(address.is_encrypted);
        assert_eq!(address.url, "rediss://cache/0");
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
