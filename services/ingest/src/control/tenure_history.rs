//! History and going live, as the holder of `control` does them.

use tiermesh_domain::time::Millis;
use tiermesh_proto::v1::{Live, control};
use tokio::{sync::oneshot, time::Instant};

use super::{
    holder::{Command, Opened, Step},
    session::{Awaiting, Day, Ended, Session},
    standing::Mark,
    tenure::{History, Tenure, TenureError},
};
use crate::answer::Denial;

type Reply<T> = oneshot::Sender<Result<T, Denial>>;

impl Tenure {
    pub(super) async fn obey(&mut self, command: Command) -> Result<(), TenureError> {
        match command {
            Command::Live { explicit, reply } => self.go_live(explicit, reply).await,
            Command::OpenHistory { resume, reply } => {
                let opened = self.open_history(resume).await?;
                let _ = reply.send(opened);
                Ok(())
            }
        }
    }

    async fn go_live(&mut self, explicit: bool, reply: Reply<()>) -> Result<(), TenureError> {
        if self.landed.control.live {
            let _ = reply.send(Ok(()));
            return Ok(());
        }
        if self.sent.history.is_some() {
            if !explicit || !self.is_silent() {
                let _ = reply.send(Err(Denial::HistoryLoading));
                return Ok(());
            }
            self.close_history(Denial::NoSession).await?;
        }
        self.live_waiting.push_back(reply);
        self.request_live().await
    }

    async fn request_live(&mut self) -> Result<(), TenureError> {
        if !std::mem::replace(&mut self.live_requested, true) {
            self.say(control::Control::Live(Live {})).await?;
        }
        Ok(())
    }

    async fn open_history(&mut self, resume: Option<String>) -> Result<Result<Opened, Denial>, TenureError> {
        if self.sent.control.live || self.live_requested {
            return Ok(Err(Denial::Live));
        }
        let mut history = History { from_tick_ms: self.sent.last_tick_ms, ..History::default() };
        if let Some(open) = &self.sent.history {
            if resume.as_ref() != Some(&open.session) && !self.is_silent() {
                return Ok(Err(Denial::SessionOpen(self.context.settings.session_silence.as_secs())));
            }
            history.clone_from(open);
        }
        if let Some(earlier) = self.session.take() {
            earlier.fail(Denial::NoSession);
        }
        history.session = uuid::Uuid::new_v4().to_string();
        self.keep_history(Some(history.clone())).await?;
        let (session, steps, failure) = Session::open();
        self.session = Some(session);
        let History { session, from_tick_ms, complete } = history;
        let last_tick_ms = complete.as_ref().map(|mark| mark.tick_ms).or(from_tick_ms);
        let zones = self.sent.control.zones();
        Ok(Ok(Opened { session, resume_after: complete, last_tick_ms, zones, steps, failure }))
    }

    /// Whoever had the open session left it, or has not written to it for long and may be gone.
    fn is_silent(&self) -> bool {
        let silence = self.context.settings.session_silence;
        self.session.as_ref().is_none_or(|session| session.abandoned || session.last_activity.elapsed() >= silence)
    }

    async fn close_history(&mut self, why: Denial) -> Result<(), TenureError> {
        if let Some(session) = self.session.take() {
            session.fail(why);
        }
        self.keep_history(None).await
    }

    /// Notes which session is open, durably.
    async fn keep_history(&mut self, history: Option<History>) -> Result<(), TenureError> {
        self.settle().await?;
        self.sent.history = history;
        self.landed.history.clone_from(&self.sent.history);
        self.save_now().await
    }

    /// Takes the steps that are there, as far as nothing has to be awaited.
    pub(super) async fn advance_history(&mut self) -> Result<(), TenureError> {
        while !self.broadcast.is_full()
            && let Some(session) = &mut self.session
            && session.awaiting.is_none()
            && let Ok(step) = session.steps.try_recv()
        {
            self.step(Some(step)).await?;
        }
        Ok(())
    }

    pub(super) async fn step(&mut self, step: Option<Step>) -> Result<(), TenureError> {
        if let Some(session) = &mut self.session {
            session.last_activity = Instant::now();
            session.abandoned = step.is_none();
        }
        match step {
            None => {}
            Some(Step::Day(day)) => self.append_day(day),
            Some(Step::Flush(reply)) => self.launch_with(Some(reply)).await?,
            Some(Step::End { live, reply }) => self.end_history(live, reply).await?,
        }
        Ok(())
    }

    fn append_day(&mut self, day: Day) {
        self.broadcast.add(day.facts);
        self.unsent = true;
        let Some(mark) = day.mark else { return };
        self.tick(mark.tick_ms);
        let missing = self.sent.control.without_cut_points(mark.tick_ms);
        if missing.is_empty() {
            self.complete(mark);
        } else if let Some(session) = &mut self.session {
            let deadline = Instant::now() + self.context.settings.cut_points_limit;
            session.awaiting = Some(Awaiting { mark, missing, deadline });
        }
    }

    fn complete(&mut self, mark: Mark) {
        if let Some(history) = &mut self.sent.history {
            history.complete = Some(mark);
        }
    }

    /// After control records were copied: the cut-points that are awaited may be among them.
    pub(super) fn notice_cut_points(&mut self) {
        let Some(session) = &mut self.session else { return };
        let Some(mut awaiting) = session.awaiting.take() else { return };
        let before = awaiting.missing.len();
        awaiting.missing = self.sent.control.still_without(awaiting.mark.tick_ms, awaiting.missing);
        session.last_activity = Instant::now();
        if awaiting.missing.is_empty() {
            return self.complete(awaiting.mark);
        }
        if awaiting.missing.len() < before {
            awaiting.deadline = Instant::now() + self.context.settings.cut_points_limit;
        }
        session.awaiting = Some(awaiting);
    }

    pub(super) fn cut_points_due(&self) -> Option<Instant> {
        Some(self.session.as_ref()?.awaiting.as_ref()?.deadline)
    }

    /// Ends the session that waits in vain. It may be opened again, and goes on after the last complete tick.
    pub(super) fn give_up_waiting(&mut self) {
        let Some(session) = self.session.take() else { return };
        let (as_of, missing): (Millis, _) = match &session.awaiting {
            Some(awaiting) => (awaiting.mark.tick_ms, awaiting.missing.as_slice()),
            None => (0, Default::default()),
        };
        let why = Denial::cut_points_missing(as_of, missing);
        tracing::error!("history: {why}");
        session.fail(why);
    }

    async fn end_history(&mut self, live: bool, reply: Reply<Ended>) -> Result<(), TenureError> {
        self.close_history(Denial::NoSession).await?;
        let ended = Ended { last_tick_ms: self.sent.last_tick_ms, live };
        if !live {
            let _ = reply.send(Ok(ended));
            return Ok(());
        }
        let (waiting, is_live) = oneshot::channel();
        self.live_waiting.push_back(waiting);
        // Answers later: this loop has to copy the record first.
        tokio::spawn(async move {
            let answer = is_live.await.unwrap_or(Err(Denial::Interrupted));
            let _ = reply.send(answer.map(|()| ended));
        });
        self.request_live().await
    }
}
