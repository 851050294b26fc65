//! `/v1/history`: one session at a time, at the instance that holds `control`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::{
    fact::Parsed,
    time::{DAY_MS, format_instant, parse_instant},
};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::Instant,
};

use super::assembler::Assembler;
use crate::{
    answer::Denial,
    control::{Opened, Step},
    events::{Lines, Outcome, Report, Status, read_body},
    metrics::Door,
    service::Service,
    settings::MOST_RESULTS,
};

/// Lines taken out of the stream at once.
const CHUNK: usize = 2_000;
/// Largest body of a request that opens or ends a session.
const LARGEST_REQUEST: usize = 16 << 10;

/// The session that is open at this instance.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<Option<Arc<OpenSession>>>,
}

struct OpenSession {
    id: String,
    writer: AsyncMutex<Writer>,
}

struct Writer {
    assembler: Assembler,
    steps: mpsc::Sender<Step>,
    failure: Arc<std::sync::OnceLock<Denial>>,
    /// A request broke off in the middle: what it had in hand is lost, and nothing may follow it.
    broken: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Open {
    /// The session that the asker had before: it need not have been silent.
    session: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct End {
    until: Option<String>,
    live: bool,
}

/// `POST /v1/history`.
pub(crate) async fn open(State(service): State<Arc<Service>>, body: Body) -> Result<Json<Value>, Denial> {
    let request: Open = read_json(body).await?;
    let holding = service.holder.holding_soon().await.ok_or(Denial::NotHolder)?;
    let opened = holding.open_history(request.session).await?;
    let resume_after = opened.resume_after.as_ref().map(|mark| {
        let time = format_instant(mark.time_ms);
        json!({"time": time, "subject": mark.subject, "source": mark.source, "id": mark.id})
    });
    let answer = json!({"session": opened.session, "resume_after": resume_after});
    service.sessions.replace(opened, service.intake.partitions);
    Ok(Json(answer))
}

/// `POST /v1/history/{session}/events`.
pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Path(session): Path<String>,
    body: Body,
) -> Result<Json<Value>, Denial> {
    let session = service.sessions.find(&session)?;
    let mut writer = session.writer.try_lock().map_err(|_| Denial::SessionBusy)?;
    let writer = writer.begin()?;
    let mut lines = Lines::of(body);
    let mut report = Report::new(MOST_RESULTS);
    let mut stopped = None;
    while stopped.is_none() {
        let chunk = lines.next(CHUNK).await?;
        if chunk.is_empty() {
            break;
        }
        let mut bad = Vec::new();
        for line in &chunk {
            let outcome = match service.examiner.examine_line(line) {
                Ok(Parsed { fact, ignored }) => {
                    if let Err(reason) = writer.assembler.push(fact) {
                        stopped = Some(Denial::OutOfOrder { line: line.number, reason });
                        break;
                    }
                    Outcome { status: Status::Accepted, ignored }
                }
                Err(event) => {
                    let status = Status::Refused(event.refusal.clone());
                    bad.push(*event);
                    Outcome { status, ignored: Vec::new() }
                }
            };
            report.add_lines(&[line.number], &[outcome]);
        }
        service.intake.dead_letters.keep(bad, Instant::now() + service.intake.settings.ack_limit).await?;
        writer.send_days().await?;
    }
    writer.assembler.finish_part();
    writer.send_days().await?;
    writer.ask(Step::Flush).await?;
    writer.broken = false;
    service.intake.metrics.add(Door::History, [report.accepted, report.duplicates, report.refused]);
    match stopped {
        Some(denial) => Err(denial),
        None => Ok(Json(report.listing())),
    }
}

/// `POST /v1/history/{session}/end`.
pub(crate) async fn end(
    State(service): State<Arc<Service>>,
    Path(session): Path<String>,
    body: Body,
) -> Result<Json<Value>, Denial> {
    let request: End = read_json(body).await?;
    let session = service.sessions.find(&session)?;
    let mut writer = session.writer.try_lock().map_err(|_| Denial::SessionBusy)?;
    let writer = writer.begin()?;
    let ahead = service.clock.now_ms().saturating_add(DAY_MS);
    let until = request.until.as_ref().map(|text| match parse_instant(text) {
        Some(until) if until > ahead => Err(format!("{text:?} is more than a day ahead of the receiver's clock")),
        Some(until) => writer.assembler.until(until),
        None => Err(format!("{text:?} is not an instant such as \"2011-12-10T00:00:00Z\"")),
    });
    if let Some(Err(reason)) = until {
        writer.broken = false;
        return Err(Denial::Until(reason));
    }
    writer.send_days().await?;
    let ended = writer.ask(|reply| Step::End { live: request.live, reply }).await?;
    service.sessions.close(&session);
    Ok(Json(json!({"last_tick": ended.last_tick_ms.map(format_instant), "live": ended.live})))
}

/// `POST /v1/history/{session}/leave`: leaves a session in the middle. The next to open one goes on where it got to, at once.
pub(crate) async fn leave(
    State(service): State<Arc<Service>>,
    Path(session): Path<String>,
) -> Result<Json<Value>, Denial> {
    let session = service.sessions.find(&session)?;
    service.sessions.close(&session);
    Ok(Json(json!({"left": session.id})))
}

async fn read_json<T: Default + for<'de> Deserialize<'de>>(body: Body) -> Result<T, Denial> {
    let bytes = read_body(body, LARGEST_REQUEST, "this request").await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| Denial::BadRequest(format!("the body: {error}")))
}

impl Sessions {
    fn replace(&self, opened: Opened, partitions: u32) {
        let Opened { session, resume_after, last_tick_ms, zones, steps, failure } = opened;
        let assembler = Assembler::new(partitions, zones, last_tick_ms, resume_after);
        let writer = AsyncMutex::new(Writer { assembler, steps, failure, broken: false });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some(Arc::new(OpenSession { id: session, writer }));
    }

    fn find(&self, id: &str) -> Result<Arc<OpenSession>, Denial> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|open| open.id == id).cloned().ok_or(Denial::NoSession)
    }

    fn close(&self, session: &Arc<OpenSession>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, session)) {
            *open = None;
        }
    }
}

impl Writer {
    /// Begins a request. Unless it ends well, and says so, the session is of no more use.
    fn begin(&mut self) -> Result<&mut Self, Denial> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(self.failure.get().cloned().unwrap_or(Denial::NoSession));
        }
        Ok(self)
    }

    async fn send_days(&mut self) -> Result<(), Denial> {
        for day in self.assembler.take() {
            self.send(Step::Day(day)).await?;
        }
        Ok(())
    }

    async fn send(&self, step: Step) -> Result<(), Denial> {
        self.steps.send(step).await.map_err(|_| self.failed())
    }

    async fn ask<T>(&self, step: impl FnOnce(oneshot::Sender<Result<T, Denial>>) -> Step) -> Result<T, Denial> {
        let (reply, answer) = oneshot::channel();
        self.send(step(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(self.failed()))
    }

    fn failed(&self) -> Denial {
        self.failure.get().cloned().unwrap_or(Denial::Interrupted)
    }
}
