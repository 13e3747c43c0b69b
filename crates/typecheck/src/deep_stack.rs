//! Room for trees as deep as the parser lets through.

use std::thread;

/// It is taken from the system as it is used.
const STACK_BYTES: usize = 512 << 20;

/// Runs this on a thread with a stack for trees of any depth that is parsed. Trees cannot leave their thread,
/// so they are parsed, checked and used there.
///
/// # Panics
///
/// If `work` does, or if there can be no thread.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let started = thread::Builder::new()
            .name("tophash-types".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work);
        match started.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(fault) => panic!("no thread could be started: {fault}"),
        }
    })
}
