//! The one writer thread: takes what is queued, commits it, answers.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    OpenOptions,
    commit::{Append, commit},
    lock::DirectoryLock,
    partition::Catalog,
    sql,
};
use crate::{seam::LogError, topics::TopicSpec};

/// What one queued `send` weighs besides its bytes.
const OVERHEAD: usize = 128;
/// How many queued commands are taken at once. Their bytes are bounded by the queue.
const AT_ONCE: usize = 16 * 1024;

enum Command {
    Append(Append),
    Create { topics: Vec<TopicSpec>, done: oneshot::Sender<Result<(), LogError>> },
}

/// The thread, and the queue towards it. Dropping it waits until all that is queued is written.
pub(super) struct Writer {
    /// `None` only while it is being dropped.
    queue: Option<mpsc::UnboundedSender<Command>>,
    /// Bounds the queue by bytes.
    room: Arc<Semaphore>,
    room_bytes: usize,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) async fn start(
        file: PathBuf,
        lock: DirectoryLock,
        catalog: Arc<Catalog>,
        options: OpenOptions,
    ) -> Result<Self, LogError> {
        let (queue, commands) = mpsc::unbounded_channel();
        let (opened, open) = oneshot::channel();
        // A thread with a runtime of its own: it outlives the one it was opened on, and can be waited for in `drop`.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| LogError::Unavailable(format!("no runtime for the log's writer: {error}")))?;
        let room_bytes = options.queue_bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let run = move || {
            runtime.block_on(run(&file, &options, &catalog, commands, opened));
            // Only now may another process have the directory.
            drop(lock);
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(run)
            .map_err(|error| LogError::Unavailable(format!("no thread for the log's writer: {error}")))?;
        let room = Arc::new(Semaphore::new(room_bytes));
        let writer = Self { queue: Some(queue), room, room_bytes, thread: Some(thread) };
        open.await.unwrap_or(Err(LogError::Closed))?;
        Ok(writer)
    }

    /// Waits until the queue has room. What is larger than the queue takes all of it.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, LogError> {
        let bytes = bytes.saturating_add(OVERHEAD).min(self.room_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| LogError::Closed)
    }

    pub(super) fn append(&self, append: Append) -> Result<(), LogError> {
        self.send(Command::Append(append))
    }

    pub(super) async fn create(&self, topics: Vec<TopicSpec>) -> Result<(), LogError> {
        let (done, result) = oneshot::channel();
        self.send(Command::Create { topics, done })?;
        result.await.unwrap_or(Err(LogError::Closed))
    }

    fn send(&self, command: Command) -> Result<(), LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::Closed)?;
        queue.send(command).map_err(|_| LogError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer panicked");
        }
    }
}

async fn run(
    file: &Path,
    options: &OpenOptions,
    catalog: &Catalog,
    mut commands: mpsc::UnboundedReceiver<Command>,
    opened: oneshot::Sender<Result<(), LogError>>,
) {
    let mut connection = match open(file, options.max_file_bytes, catalog).await {
        Ok(connection) => connection,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    let wrote = Notify::new();
    let mut queued = Vec::new();
    let mut appends = Vec::new();
    let write = async {
        while commands.recv_many(&mut queued, AT_ONCE).await > 0 {
            for command in queued.drain(..) {
                match command {
                    Command::Append(append) => appends.push(append),
                    Command::Create { topics, done } => {
                        let _ = done.send(create(file, &mut connection, catalog, &topics).await);
                    }
                }
            }
            commit(&mut connection, catalog, std::mem::take(&mut appends)).await;
            wrote.notify_one();
        }
    };
    let beside = sql::beside(file);
    tokio::select! {
        () = write => {}
        never = keep_checkpointed(file, &beside, options.checkpoint_after, &wrote) => match never {},
    }
    beside.close().await;
    // So that a mesh that was stopped leaves one file. While another process reads, the next start does it.
    if let Err(error) = sql::checkpoint(&mut connection).await {
        tracing::debug!("{}: not checkpointed: {error}", file.display());
    }
    if let Err(error) = connection.close().await {
        tracing::warn!("{}: {error}", file.display());
    }
}

/// Brings what was written into the file, a while after it was, on a connection of its own: who waits for the next commit
/// doesn't wait for that. The writer itself does only what comes meanwhile.
async fn keep_checkpointed(file: &Path, beside: &SqlitePool, after: Duration, wrote: &Notify) -> Infallible {
    let mut is_told = false;
    loop {
        wrote.notified().await;
        tokio::time::sleep(after).await;
        let trouble = match sql::checkpoint_what_can_be(beside).await {
            Ok(pages) if pages <= i64::from(2 * sql::MOST_PAGES) => None,
            Ok(pages) => Some(format!("it has {pages} pages; does another process read from it all the time?")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(trouble) = trouble.as_ref().filter(|_| !is_told) {
            tracing::warn!("{}-wal grows: what was written can't be brought into the file: {trouble}", file.display());
        }
        is_told = trouble.is_some();
    }
}

async fn open(file: &Path, max_bytes: Option<u64>, catalog: &Catalog) -> Result<SqliteConnection, LogError> {
    let mut connection = sql::writer(file, max_bytes).await?;
    catalog.load(&mut connection).await.map_err(sql::unavailable(file))?;
    Ok(connection)
}

async fn create(
    file: &Path,
    connection: &mut SqliteConnection,
    catalog: &Catalog,
    topics: &[TopicSpec],
) -> Result<(), LogError> {
    sql::create(connection, topics).await.map_err(sql::unavailable(file))?;
    catalog.load(connection).await.map_err(sql::unavailable(file))
}
