//! `Publish` and `PublishStream`: from messages to events, and back to what became of each.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use tiermesh_domain::fact::{Parsed, Refusal};
use tonic::{Request, Response, Status, Streaming};

use super::{
    status::{status_of, timeout},
    stream,
    v1::{
        CloudEvent, EventResult, PublishRequest, PublishResponse, event_result::Status as What,
        publisher_server::Publisher,
    },
};
use crate::{
    answer::Denial,
    appending::BadEvent,
    events::{InFlight, Lane, Original, Outcome, Status as Became, traceparent},
    keys::{Caller, Scope},
    limits::Held,
    metrics::Door,
    service::Service,
    settings::{LARGEST_BATCH, LARGEST_EVENT},
};

/// Publishing over gRPC.
pub(crate) struct Publishing {
    pub(crate) service: Arc<Service>,
}

#[tonic::async_trait]
impl Publisher for Publishing {
    type PublishStreamStream = BoxStream<'static, Result<PublishResponse, Status>>;

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let limit = timeout(request.metadata());
        let publishing = async {
            let visit = Visit::begin(&self.service, &request, self.service.admission.request()).await?;
            let _bytes = self.service.admission.bytes(size(request.get_ref())).await?;
            let flight = visit.take(request.into_inner(), false).await?;
            visit.settle(flight).await
        };
        let published = match limit {
            Some(limit) => tokio::time::timeout(limit, publishing).await.map_err(|_| {
                Status::deadline_exceeded(
                    "not all of it was acknowledged in time; send it again, what is known already counts once",
                )
            })?,
            None => publishing.await,
        };
        published.map(Response::new).map_err(|denial| status_of(&denial))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let visit = Visit::begin(&self.service, &request, self.service.admission.stream()).await;
        let visit = visit.map_err(|denial| status_of(&denial))?;
        Ok(Response::new(stream::answers(visit, request.into_inner())))
    }
}

/// One call: who makes it, and its way to the log.
pub(super) struct Visit {
    pub(super) service: Arc<Service>,
    pub(super) caller: Caller,
    lane: Lane,
    _room: Held,
}

impl Visit {
    /// Begins one, once there is room.
    async fn begin<T>(
        service: &Arc<Service>,
        request: &Request<T>,
        room: impl Future<Output = Result<Held, Denial>>,
    ) -> Result<Self, Denial> {
        let headers = request.metadata().as_ref();
        let caller = service.access.caller(headers).await?;
        caller.may(Scope::Events)?;
        let room = room.await?;
        let lane = service.intake.lane(traceparent(headers)).await?.by(Door::Grpc);
        Ok(Self { service: Arc::clone(service), caller, lane, _room: room })
    }

    /// Hands the events of one request over to the log. `paced`: it is slowed down rather than refused.
    pub(super) async fn take(&self, request: PublishRequest, paced: bool) -> Result<InFlight, Denial> {
        if request.events.len() > LARGEST_BATCH {
            let count = request.events.len();
            return Err(Denial::TooLarge(format!("the request has {count} events; the limit is {LARGEST_BATCH}")));
        }
        let examined: Vec<_> = request.events.into_iter().map(|event| self.examine(event)).collect();
        if paced {
            self.service.rates.pace(&self.caller, &examined).await;
        } else {
            self.service.rates.take(&self.caller, &examined, &self.service.intake.metrics)?;
        }
        self.service.intake.take(&self.lane, examined).await
    }

    /// Waits until they are durable.
    pub(super) async fn settle(&self, flight: InFlight) -> Result<PublishResponse, Denial> {
        Ok(answer(self.service.intake.settle(&self.lane, flight).await?))
    }

    /// An event is what the binary mode of HTTP has: attributes, and the data by itself.
    fn examine(&self, event: CloudEvent) -> Result<Parsed, Box<BadEvent>> {
        let attributes = [
            ("ce-id", event.id),
            ("ce-source", event.source),
            ("ce-type", event.r#type),
            ("ce-subject", event.subject),
            ("ce-time", event.time),
        ];
        let given = attributes.into_iter().filter(|(_, value)| !value.is_empty());
        let mut headers: Vec<_> = given.map(|(name, value)| (name.to_owned(), value)).collect();
        headers.push(("ce-specversion".to_owned(), "1.0".to_owned()));
        let original = Original { bytes: Bytes::from(event.data), content_type: "application/json", headers };
        let attributes: usize = original.headers.iter().map(|(_, value)| value.len()).sum();
        if original.bytes.len() + attributes > LARGEST_EVENT {
            let reason = format!("the event is larger than {LARGEST_EVENT} bytes, the limit for one event");
            let refusal = Refusal::new("", reason);
            return Err(self.service.examiner.refuse(original.bytes, original.content_type, refusal));
        }
        self.service.examiner.examine_as(&self.caller, original)
    }
}

/// About the bytes that a request came in.
pub(super) fn size(request: &PublishRequest) -> usize {
    prost::Message::encoded_len(request)
}

fn answer(outcomes: Vec<Outcome>) -> PublishResponse {
    let mut answer = PublishResponse::default();
    for Outcome { status, ignored } in outcomes {
        let (what, refusal) = match status {
            Became::Accepted => (What::Accepted, None),
            Became::Duplicate => (What::Duplicate, None),
            Became::Refused(refusal) => (What::Refused, Some(refusal)),
        };
        *match what {
            What::Accepted => &mut answer.accepted,
            What::Duplicate => &mut answer.duplicates,
            _ => &mut answer.refused,
        } += 1;
        let Refusal { field, reason } = refusal.unwrap_or_else(|| Refusal::new("", ""));
        answer.results.push(EventResult { status: what.into(), field, reason, ignored });
    }
    answer
}
