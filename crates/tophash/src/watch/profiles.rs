//! Heap profiles of the program that is watched, saved for `tophash profile --series`.
//!
//! A profile is of the last collection that had ended, so that ordinary ones lie a collection or more
//! apart and need no `?gc=1`. Each shows up whole or not at all, and only so many stay.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use tophash_memory::NewFile;
use tophash_profile::Profile;

use crate::args::WatchOptions;
use crate::http::{self, Client, without_secrets};

const ENDING: &str = ".pb.gz";

/// Where profiles come from and go to.
pub(super) struct Profiles {
    client: Client,
    url: String,
    dir: PathBuf,
    /// How the names of this program's profiles begin.
    name: String,
    keep: usize,
}

impl Profiles {
    /// Opens what `--profiles` names; `None` where it was not given.
    pub(super) fn open(options: &WatchOptions) -> Result<Option<Self>> {
        let Some(dir) = &options.profiles else { return Ok(None) };
        if !http::is_url(&options.target) {
            bail!("--profiles needs a URL of the program: it is asked for /debug/pprof/heap");
        }
        let uri = http::parse(&options.target)?;
        let (scheme, authority) = (uri.scheme_str(), uri.authority());
        let (Some(scheme), Some(authority)) = (scheme, authority) else {
            bail!("{} names no host", without_secrets(&options.target));
        };
        let query = if options.collect { "?gc=1" } else { "" };
        let url = format!("{scheme}://{authority}/debug/pprof/heap{query}");
        let client = Client::new(&url, &options.request, Duration::ZERO)?;
        fs::create_dir_all(dir).with_context(|| format!("{} can't be made", dir.display()))?;
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let name =
            host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' });
        let (dir, name, keep) = (dir.clone(), name.collect(), options.keep as usize);
        Ok(Some(Self { client, url, dir, name, keep }))
    }

    /// Saves one profile, and removes the oldest where there are too many.
    pub(super) fn save(&self) -> Result<()> {
        let shown = without_secrets(&self.url);
        let body = self.client.get(&self.url)?.with_context(|| {
            format!("{shown} is not there: is net/http/pprof imported in the program?")
        })?;
        // What is kept must be readable later; a page that says sorry is not.
        Profile::parse(&body).with_context(|| format!("the answer of {shown} can't be used"))?;
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let path = self.dir.join(format!("{}-{}{ENDING}", self.name, time.replace(':', "")));
        let write = || {
            let file = NewFile::create(&path)?;
            file.file().write_all(&body)?;
            file.finish()
        };
        write().with_context(|| format!("{} can't be written", path.display()))?;
        self.remove_oldest()
    }

    fn remove_oldest(&self) -> Result<()> {
        let own = own_profiles(&self.dir, &self.name)
            .with_context(|| format!("{} can't be read", self.dir.display()))?;
        let too_many = own.len().saturating_sub(self.keep);
        for path in own.iter().take(too_many) {
            fs::remove_file(path).with_context(|| format!("{} stays", path.display()))?;
        }
        Ok(())
    }
}

/// The profiles of a program, the oldest first: times are written so that names sort by them.
fn own_profiles(dir: &Path, name: &str) -> std::io::Result<Vec<PathBuf>> {
    let is_own = |file: &str| {
        let time = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let time = time.and_then(|rest| rest.strip_suffix(ENDING));
        // Another host's name may begin with this one's; a time begins with its year.
        time.is_some_and(|time| {
            time.ends_with('Z')
                && time.len() >= 20
                && time.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let mut own = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_own) {
            own.push(entry.path());
        }
    }
    own.sort();
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_profiles_are_told_from_other_files_and_come_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "h_1-2026-01-02T000000.000Z.pb.gz",
            "h_1-2026-01-01T000000.000Z.pb.gz",
            "h_12-2026-01-01T000000.000Z.pb.gz",
            "h_1-notes.pb.gz",
            "other",
        ];
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let own = own_profiles(dir.path(), "h_1").unwrap();
        let own: Vec<_> = own.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(own, [names[1], names[0]]);
    }
}
