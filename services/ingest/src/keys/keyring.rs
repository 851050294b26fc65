//! The keys as the store has them, read every few seconds: no request waits for the database, and a revoked key is
//! refused within seconds.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tiermesh_service_host::Latch;
use tiermesh_store::{SaveStore, SecretHash, StoreError, StoredApiKey};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{grant::Grant, secret::Shown};
use crate::answer::Denial;

/// How often the keys are read.
const REFRESH: Duration = Duration::from_secs(3);
/// Least time between two readings, whatever strange keys are shown.
const LEAST_PAUSE: Duration = Duration::from_millis(300);
/// How long a key that nobody knows waits for the next reading: it may be new.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// How long keys are believed while the database is away.
const BELIEVED_FOR: Duration = Duration::from_secs(15 * 60);
/// How exactly the last use is noted.
const USE_GRAIN_MS: i64 = 3_600_000;

/// The keys that are known.
pub(super) struct Keyring {
    known: watch::Receiver<Known>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Readings that were begun.
    begun: AtomicU64,
    wanted: Notify,
    /// Keys that were used and whose last use is not noted as of this hour.
    used: Mutex<HashSet<String>>,
}

/// What one reading gave.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Key>,
    /// Which reading it was; 0: none yet.
    reading: u64,
    read_at: Option<Instant>,
}

/// One of them.
struct Key {
    hash: SecretHash,
    grant: Arc<Grant>,
    revoked: bool,
    note_use: bool,
}

impl Keyring {
    /// The keyring, and what keeps reading it until it is dropped.
    pub(super) fn new(store: SaveStore, latch: Latch) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, known) = watch::channel(Known::default());
        let shared = Arc::new(Shared::default());
        (Self { known, shared: Arc::clone(&shared) }, keep_reading(store, sender, shared, latch))
    }

    /// Who holds this key.
    pub(super) async fn holder(&self, text: &str) -> Result<Arc<Grant>, Denial> {
        let Some(shown) = Shown::read(text) else {
            return Err(Denial::BadKey("is none of this mesh: they look like tmk_…_…"));
        };
        let begun = self.shared.begun.load(Ordering::SeqCst);
        if let Some(found) = self.find(&shown)? {
            return Ok(found);
        }
        self.shared.wanted.notify_one();
        let mut known = self.known.clone();
        let waited = timeout(LOOK_LIMIT, known.wait_for(|known| known.reading > begun)).await.is_ok();
        match self.find(&shown)? {
            Some(found) => Ok(found),
            None if waited => Err(Denial::BadKey("is not known")),
            None => Err(Denial::KeysUnavailable),
        }
    }

    /// Whether a key is still in force.
    pub(super) fn check(&self, grant: &Grant) -> Result<(), Denial> {
        let known = self.known.borrow();
        known.believed()?;
        match known.keys.get(&grant.id) {
            Some(key) if !key.revoked => Ok(()),
            _ => Err(Denial::BadKey("was revoked")),
        }
    }

    fn find(&self, shown: &Shown) -> Result<Option<Arc<Grant>>, Denial> {
        let known = self.known.borrow();
        known.believed()?;
        let Some(key) = known.keys.get(&shown.id) else { return Ok(None) };
        if !shown.proves(&key.hash) {
            return Err(Denial::BadKey("is not known"));
        }
        if key.revoked {
            return Err(Denial::BadKey("was revoked"));
        }
        if key.note_use {
            self.shared.used().insert(shown.id.clone());
        }
        Ok(Some(Arc::clone(&key.grant)))
    }
}

impl Known {
    fn of(stored: Vec<StoredApiKey>, reading: u64, now_ms: i64) -> Self {
        let keys = stored.into_iter().map(|stored| {
            let key = Key {
                hash: stored.key.hash,
                grant: Arc::new(Grant::of(&stored.key)),
                revoked: stored.revoked_at_ms.is_some(),
                note_use: stored.last_used_at_ms.is_none_or(|used| now_ms - used >= USE_GRAIN_MS),
            };
            (stored.key.id, key)
        });
        Self { keys: keys.collect(), reading, read_at: Some(Instant::now()) }
    }

    fn believed(&self) -> Result<(), Denial> {
        match self.read_at {
            None => Err(Denial::Starting),
            Some(at) if at.elapsed() > BELIEVED_FOR => Err(Denial::KeysUnavailable),
            Some(_) => Ok(()),
        }
    }
}

impl Shared {
    fn used(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_reading(store: SaveStore, known: watch::Sender<Known>, shared: Arc<Shared>, latch: Latch) {
    let mut latch = Some(latch);
    let mut away = false;
    loop {
        let reading = shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        match read(&store, &shared, reading).await {
            Ok(read) => {
                known.send_replace(read);
                // Ready, from the first reading on.
                drop(latch.take());
                if std::mem::take(&mut away) {
                    tracing::info!("API keys are read again");
                }
            }
            // Once, not every few seconds.
            Err(error) if !std::mem::replace(&mut away, true) => {
                tracing::warn!("API keys can't be read: {error}; those known are believed for {BELIEVED_FOR:?}");
            }
            Err(_) => {}
        }
        sleep(LEAST_PAUSE).await;
        let _ = timeout(REFRESH - LEAST_PAUSE, shared.wanted.notified()).await;
    }
}

async fn read(store: &SaveStore, shared: &Shared, reading: u64) -> Result<Known, StoreError> {
    let used = std::mem::take(&mut *shared.used());
    for id in used {
        // A courtesy. A database that can be read and not written must not shut the door.
        if let Err(error) = store.note_api_key_use(&id).await {
            tracing::debug!("the use of an API key can't be noted: {error}");
        }
    }
    let now_ms = store.clock_ms().await?;
    Ok(Known::of(store.api_keys().await?, reading, now_ms))
}
