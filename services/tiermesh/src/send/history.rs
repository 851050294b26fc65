//! Sending as history: all of it is read and sorted, then streamed in sessions that go on where the last one got to.

use std::cmp::Ordering;

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use tiermesh_domain::{
    fact::parse_cloud_event,
    time::{Millis, format_instant, parse_instant},
};

use super::{
    SendError,
    interrupt::Interrupt,
    patience::Patience,
    progress::Progress,
    server::{Failure, Server},
    tally::Tally,
    unreadable::{self, BadRow},
};
use crate::{cli::CommandError, input::Event};

/// Events in one request.
const MOST_EVENTS: usize = 5_000;

/// How the history ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// With a tick at this instant.
    pub(super) until: Option<Millis>,
    /// The mesh is live from then on.
    pub(super) live: bool,
}

/// An event in its place.
struct Item {
    time: Millis,
    subject: String,
    source: String,
    id: String,
    /// The fact on the wire: equal ones are duplicates.
    fact: Vec<u8>,
    json: Vec<u8>,
    place: String,
}

impl Item {
    fn key(&self) -> (Millis, &str, &str, &str) {
        (self.time, &self.subject, &self.source, &self.id)
    }

    /// The total order; of one name with different contents, by the bytes.
    fn order(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| self.fact.cmp(&other.fact))
    }
}

/// What is to be sent.
#[derive(Default)]
struct History {
    items: Vec<Item>,
    /// Lines that are no events. They go out last: ingest keeps them as dead letters.
    bad: Vec<(String, Vec<u8>)>,
    /// Rows of which no event could be made.
    unreadable: Vec<BadRow>,
}

pub(super) async fn send(
    server: &Server,
    events: impl Iterator<Item = Result<Event, CommandError>> + Send + 'static,
    end: End,
    mut patience: Patience,
    progress: &Progress,
    tally: &mut Tally,
) -> Result<(), SendError> {
    let mut read = std::mem::take(tally);
    let reading = tokio::task::spawn_blocking(move || {
        let history = History::read(events, end.until, &mut read);
        history.map(|history| (history, read))
    });
    let read = reading.await.map_err(|error| SendError::Broken(format!("reading broke off: {error}")))?;
    let (history, read) = read.map_err(SendError::Usage)?;
    *tally = read;
    progress.set_total(history.items.len());
    unreadable::keep(server, &history.unreadable, &mut patience).await?;
    // Nothing was readable: going live now, or ticking on to the end, would shut the door on the corrected file.
    let end = if history.items.is_empty() { End { until: None, live: false } } else { end };
    let interrupt = Interrupt::watch();
    let mut sending =
        Sending { server, history: &history, end, interrupt: &interrupt, session: None, counted: 0, ending: false };
    loop {
        match sending.run(&mut patience, progress, tally).await {
            Ok(()) => break,
            Err(failure) => {
                let failure = sending.judge(failure);
                if let Failure::Denied { .. } = failure {
                    sending.leave().await;
                }
                patience.bear(failure).await?;
            }
        }
        if sending.ending && sending.is_over().await {
            break;
        }
    }
    history.warn_if_long_ago(end);
    Ok(())
}

/// Time steps no further without a word from an operator: see ingest.
const LEAP_MS: Millis = 3_600_000;

impl History {
    fn read(
        events: impl Iterator<Item = Result<Event, CommandError>>,
        until: Option<Millis>,
        tally: &mut Tally,
    ) -> Result<Self, CommandError> {
        let mut history = Self::default();
        for event in events {
            let Event { place, json, row } = event?;
            let json = match json {
                Ok(json) => json,
                Err(reason) => {
                    tally.refuse(&place, &reason);
                    history.unreadable.push(BadRow { place, reason, row });
                    continue;
                }
            };
            match parse_cloud_event(&json) {
                Ok(parsed) if until.is_some_and(|until| parsed.fact.time_ms > until) => tally.after_until += 1,
                Ok(parsed) => {
                    let fact = parsed.fact.encode_to_vec();
                    let (subject, source, id) = (parsed.fact.subject, parsed.fact.source, parsed.fact.id);
                    history.items.push(Item { time: parsed.fact.time_ms, subject, source, id, fact, json, place });
                }
                Err(_) => history.bad.push((place, json)),
            }
        }
        history.items.sort_by(Item::order);
        let all = history.items.len();
        history.items.dedup_by(|a, b| a.order(b) == Ordering::Equal);
        tally.duplicates += (all - history.items.len()) as u64;
        Ok(history)
    }

    /// Tells that time won't go on by itself from where the history ends.
    fn warn_if_long_ago(&self, end: End) {
        let last = end.until.or(self.items.last().map(|item| item.time));
        let now = tiermesh_ingest::Clock::system().now_ms();
        if let Some(last) = last.filter(|last| end.live && now - last > LEAP_MS) {
            eprintln!(
                "The mesh is live, and time stands at {}, where the history ends. The first event of now makes it leap \
                 here, and whatever is older than a policy's window leaves it. To look at the past, use \
                 `tiermesh simulate`, or load it with --more, which doesn't go live.",
                format_instant(last)
            );
        }
    }
}

/// A history on its way.
struct Sending<'a> {
    server: &'a Server,
    history: &'a History,
    end: End,
    interrupt: &'a Interrupt,
    /// The session that was opened last.
    session: Option<String>,
    /// What became of so many items is counted.
    counted: usize,
    /// The end was asked for: it may have happened though no answer came.
    ending: bool,
}

impl Sending<'_> {
    /// Opens a session and sends all that is missing.
    async fn run(&mut self, patience: &mut Patience, progress: &Progress, tally: &mut Tally) -> Result<(), Failure> {
        let asked = json!({"session": self.session}).to_string();
        let opened = self.server.post("v1/history", "application/json", asked).await?;
        let session = opened["session"].as_str().unwrap_or_default().to_owned();
        self.session = Some(session.clone());
        let mut next = self.resume_after(&opened["resume_after"]);
        // What is complete was taken, even if the answer that said so was lost.
        tally.accepted += next.saturating_sub(self.counted) as u64;
        self.counted = self.counted.max(next);
        let items = &self.history.items;
        while next < items.len() {
            if self.interrupt.is_asked() {
                return Err(self.break_off(&session, next).await);
            }
            let until = items.len().min(next + MOST_EVENTS);
            let chunk = items.get(next..until).unwrap_or_default();
            let body = body(chunk.iter().map(|item| item.json.as_slice()));
            let answer = self.post(&session, "events", body).await?;
            patience.restore();
            self.count(&answer, next, until, tally);
            next = until;
            progress.set(next as u64);
        }
        self.send_bad(&session, tally).await?;
        self.ending = true;
        let end = json!({"until": self.end.until.map(format_instant), "live": self.end.live});
        self.post(&session, "end", end.to_string().into()).await.map(drop)
    }

    async fn post(&self, session: &str, what: &str, body: Bytes) -> Result<Value, Failure> {
        let content_type = if what == "end" { "application/json" } else { "application/x-ndjson" };
        self.server.post(&format!("v1/history/{session}/{what}"), content_type, body).await
    }

    /// Leaves the session in the middle: the next one goes on from there.
    async fn break_off(&self, session: &str, sent: usize) -> Failure {
        let all = self.history.items.len();
        match self.post(session, "leave", Bytes::new()).await {
            Ok(_) => Failure::Denied {
                reason: format!("interrupted after {sent} of {all} events; send the same again, and it goes on"),
                code: "interrupted".to_owned(),
            },
            Err(failure) => failure,
        }
    }

    /// Leaves the session after a denial, so that the next attempt doesn't have to wait until it counts as silent.
    async fn leave(&self) {
        if let Some(session) = &self.session {
            // Where this fails too, nothing worse comes of it than that wait.
            let _ = self.post(session, "leave", Bytes::new()).await;
        }
    }

    async fn send_bad(&self, session: &str, tally: &mut Tally) -> Result<(), Failure> {
        if self.ending || self.history.bad.is_empty() {
            return Ok(());
        }
        for chunk in self.history.bad.chunks(MOST_EVENTS) {
            let body = body(chunk.iter().map(|(_, line)| line.as_slice()));
            let answer = self.post(session, "events", body).await?;
            let place = |line: u64| chunk.get(index(line)).map(|(place, _)| place.clone()).unwrap_or_default();
            tally.take(&answer, place, |_| true);
        }
        Ok(())
    }

    /// Counts what became of the items of one request, unless an earlier session did.
    fn count(&mut self, answer: &Value, from: usize, until: usize, tally: &mut Tally) {
        let refused_before = tally.refused;
        let item = |line: u64| from + index(line);
        let place = |line: u64| self.history.items.get(item(line)).map(|item| item.place.clone()).unwrap_or_default();
        tally.take(answer, place, |line| item(line) >= self.counted);
        let new = until.saturating_sub(self.counted.max(from)) as u64;
        tally.accepted += new.saturating_sub(tally.refused - refused_before);
        self.counted = self.counted.max(until);
    }

    /// Where a session goes on.
    fn resume_after(&self, mark: &Value) -> usize {
        let text = |field: &str| mark[field].as_str().unwrap_or_default();
        let Some(time) = parse_instant(text("time")) else { return 0 };
        let last = (time, text("subject"), text("source"), text("id"));
        self.history.items.partition_point(|item| item.key() <= last)
    }

    /// Which denials pass by themselves: the session was lost with its server, or belongs to one that is gone.
    fn judge(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Denied { reason, code }
                if matches!(code.as_str(), "no-session" | "session-busy" | "session-open") =>
            {
                Failure::Transient { reason, code, after: None }
            }
            other => other,
        }
    }

    /// Whether the end came through though its answer was lost.
    async fn is_over(&self) -> bool {
        if !self.end.live {
            return false;
        }
        let opened =
            self.server.post("v1/history", "application/json", json!({"session": self.session}).to_string()).await;
        matches!(opened, Err(failure) if failure.code() == "live")
    }
}

/// The place in its request of the item on a line, from 1.
fn index(line: u64) -> usize {
    usize::try_from(line).unwrap_or_default().saturating_sub(1)
}

fn body<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut body = Vec::new();
    for line in lines {
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    body.into()
}
