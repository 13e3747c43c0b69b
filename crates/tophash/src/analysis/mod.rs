//! From an opened target to a report: everything between the command line and what is printed.

mod bill;
mod evidence;
mod heap_graph;
mod pins;
mod profiled;
mod rows;
mod shares;
mod sites;
mod what_if;

pub(crate) use sites::AllocationSite;

use std::panic::resume_unwind;
use std::thread;

use anyhow::{Result, anyhow};
use tophash_gomap::{HeaderLayout, MapLayout, Surveyor, Walk, revalidate};
use tophash_goruntime::{Program, Step};
use tophash_heapgraph::HeapGraph;
use tophash_memory::Target;

use self::heap_graph::GoHeap;
use self::profiled::ProfiledSites;
use self::rows::RowBuilder;
use self::shares::Retention;
use crate::args::ViewOptions;
use crate::progress::Progress;
use crate::report::Report;

/// Reads the program in a target and makes the report.
pub(crate) fn analyse(target: &Target, view: &ViewOptions, progress: &Progress) -> Result<Report> {
    // First, since it may be no profile at all.
    let profile = view.profile.as_deref().map(ProfiledSites::read).transpose()?;
    let program = Program::open(target, |step| {
        progress.step(match step {
            Step::Metadata => "reading the function table",
            Step::Types => "reading the types",
            Step::Heap => "reading the heap's spans",
            Step::Roots => "reading stacks and globals",
            Step::Dwarf => "reading DWARF",
        });
    })
    .map_err(|error| explain(error, target))?;
    let layout = MapLayout::new(program.layout(), &program.build().version)?;
    let headers = HeaderLayout::new(program.layout(), program.heap())?;
    let heap = (!view.no_retained).then(|| GoHeap::new(&program));
    let mut walk = Walk::new(&program, &headers);
    // Both read all of the heap and write nothing in common.
    let (mut survey, graph) = thread::scope(|scope| {
        let graph =
            heap.as_ref().map(|heap| scope.spawn(|| HeapGraph::build(heap, &mut |_, _, _| {})));
        progress.step("following pointers");
        walk.run();
        progress.step("decoding maps");
        let survey = Surveyor::new(&program, &layout, &headers).run(&mut walk);
        progress.step("finding what holds what");
        (survey, graph.map(|graph| graph.join().unwrap_or_else(|panic| resume_unwind(panic))))
    });
    let mut diagnostics = target.diagnostics().to_vec();
    diagnostics.extend(program.diagnostics().iter().cloned());
    diagnostics.append(&mut survey.diagnostics);
    if let Some(live) = target.live() {
        progress.step("reading the maps again");
        let torn = revalidate(&program, &layout, &mut survey.maps, live);
        diagnostics.push(match torn {
            0 => "the process ran while it was read; every map read the same twice".to_owned(),
            torn => format!(
                "the process ran while it was read; {torn} of {} maps changed meanwhile and are \
                 marked, and maps made or dropped meanwhile may be missing",
                survey.maps.len()
            ),
        });
    }
    let graph = graph.and_then(|graph| {
        let missing = |error| diagnostics.push(format!("retained sizes are missing: {error}"));
        graph.map_err(missing).ok()
    });
    progress.step("naming what holds them");
    let builder = RowBuilder {
        retention: heap.as_ref().zip(graph.as_ref()).map(|(heap, graph)| Retention { heap, graph }),
        program: &program,
        layout: &layout,
        headers: &headers,
        walk: &walk,
        survey: &survey,
        profile: profile.as_ref(),
    };
    Ok(builder.report(view, diagnostics))
}

/// Says what could not be analysed, why, and what was odd about the target to begin with: a core that
/// is cut off fails for that, wherever it is noticed.
fn explain(error: tophash_goruntime::Error, target: &Target) -> anyhow::Error {
    let notes: String = target.diagnostics().iter().map(|note| format!("\nnote: {note}")).collect();
    let executable = target.executable().path().display();
    anyhow!("{executable} can't be analysed: {:#}{notes}", anyhow::Error::from(error))
}
