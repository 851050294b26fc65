//! A tenure: one instance's time as holder of `control`.
//!
//! One loop does all the writing: copies of control records, ticks, days of history. What it has handed to the log is
//! `sent`; what the log has acknowledged, in the same order, is `landed`; a save trails that.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use opentelemetry::metrics::Gauge;
use serde::{Deserialize, Serialize};
use tiermesh_domain::{scoring::NEWEST_LOGIC, time::Millis};
use tiermesh_event_log::{
    EventLog, LogError, NewRecord, PartitionReader, Producer, Record, StartPartition, topics::CONTROL,
};
use tiermesh_proto::v1::{Control, LogicActivated, control};
use tiermesh_service_host::Health;
use tiermesh_store::{Position, SaveStore, Segment, StoreError, Tenure as Epoch};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    broadcast::Broadcast,
    holder::{Command, Holding, Step, Waiting},
    session::Session,
    standing::{ControlStanding, Mark},
    ticking::Ticking,
};
use crate::{
    answer::Denial,
    appending::{control_copy, control_record, tick_record},
    clock::Clock,
    metrics::tick_gauge,
    settings::Settings,
    trace::trace_tick,
};

/// Records of `control` copied at once.
const MOST_COPIES: usize = 1_024;
/// Sends on their way at once; beyond that history waits.
const MOST_FLIGHTS: usize = 32;

/// Why a tenure ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum TenureError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the save of the control keeper can't be read: {0}")]
    Save(#[from] serde_json::Error),
    #[error("topic `control` is not the one the save belongs to (log id {found}, saved {saved}): it was replaced")]
    Replaced { found: String, saved: String },
}

/// What a tenure works with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) store: SaveStore,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) health: Health,
}

/// What is saved.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The next record of `control` to copy.
    pub(super) next_offset: u64,
    pub(super) control: ControlStanding,
    pub(super) last_tick_ms: Option<Millis>,
    pub(super) history: Option<History>,
}

/// A history session that is open, whether or not anyone is there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) session: String,
    /// Time before it: what an earlier session loaded.
    pub(super) from_tick_ms: Option<Millis>,
    /// The last tick that is complete, of this session or the one it took over.
    pub(super) complete: Option<Mark>,
}

/// One send that was acknowledged.
pub(super) struct Landed {
    pub(super) state: State,
    pub(super) reply: Option<tokio::sync::oneshot::Sender<Result<(), Denial>>>,
}

pub(super) struct Tenure {
    pub(super) context: Context,
    epoch: Epoch,
    control_log_id: String,
    reader: Box<dyn PartitionReader>,
    pub(super) broadcast: Broadcast,
    control: Box<dyn Producer>,
    commands: mpsc::Receiver<Command>,
    /// Published as soon as all that stood in `control` at the start is copied.
    holding: Option<Holding>,
    holder: watch::Sender<Option<Holding>>,
    copied: watch::Sender<u64>,
    catch_up_to: u64,
    logic_requested: bool,
    pub(super) sent: State,
    /// `sent` is ahead of the last flight.
    pub(super) unsent: bool,
    pub(super) flights: FuturesOrdered<BoxFuture<'static, Result<Landed, LogError>>>,
    pub(super) landed: State,
    unsaved: bool,
    save_at: Instant,
    saving: Option<JoinHandle<Result<(), StoreError>>>,
    ticking: Ticking,
    tick_gauge: Gauge<f64>,
    pub(super) session: Option<Session>,
    pub(super) live_requested: bool,
    pub(super) live_waiting: Waiting<()>,
}

impl Tenure {
    /// Takes over: raises the epoch, loads the save, begins with the record that was copied last.
    pub(super) async fn begin(
        context: Context,
        starter: Box<dyn StartPartition>,
        holder: watch::Sender<Option<Holding>>,
    ) -> Result<Self, TenureError> {
        let (epoch, save) = context.store.acquire("ingest-control", 0).await?;
        let extent = context.log.extent(CONTROL.name, 0).await?;
        let mut state = State::default();
        if let Some(save) = save {
            if save.position.input_log_id != extent.log_id.0 {
                return Err(TenureError::Replaced { found: extent.log_id.0, saved: save.position.input_log_id });
            }
            if let Some(bytes) = save.segments.last() {
                state = serde_json::from_slice(bytes)?;
            }
        }
        let reader = starter.start(state.next_offset.saturating_sub(1)).await?;
        let broadcast = Broadcast::open(&context.log).await?;
        let control = context.log.producer("ingest-control-records").await?;
        let (command_sender, commands) = mpsc::channel(64);
        let (copied, copied_receiver) = watch::channel(0);
        let ticking = Ticking::new(&context);
        tracing::info!(next_offset = state.next_offset, "holding `control`");
        Ok(Self {
            epoch,
            control_log_id: extent.log_id.0,
            reader,
            broadcast,
            control,
            commands,
            holding: Some(Holding { commands: command_sender, copied: copied_receiver }),
            holder,
            copied,
            catch_up_to: extent.end,
            logic_requested: false,
            sent: state.clone(),
            unsent: false,
            flights: FuturesOrdered::new(),
            landed: state,
            unsaved: false,
            save_at: Instant::now(),
            saving: None,
            ticking,
            tick_gauge: tick_gauge(),
            session: None,
            live_requested: false,
            live_waiting: Waiting::new(),
            context,
        })
    }

    /// Copies, ticks and loads history until told to stop; saves then.
    pub(super) async fn hold(mut self, stop: CancellationToken) -> Result<(), TenureError> {
        let held = self.run(&stop).await;
        self.holder.send_replace(None);
        held?;
        self.settle().await?;
        self.save_now().await?;
        tracing::info!("gave up `control`");
        Ok(())
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), TenureError> {
        loop {
            self.announce().await?;
            self.advance_history().await?;
            self.launch().await?;
            self.begin_saving();
            let steps_welcome = self.flights.len() < MOST_FLIGHTS;
            let cut_points_due = self.cut_points_due();
            let save_due = (self.unsaved && self.saving.is_none()).then_some(self.save_at);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.land(landed?),
                records = self.reader.next(MOST_COPIES) => self.copy(&records?)?,
                step = next_step(&mut self.session), if steps_welcome => self.step(step).await?,
                Some(command) = self.commands.recv() => self.obey(command).await?,
                saved = finished(&mut self.saving) => self.saved(saved)?,
                tick = self.ticking.next(self.sent.last_tick_ms), if self.sent.control.live => self.live_tick(tick),
                () = at(cut_points_due) => self.give_up_waiting(),
                () = at(save_due) => {}
            }
        }
    }

    /// Adds copies of control records for all partitions.
    fn copy(&mut self, records: &[Record]) -> Result<(), TenureError> {
        for record in records {
            let control = CONTROL.decode(record)?;
            self.unsent = true;
            self.sent.next_offset = record.offset + 1;
            if self.sent.control.is_repeated(record.offset, &control) {
                continue;
            }
            self.sent.control.apply(record.offset, &control);
            self.broadcast.add_to_all(&control_copy(record.offset, control));
        }
        self.notice_cut_points();
        Ok(())
    }

    /// Adds a tick for all partitions, unless time is there already.
    pub(super) fn tick(&mut self, time_ms: Millis) {
        self.add_tick(time_ms, &tick_record(time_ms));
    }

    fn add_tick(&mut self, time_ms: Millis, record: &NewRecord) {
        if self.sent.last_tick_ms.is_none_or(|last| time_ms > last) {
            self.broadcast.add_to_all(record);
            self.sent.last_tick_ms = Some(time_ms);
            self.unsent = true;
        }
    }

    /// As the clock goes; such a tick may begin a trace.
    fn live_tick(&mut self, time_ms: Millis) {
        let mut record = tick_record(time_ms);
        trace_tick(self.context.log.system(), &mut record);
        self.add_tick(time_ms, &record);
    }

    /// Sends what was added.
    pub(super) async fn launch(&mut self) -> Result<(), TenureError> {
        if std::mem::take(&mut self.unsent) {
            self.launch_with(None).await?;
        }
        Ok(())
    }

    /// Sends what was added, and answers when all so far is acknowledged.
    pub(super) async fn launch_with(
        &mut self,
        reply: Option<tokio::sync::oneshot::Sender<Result<(), Denial>>>,
    ) -> Result<(), TenureError> {
        self.unsent = false;
        let acknowledged = self.broadcast.send().await?;
        let state = self.sent.clone();
        self.flights.push_back(acknowledged.map(|done| done.map(|()| Landed { state, reply })).boxed());
        Ok(())
    }

    fn land(&mut self, landed: Landed) {
        self.landed = landed.state;
        self.unsaved = true;
        if let Some(tick) = self.landed.last_tick_ms {
            self.tick_gauge.record(tick as f64 / 1_000.0, &[]);
        }
        let next_offset = self.landed.next_offset;
        self.copied.send_if_modified(|copied| std::mem::replace(copied, next_offset) != next_offset);
        if let Some(reply) = landed.reply {
            let _ = reply.send(Ok(()));
        }
        if self.landed.control.live {
            for reply in self.live_waiting.drain(..) {
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Sends what was added and waits until all is acknowledged.
    pub(super) async fn settle(&mut self) -> Result<(), TenureError> {
        self.launch().await?;
        while let Some(landed) = self.flights.next().await {
            self.land(landed?);
        }
        Ok(())
    }

    /// Once all that stood in `control` is copied: sees that it says how facts are folded, then opens for commands.
    async fn announce(&mut self) -> Result<(), TenureError> {
        let caught_up = self.landed.next_offset.max(1) >= self.catch_up_to.max(1);
        if self.holding.is_none() || !caught_up {
            return Ok(());
        }
        if self.landed.control.logic.is_some() {
            self.holder.send_replace(self.holding.take());
        } else if !std::mem::replace(&mut self.logic_requested, true) {
            let logic = control::Control::LogicActivated(LogicActivated { logic: NEWEST_LOGIC });
            self.say(logic).await?;
        }
        Ok(())
    }

    /// Appends to `control`. It comes back to be copied like any other record.
    pub(super) async fn say(&mut self, control: control::Control) -> Result<u64, TenureError> {
        let record = control_record("", &Control { control: Some(control), origin: None });
        let appended = async { self.control.send(CONTROL.name, 0, vec![record]).await?.await };
        let late = || LogError::Unavailable("`control` has not acknowledged in time".to_owned());
        Ok(timeout(self.context.settings.ack_limit, appended).await.map_err(|_| late())??)
    }

    fn begin_saving(&mut self) {
        if !self.unsaved || self.saving.is_some() || Instant::now() < self.save_at {
            return;
        }
        self.unsaved = false;
        self.save_at = Instant::now() + self.context.settings.save_interval;
        match self.packed() {
            Ok((position, segment)) => {
                let (store, epoch) = (self.context.store.clone(), self.epoch.clone());
                self.saving = Some(tokio::spawn(async move { store.write(&epoch, &position, segment).await }));
            }
            Err(error) => tracing::error!("the control keeper's state can't be packed: {error}"),
        }
    }

    fn saved(&mut self, saved: Result<Result<(), StoreError>, JoinError>) -> Result<(), TenureError> {
        self.saving = None;
        let saved = saved.unwrap_or_else(|broken| Err(StoreError::Unavailable(broken.to_string())));
        match saved {
            Err(error @ StoreError::Unavailable(_)) => {
                // It may lag: a successor copies again what is newer, and the partitions ignore it.
                tracing::warn!("{error}; the control keeper goes on and saves later");
                self.unsaved = true;
                self.save_at = Instant::now() + std::time::Duration::from_secs(1);
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Saves what has landed, and waits for it.
    pub(super) async fn save_now(&mut self) -> Result<(), TenureError> {
        if let Some(saving) = self.saving.take() {
            let earlier = saving.await;
            self.saved(earlier)?;
        }
        self.unsaved = false;
        let (position, segment) = self.packed()?;
        Ok(self.context.store.write(&self.epoch, &position, segment).await?)
    }

    fn packed(&self) -> Result<(Position, Segment), serde_json::Error> {
        let position = Position {
            input_log_id: self.control_log_id.clone(),
            next_offset: self.landed.next_offset,
            outputs: Vec::new(),
        };
        Ok((position, Segment { bytes: serde_json::to_vec(&self.landed)?, keep: 0 }))
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.holder.send_replace(None);
    }
}

async fn next_step(session: &mut Option<Session>) -> Option<Step> {
    match session {
        Some(session) if session.awaiting.is_none() && !session.abandoned => session.steps.recv().await,
        _ => std::future::pending().await,
    }
}

async fn finished<T>(slot: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match slot {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
