//! `tophash profile --series`: what each site does over many profiles, and with `--maps` each map.

mod gather;
mod rows;
mod table;

use std::io::{BufWriter, Write as _};

use anyhow::Result;
use tophash_profile::{Filter, Profile};

use super::maps::{MapCalls, MapKnowledge};
use super::note;
use super::options::ProfileOptions;
use crate::args::Format;

/// Shows what sites do over all profiles.
pub(super) fn run(options: &ProfileOptions, filter: &Filter) -> Result<()> {
    let calls = options.view.maps.then(|| map_calls(options, filter)).transpose()?;
    let (sample_type, limit, top) = (options.sample_type.as_deref(), options.limit, options.top);
    let (sources, fetch) = (&options.sources, &options.fetch);
    let (gathered, notes) = match &calls {
        None => gather::gather(sources, fetch, filter, sample_type, &gather::site_frame)?,
        Some(calls) => {
            gather::gather(sources, fetch, filter, sample_type, &|sample| calls.place(sample))?
        }
    };
    notes.iter().for_each(|text| note(text));
    let judged = rows::judge(&gathered, limit, calls.as_ref());
    let mut out = BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Json => table::write_json(&mut out, &gathered, &judged, limit, top)?,
        Format::Table => table::print(&mut out, &gathered, &judged, limit, top)?,
    }
    out.flush()?;
    Ok(())
}

/// Finds the calls that allocate maps. All profiles are asked before any is counted: what one of them
/// tells of a call holds for all, so that no map comes and goes with what is known of it.
fn map_calls(options: &ProfileOptions, filter: &Filter) -> Result<MapCalls> {
    let mut calls = MapCalls::default();
    let mut knowledge: Option<MapKnowledge<'_>> = None;
    gather::each_profile(&options.sources, &options.fetch, filter, |profile: Profile, _| {
        let knowledge = match &mut knowledge {
            Some(knowledge) => knowledge,
            none => none.insert(MapKnowledge::new(options, &profile)?),
        };
        knowledge.add_calls(&profile, &mut calls)
    })?;
    Ok(calls)
}
