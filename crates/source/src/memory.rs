//! The bound on what is held in memory for requests.

use std::sync::Arc;
use std::time::Duration;

use driftline_http::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Semaphores count in 32 bits at once; kibibytes leave room for terabytes.
const UNIT_BYTES: usize = 1024;

/// Bytes that requests may hold between them.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    capacity: usize,
    wait: Duration,
}

/// Some of that memory; given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    permit: OwnedSemaphorePermit,
    memory: Memory,
}

impl Memory {
    pub(crate) fn new(bytes: usize, wait: Duration) -> Self {
        let capacity = bytes.div_ceil(UNIT_BYTES).min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(capacity)), capacity, wait }
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        (self.capacity * UNIT_BYTES) as u64
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        ((self.capacity - self.units.available_permits()) * UNIT_BYTES) as u64
    }

    /// More than there is at all is not waited for: the whole is taken instead, so that such a request runs alone.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES).min(self.capacity)).unwrap_or(u32::MAX)
    }

    /// Waits a little for `bytes`. Two requests that each hold what the other needs both give up after the wait,
    /// so there is no deadlock.
    ///
    /// # Errors
    /// 503 if they do not come free.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Reservation, Problem> {
        let permit = self.take(self.units_of(bytes)).await?;
        Ok(Reservation { permit, memory: self.clone() })
    }

    async fn take(&self, units: u32) -> Result<OwnedSemaphorePermit, Problem> {
        let acquired =
            tokio::time::timeout(self.wait, Arc::clone(&self.units).acquire_many_owned(units)).await;
        match acquired {
            Ok(permit) => Ok(permit.expect("this semaphore is never closed")),
            Err(_) => Err(Problem::unavailable("busy", "too many bytes are being read; send again", 1)),
        }
    }
}

impl Reservation {
    /// Bytes that are reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.permit.num_permits() * UNIT_BYTES
    }

    /// Makes it `bytes` large: gives back what is too much, waits a little for what is too little.
    ///
    /// # Errors
    /// 503 if more is needed and does not come free.
    pub(crate) async fn resize(&mut self, bytes: usize) -> Result<(), Problem> {
        let (held, wanted) = (self.permit.num_permits(), self.memory.units_of(bytes) as usize);
        if wanted > held {
            let more = u32::try_from(wanted - held).unwrap_or(u32::MAX);
            self.permit.merge(self.memory.take(more).await?);
        } else {
            drop(self.permit.split(held - wanted));
        }
        Ok(())
    }

    /// Adds another one of the same memory.
    pub(crate) fn merge(&mut self, other: Self) {
        self.permit.merge(other.permit);
    }

    /// Takes `bytes` out of it; all that it has, if that is less.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let units = (self.memory.units_of(bytes) as usize).min(self.permit.num_permits());
        let permit = self.permit.split(units).expect("no more than it has");
        Self { permit, memory: self.memory.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_full_is_unavailable_until_something_is_given_back() {
        let memory = Memory::new(10 << 10, Duration::from_millis(250));
        let mut held = memory.reserve(8 << 10).await.unwrap();
        assert_eq!(memory.used_bytes(), 8 << 10);
        assert!(memory.reserve(4 << 10).await.is_err());
        held.resize(6 << 10).await.unwrap();
        let other = memory.reserve(4 << 10).await.unwrap();
        assert!(held.resize(7 << 10).await.is_err());
        assert_eq!(held.bytes(), 6 << 10);
        drop((held, other));
        assert_eq!(memory.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_merged_and_split_is_held_until_the_last_part_goes() {
        let memory = Memory::new(10 << 10, Duration::from_millis(250));
        let mut held = memory.reserve(3 << 10).await.unwrap();
        held.merge(memory.reserve(2 << 10).await.unwrap());
        let first = held.split(1_500);
        assert_eq!((first.bytes(), held.bytes()), (2 << 10, 3 << 10));
        let rest = held.split(1 << 20);
        assert_eq!((rest.bytes(), held.bytes(), memory.used_bytes()), (3 << 10, 0, 5 << 10));
        drop((first, held));
        assert_eq!(memory.used_bytes(), 3 << 10);
        drop(rest);
        assert_eq!(memory.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_is_takes_all() {
        let memory = Memory::new(10 << 10, Duration::from_millis(250));
        let held = memory.reserve(1 << 30).await.unwrap();
        assert_eq!((held.bytes(), memory.used_bytes()), (10 << 10, memory.capacity_bytes()));
        assert!(memory.reserve(1).await.is_err());
    }
}
