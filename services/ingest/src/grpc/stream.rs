//! The answers of a stream: several requests are on their way to the log at once, and are answered in their order. Who
//! doesn't read the answers is not read from either.

use std::{collections::VecDeque, sync::Arc};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, FuturesOrdered, unfold},
};
use tonic::{Status, Streaming};

use super::{
    publish::{Visit, size},
    status::status_of,
    v1::{PublishRequest, PublishResponse},
};
use crate::{answer::Denial, limits::Held};

/// Requests of one stream on their way at once.
const REQUESTS_IN_FLIGHT: usize = 4;

/// A stream that is being answered.
struct Conversation {
    visit: Arc<Visit>,
    requests: Streaming<PublishRequest>,
    flying: FuturesOrdered<BoxFuture<'static, Result<PublishResponse, Denial>>>,
    /// There are no more requests, and so the stream ends; or with this.
    ending: Option<Result<(), Status>>,
}

/// What comes next.
enum Next {
    Answer(Result<PublishResponse, Denial>),
    Request(Result<Option<PublishRequest>, Status>),
    Stop,
}

/// Answers the requests, until they end, the caller may no more, or this process stops.
pub(super) fn answers(
    visit: Visit,
    requests: Streaming<PublishRequest>,
) -> BoxStream<'static, Result<PublishResponse, Status>> {
    let visit = Arc::new(visit);
    let conversation = Conversation { visit, requests, flying: FuturesOrdered::new(), ending: None };
    unfold(Some(conversation), |conversation| async move {
        let mut conversation = conversation?;
        match conversation.answer().await {
            Some(Ok(answer)) => Some((Ok(answer), Some(conversation))),
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
        }
    })
    .boxed()
}

impl Conversation {
    /// The next answer. An error is the last.
    async fn answer(&mut self) -> Option<Result<PublishResponse, Status>> {
        loop {
            match self.next().await {
                None => return self.ending.take()?.err().map(Err),
                Some(Next::Answer(answer)) => return Some(answer.map_err(|denial| status_of(&denial))),
                Some(Next::Request(Ok(None))) => self.ending = Some(Ok(())),
                Some(Next::Request(Err(status))) => self.ending = Some(Err(status)),
                Some(Next::Request(Ok(Some(request)))) => {
                    if let Err(denial) = self.take(request).await {
                        self.ending = Some(Err(status_of(&denial)));
                    }
                }
                Some(Next::Stop) => {
                    let reason = "this instance stops; go on with another stream behind the last answer";
                    self.ending = Some(Err(Status::unavailable(reason)));
                }
            }
        }
    }

    /// Nothing once all is answered and no more is taken.
    async fn next(&mut self) -> Option<Next> {
        let reading = self.ending.is_none() && self.flying.len() < REQUESTS_IN_FLIGHT;
        let stop = self.visit.service.closing.clone();
        tokio::select! {
            biased;
            Some(answer) = self.flying.next(), if !self.flying.is_empty() => Some(Next::Answer(answer)),
            () = stop.cancelled(), if self.ending.is_none() => Some(Next::Stop),
            request = self.requests.message(), if reading => Some(Next::Request(request)),
            else => None,
        }
    }

    async fn take(&mut self, request: PublishRequest) -> Result<(), Denial> {
        let held = self.room(size(&request)).await?;
        self.visit.service.access.check(&self.visit.caller)?;
        let flight = self.visit.take(request, true).await?;
        let visit = Arc::clone(&self.visit);
        self.flying.push_back(
            async move {
                let _held = held;
                visit.settle(flight).await
            }
            .boxed(),
        );
        Ok(())
    }

    /// Room for a request. What this stream holds itself is settled before waiting for more: others wait for it.
    async fn room(&mut self, bytes: usize) -> Result<Held, Denial> {
        let admission = &self.visit.service.admission;
        if let Some(held) = admission.bytes_now(bytes) {
            return Ok(held);
        }
        let mut settled = VecDeque::with_capacity(self.flying.len());
        while let Some(answer) = self.flying.next().await {
            settled.push_back(answer);
        }
        self.flying.extend(settled.into_iter().map(|answer| std::future::ready(answer).boxed()));
        admission.bytes(bytes).await
    }
}
