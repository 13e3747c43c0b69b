//! The locks and the atomics of the core: the standard library's and `spin`'s, or shuttle's in its
//! tests.

#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Takes a lock. No code of a caller runs under it, so that a panic there does not leave anything
/// half done; a lock that was poisoned in spite of that is taken as it is.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(feature = "shuttle"))]
pub(crate) use short::{ShortGuard, ShortLock};

#[cfg(feature = "shuttle")]
pub(crate) use shuttled::{ShortGuard, ShortLock};

/// A lock that is held for a few dozen nanoseconds as a rule, and for no longer than a table takes to
/// double.
///
/// It is let go by a plain store. A lock whose waiters sleep until they are woken needs a second
/// atomic exchange there, to learn whether anybody waits, which costs as much as finding an entry
/// does. So who waits looks again by itself: at once for a while, then after others have had the
/// processor, then after naps, so that a holder who lost the processor gets it back.
#[cfg(not(feature = "shuttle"))]
mod short {
    use std::time::Duration;

    use spin::mutex::{SpinMutex, SpinMutexGuard};

    pub(crate) type ShortGuard<'a, T> = SpinMutexGuard<'a, T>;

    #[derive(Debug)]
    pub(crate) struct ShortLock<T>(SpinMutex<T>);

    /// How often it is looked at without a pause between, and then between others' turns.
    const SPINS: u32 = 64;
    const SPINS_AND_YIELDS: u32 = SPINS + 64;

    /// How long a nap is.
    const NAP: Duration = Duration::from_micros(50);

    impl<T> ShortLock<T> {
        pub(crate) fn new(content: T) -> Self {
            Self(SpinMutex::new(content))
        }

        #[inline]
        pub(crate) fn lock(&self) -> ShortGuard<'_, T> {
            self.0.try_lock().unwrap_or_else(|| self.wait())
        }

        #[cold]
        fn wait(&self) -> ShortGuard<'_, T> {
            for turn in 0_u32.. {
                match turn {
                    0..SPINS => std::hint::spin_loop(),
                    SPINS..SPINS_AND_YIELDS => std::thread::yield_now(),
                    _ => std::thread::sleep(NAP),
                }
                if !self.0.is_locked()
                    && let Some(guard) = self.0.try_lock()
                {
                    return guard;
                }
            }
            self.0.lock()
        }
    }
}

#[cfg(feature = "shuttle")]
mod shuttled {
    pub(crate) type ShortGuard<'a, T> = shuttle::sync::MutexGuard<'a, T>;

    #[derive(Debug)]
    pub(crate) struct ShortLock<T>(shuttle::sync::Mutex<T>);

    impl<T> ShortLock<T> {
        pub(crate) fn new(content: T) -> Self {
            Self(shuttle::sync::Mutex::new(content))
        }

        pub(crate) fn lock(&self) -> ShortGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
