//! The command line of tophash: arguments in, exit codes out. All else is done by the libraries.

mod analysis;
mod args;
mod audit;
mod capture;
mod charge;
mod demo;
mod diff;
mod escape;
mod github;
mod go_command;
mod http;
mod inspect;
mod join;
mod lab;
mod lint;
mod predict;
mod profile;
mod progress;
mod report;
mod sarif;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Done.
const DONE: u8 = 0;
/// Done, and a finding is as severe as `--fail-on` says.
const FOUND: u8 = 1;
/// The input could not be read. (2, wrong usage, is clap's own.)
const UNREADABLE: u8 = 3;

/// How a command that could do its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing more to say.
    Done,
    /// A finding is as severe as `--fail-on` says.
    Found,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Inspect(options) => inspect::run(options),
        Command::Capture(options) => capture::run(options).map(|()| Outcome::Done),
        Command::Diff(options) => diff::run(options),
        Command::Watch(options) => watch::run(options).map(|()| Outcome::Done),
        Command::Predict(options) => predict::run(options).map(|()| Outcome::Done),
        Command::Profile(options) => profile::run(options).map(|()| Outcome::Done),
        Command::Escape(options) => escape::run(options),
        Command::Demo(options) => demo::run(options),
        Command::Lab(options) => lab::run(options),
        Command::Lint(options) => lint::run(options),
        Command::Audit(options) => audit::run(options),
    };
    match done {
        Ok(Outcome::Done) => ExitCode::from(DONE),
        Ok(Outcome::Found) => ExitCode::from(FOUND),
        // A reader that went away (`| head`) is no fault.
        Err(fault) if is_broken_pipe(&fault) => ExitCode::from(DONE),
        Err(fault) => {
            anstream::eprintln!("{} {fault:#}", report::style::error("error:"));
            ExitCode::from(UNREADABLE)
        }
    }
}

fn is_broken_pipe(fault: &anyhow::Error) -> bool {
    fault
        .downcast_ref::<std::io::Error>()
        .is_some_and(|fault| fault.kind() == std::io::ErrorKind::BrokenPipe)
}
