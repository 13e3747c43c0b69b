//! Audits of a shared map, and what its metrics are told of.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{
    AuditRecord, Auditor, Growth, HeldEntry, Holding, HookError, Operations, Supervisor,
};

use crate::error::Error;
use crate::map::SharedMap;

impl SharedMap {
    /// Takes the shape of the map, of what all processes have written. It costs a
    /// [`SharedMap::snapshot`], so one process of several suffices for it, now and then.
    ///
    /// Refusals and operations in the record are those of this process. Of reads the server knows
    /// nothing, as they would then be writes; so no key is named as read most or counted as never read.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer.
    pub fn audit(&self) -> Result<AuditRecord, Error> {
        let all = self.all()?;
        let mut holding = Holding::default();
        holding.max_entries = all.max_entries;
        holding.max_bytes = all.max_bytes;
        for (key, held) in all.entries {
            let bytes = key.len() as u64 + held.payload_bytes;
            holding.bytes += bytes;
            holding.entries.push(HeldEntry::new(key, bytes, held.age, held.writes));
        }
        Ok(self.core.supervisor.audit(&holding))
    }

    /// As [`SafeMap::audit_every`](tophash_safemap::SafeMap::audit_every). An audit that the server did
    /// not answer is counted as one that was lost.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn audit_every(
        &self,
        interval: Duration,
        sink: impl FnMut(&AuditRecord) -> Result<(), HookError> + Send + 'static,
    ) -> Result<Auditor, Error> {
        let handle = Arc::downgrade(&self.handle);
        let audit = move || {
            let handle = handle.upgrade()?;
            let map = Self { core: Arc::clone(&handle.core), handle };
            Some(map.audit().map_err(Into::into))
        };
        let auditor = self.core.supervisor.audit_every(interval, audit, sink);
        auditor.map_err(|error| Error::Thread { reason: error.to_string() })
    }

    /// What this process has done since it connected.
    pub fn operations(&self) -> Operations {
        self.core.supervisor.operations()
    }

    /// The patterns whose entries have done nothing but grow over the last audits of this process.
    pub fn growths(&self) -> Vec<Growth> {
        self.core.supervisor.growths()
    }

    /// What watches over the calls of this process, for metrics.
    ///
    /// ```no_run
    /// # use tophash_safemap::{MapMetrics, Schema};
    /// # use tophash_safemap_redis::SharedMap;
    /// # let map = SharedMap::connect("redis://localhost/flags", Schema::open())?;
    /// let metrics = MapMetrics::new();
    /// metrics.add_supervised(map.supervisor());
    /// # Ok::<(), tophash_safemap_redis::Error>(())
    /// ```
    pub fn supervisor(&self) -> &Arc<Supervisor> {
        &self.core.supervisor
    }
}
