//! The log in a data directory, on SQLite: for `tiermesh up`.
//!
//! One process owns the directory. All that it appends goes through one writer thread, which collects what is queued
//! into one transaction and acknowledges it once that is on the disk: `kill -9` loses nothing that was acknowledged.
//! Records are stored in batches, a row each. Waiting readers are woken, and those near the end are served from
//! memory.
//!
//! Other processes may read the log meanwhile, see [`EmbeddedLog::open_read_only`].
//!
//! Retention is noted and compared, but nothing is ever removed.

mod cache;
mod codec;
mod commit;
mod lock;
mod partition;
mod producer;
mod reader;
mod sql;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::SqlitePool;

use self::{lock::DirectoryLock, partition::Catalog, reader::Reader, writer::Writer};
use crate::{
    groups::Groups,
    seam::{EventLog, Extent, GroupMember, LogError, PartitionReader, Producer, TopicDifference},
    topics::TopicSpec,
};

/// How to open an embedded log.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// How many bytes may wait to be written before `send` waits.
    pub queue_bytes: usize,
    /// How large the file may become before appending fails. `None`: as large as the disk.
    pub max_file_bytes: Option<u64>,
    /// How long what was written waits in the write-ahead log to be brought into the file: a page that is written again and
    /// again meanwhile is brought there once.
    pub checkpoint_after: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { queue_bytes: 16 << 20, max_file_bytes: None, checkpoint_after: Duration::from_secs(1) }
    }
}

/// A log in a directory. Clones are the same log; it is closed, and the directory free, when the last of them and of
/// its producers, readers and members is dropped.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

struct Shared {
    file: PathBuf,
    /// Owned by the one process that may append. Dropped first: it waits until all that was queued is written.
    writer: Option<Writer>,
    catalog: Arc<Catalog>,
    readers: SqlitePool,
    groups: Groups,
}

impl EmbeddedLog {
    /// Opens the log in this directory, and makes both if they don't exist.
    ///
    /// # Errors
    /// [`LogError::Locked`] if another process has it open, [`LogError::Unavailable`] if the directory can't be used.
    pub async fn open(dir: impl AsRef<Path>, options: OpenOptions) -> Result<Self, LogError> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|error| {
            LogError::Unavailable(format!("data directory {} can't be made: {error}", dir.display()))
        })?;
        let lock = DirectoryLock::take(dir)?;
        let file = dir.join(sql::FILE);
        let catalog = Arc::new(Catalog::default());
        let writer = Writer::start(file.clone(), lock, Arc::clone(&catalog), options).await?;
        Ok(Self::new(file, Some(writer), catalog))
    }

    /// Opens a log for reading, whether or not another process owns it. What the owner appends is seen with a delay
    /// of some tenths of a second.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if there is no log in the directory.
    pub async fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        let file = dir.as_ref().join(sql::FILE);
        if !file.is_file() {
            return Err(LogError::Unavailable(format!("there is no log in {}", dir.as_ref().display())));
        }
        let log = Self::new(file, None, Arc::default());
        log.refresh().await?;
        Ok(log)
    }

    fn new(file: PathBuf, writer: Option<Writer>, catalog: Arc<Catalog>) -> Self {
        let readers = sql::readers(&file);
        Self { shared: Arc::new(Shared { file, writer, catalog, readers, groups: Groups::default() }) }
    }

    /// Without a writer of its own the process learns from the file what others created and appended.
    async fn refresh(&self) -> Result<(), LogError> {
        if self.shared.writer.is_none() {
            let mut connection = self.shared.readers.acquire().await.map_err(sql::unavailable(&self.shared.file))?;
            self.shared.catalog.load(&mut connection).await.map_err(sql::unavailable(&self.shared.file))?;
        }
        Ok(())
    }

    fn writer(&self) -> Result<&Writer, LogError> {
        self.shared
            .writer
            .as_ref()
            .ok_or_else(|| LogError::Unavailable(format!("{} was opened for reading only", self.shared.file.display())))
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        self.writer()?.create(topics.to_vec()).await?;
        self.check_topics(topics).await
    }

    async fn check_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        self.refresh().await?;
        Ok(topics.iter().flat_map(|spec| spec.compare(self.shared.catalog.topic(&spec.name).as_ref())).collect())
    }

    async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.refresh().await?;
        let spec = self.shared.catalog.topic(topic).ok_or_else(|| LogError::NoSuchTopic(topic.to_owned()))?;
        Ok(spec.partitions)
    }

    async fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError> {
        self.refresh().await?;
        Ok(self.shared.catalog.partition(topic, partition)?.extent())
    }

    async fn producer(&self, _name: &str) -> Result<Box<dyn Producer>, LogError> {
        self.writer()?;
        Ok(Box::new(producer::EmbeddedProducer::new(self.clone())))
    }

    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        self.refresh().await?;
        let partition = self.shared.catalog.partition(topic, partition)?;
        Ok(Box::new(Reader::open(self.clone(), partition, from)?))
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError> {
        let partitions = self.partitions(topic).await?;
        Ok(self.shared.groups.join(group, topic, partitions, Arc::new(self.clone())))
    }
}
