//! Publishing over gRPC, with a real client on the port of HTTP.

use std::time::Duration;

use futures::StreamExt;
use prost::Message;
use serde_json::json;
use tiermesh_domain::hash::partition_of;
use tiermesh_event_log::topics::CUSTOMER_EVENTS;
use tiermesh_ingest::{
    Clock, Scope,
    grpc::v1::{
        CloudEvent, PublishRequest, PublishResponse, event_result::Status as What, publisher_client::PublisherClient,
    },
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    harness::{Instance, PARTITIONS, World, eventually, order},
    keys, rates,
};

const TIME: &str = "2010-12-01T08:26:00Z";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn channel(ingest: &Instance) -> Channel {
    Channel::from_shared(ingest.url.clone()).unwrap().connect().await.unwrap()
}

async fn client(ingest: &Instance) -> PublisherClient<Channel> {
    PublisherClient::new(channel(ingest).await)
}

fn event(id: &str, customer: &str, amount: &str) -> CloudEvent {
    CloudEvent {
        id: id.to_owned(),
        source: "erp/test".to_owned(),
        r#type: "tiermesh.order.placed".to_owned(),
        subject: customer.to_owned(),
        time: TIME.to_owned(),
        data: json!({"order_id": id, "currency": "GBP", "amount": amount}).to_string().into_bytes(),
    }
}

fn request(events: impl IntoIterator<Item = CloudEvent>) -> PublishRequest {
    PublishRequest { events: events.into_iter().collect() }
}

fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

fn statuses(response: &PublishResponse) -> Vec<What> {
    response.results.iter().map(|result| result.status()).collect()
}

#[tokio::test]
async fn a_batch_gives_the_records_that_http_gives() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let mut odd = event("o-3", "客户-7", "3");
    odd.data = br#"{"order_id": "o-3", "currency": "GBP", "amount": "3", "colour": "red"}"#.to_vec();
    let events = [event("o-1", "a", "1"), event("o-2", "a", "many"), event("o-1", "a", "1"), odd];
    let mut asked = Request::new(request(events));
    asked.metadata_mut().insert("traceparent", TRACE.parse().unwrap());
    let response = client.publish(asked).await.unwrap().into_inner();
    assert_eq!(statuses(&response), [What::Accepted, What::Refused, What::Duplicate, What::Accepted]);
    assert_eq!((response.accepted, response.duplicates, response.refused), (2, 1, 1));
    assert_eq!(response.results[1].field, "data.amount");
    assert!(response.results[1].reason.contains("is not a decimal number"));
    assert_eq!(response.results[3].ignored, ["data.colour"]);

    let record = world.records(partition_of("a", PARTITIONS)).into_iter().find(|record| record.key == "a").unwrap();
    assert_eq!(record.header("traceparent").map(|trace| trace.get(..35)), Some(TRACE.get(..35)), "one trace");
    // Over HTTP it is the same event.
    let (_, body) = ingest.event(&order("o-1", "a", TIME, "1")).await;
    assert_eq!(body["duplicates"], 1);
    let letter = world.dead_letters().remove(0);
    assert_eq!((letter.id.as_str(), letter.subject.as_str(), letter.field.as_str()), ("o-2", "a", "data.amount"));
    assert_eq!(letter.original, event("o-2", "a", "many").data);
}

#[tokio::test]
async fn a_bad_event_is_refused_by_itself() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let with = |change: &dyn Fn(&mut CloudEvent)| {
        let mut event = event("o-1", "a", "1");
        change(&mut event);
        event
    };
    let bad = [
        ("", CloudEvent::default()),
        ("id", with(&|event| event.id.clear())),
        ("source", with(&|event| event.source.clear())),
        ("type", with(&|event| event.r#type = "tiermesh.order.unknown".to_owned())),
        ("subject", with(&|event| event.subject = "someone@example.com".to_owned())),
        ("time", with(&|event| event.time = "yesterday".to_owned())),
        ("data", with(&|event| event.data.clear())),
        ("data", with(&|event| event.data = b"{oops".to_vec())),
        ("data", with(&|event| event.data = vec![0xff, 0xfe])),
        ("data.amount", with(&|event| event.data = br#"{"amount": "1", "amount": "2"}"#.to_vec())),
        ("", with(&|event| event.data = vec![b' '; 300 << 10])),
    ];
    let good = event("good", "b", "1");
    let events = bad.iter().map(|(_, event)| event.clone()).chain([good]);
    let response = client.publish(request(events)).await.unwrap().into_inner();
    for ((field, event), result) in bad.iter().zip(&response.results) {
        assert_eq!(result.status(), What::Refused, "{event:?}");
        assert!(!result.reason.is_empty());
        assert!(field.is_empty() || result.field == *field, "{field}: {result:?}");
    }
    assert_eq!((response.accepted, response.refused), (1, bad.len() as u64));
    assert_eq!((world.facts().len(), world.dead_letters().len()), (1, bad.len()));
}

#[tokio::test]
async fn a_stream_is_answered_in_its_order() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let requests: Vec<PublishRequest> =
        (0..200).map(|batch| request((0..=batch % 7).map(|at| event(&format!("o-{batch}-{at}"), "a", "1")))).collect();
    let sizes: Vec<usize> = requests.iter().map(|request| request.events.len()).collect();
    let answers = client.publish_stream(futures::stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<PublishResponse> = answers.map(Result::unwrap).collect().await;
    assert_eq!(answers.iter().map(|answer| answer.results.len()).collect::<Vec<_>>(), sizes);
    let facts = world.facts();
    assert_eq!(facts.len(), sizes.iter().sum::<usize>());
    let numbers = facts.iter().map(|fact| {
        let (batch, at) = fact.id.strip_prefix("o-").unwrap().split_once('-').unwrap();
        (batch.parse::<usize>().unwrap(), at.parse::<usize>().unwrap())
    });
    assert!(numbers.is_sorted(), "one customer's events keep their order");
}

#[tokio::test]
async fn each_request_of_a_stream_is_answered_while_it_goes_on() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let requests = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    sender.send(request([event("o-0", "a", "1")])).await.unwrap();
    let mut answers = client.publish_stream(requests).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
    for number in 1..5 {
        sender.send(request([event(&format!("o-{number}"), "a", "1"), event("bad", "a", "x")])).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.accepted, answer.refused), (1, 1));
    }
    // A request that is wrong as a whole ends it; what came before is answered.
    sender.send(request([event("o-5", "a", "1")])).await.unwrap();
    sender.send(request((0..10_001).map(|_| CloudEvent::default()))).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("the limit is 10000"), "{status:?}");
}

#[tokio::test]
async fn no_more_than_a_few_requests_of_a_stream_are_on_their_way() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    // Live, so that only the log is left to wait for.
    client.publish(request([event("live", "b", "1")])).await.unwrap();
    let held = world.log.hold_acks();
    let requests = (0..50).map(|number| request([event(&format!("o-{number}"), "a", "1")]));
    let mut call = client.clone();
    let answers = tokio::spawn(async move {
        let answers = call.publish_stream(futures::stream::iter(requests)).await.unwrap().into_inner();
        answers.map(|answer| answer.unwrap().accepted).collect::<Vec<u64>>().await
    });
    eventually("on their way", async || world.facts().len() == 5).await;
    // Were more to come, they would come now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.facts().len(), 5);
    drop(held);
    assert_eq!(answers.await.unwrap(), [1; 50]);
}

#[tokio::test]
async fn a_stream_ends_when_ingest_stops() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let requests = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    sender.send(request([event("o-0", "a", "1")])).await.unwrap();
    let mut answers = client.publish_stream(requests).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
    ingest.stop().await;
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("another stream"), "{status:?}");
}

#[tokio::test]
async fn faults_of_a_whole_request_have_their_codes() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    let many = request((0..10_001).map(|_| CloudEvent::default()));
    assert_eq!(client.publish(many).await.unwrap_err().code(), Code::InvalidArgument);
    let mut large = event("o-1", "a", "1");
    large.data = vec![b' '; 5 << 20];
    let status = client.publish(request([large])).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    assert!(status.message().contains("4194304"), "{status:?}");
    assert_eq!(world.dead_letters().len(), 0);
    assert_eq!(client.publish(PublishRequest::default()).await.unwrap().into_inner(), PublishResponse::default());
    // History is being loaded: nothing else is taken.
    crate::history::session(&ingest).await;
    let status = client.publish(request([event("o-1", "a", "1")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get("tiermesh-code").unwrap(), "history-loading");
    assert_eq!(status.metadata().get("retry-after").unwrap(), "5");
}

#[tokio::test]
async fn who_waits_no_longer_is_told_so() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut client = client(&ingest).await;
    // Live, so that only the log is left to wait for.
    client.publish(request([event("o-0", "a", "1")])).await.unwrap();
    let _held = world.log.hold_acks();
    let mut asked = Request::new(request([event("o-1", "a", "1")]));
    asked.set_timeout(Duration::from_millis(300));
    let status = client.publish(asked).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
}

#[tokio::test]
async fn keys_are_asked_for_as_over_http() {
    let world = World::new().await;
    let ingest = world.start_with(keys::guarded(), Clock::system()).await;
    let (shop, id) = keys::key(&world, &["erp/*"], &[Scope::Events]).await;
    let (operate, _) = keys::key(&world, &[], &[Scope::Operate]).await;
    let mut client = client(&ingest).await;
    let one = || request([event("o-1", "a", "1")]);
    let status = client.publish(one()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.metadata().get("tiermesh-code").unwrap().to_str().unwrap()),
        (Code::Unauthenticated, "no-key")
    );
    assert_eq!(client.publish(with_key(one(), "tmk_oops")).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(client.publish(with_key(one(), &operate)).await.unwrap_err().code(), Code::PermissionDenied);
    let stream = futures::stream::iter([one()]);
    assert_eq!(client.publish_stream(stream).await.unwrap_err().code(), Code::Unauthenticated);

    let mut other = event("o-2", "a", "1");
    other.source = "shop/web".to_owned();
    let response =
        client.publish(with_key(request([event("o-1", "a", "1"), other]), &shop)).await.unwrap().into_inner();
    assert_eq!(statuses(&response), [What::Accepted, What::Refused]);
    assert_eq!(response.results[1].field, "source");

    world.store.revoke_api_key(&id).await.unwrap();
    eventually("revoked", async || client.publish(with_key(one(), &shop)).await.is_err()).await;
}

#[tokio::test]
async fn over_the_rate_limit_the_status_says_when() {
    let world = World::new().await;
    let ingest = world.start_with(rates::limited(1_000), Clock::system()).await;
    let mut client = client(&ingest).await;
    let batch = |name: &str| request((0..1_000).map(|at| event(&format!("{name}-{at}"), "a", "1")).collect::<Vec<_>>());
    client.publish(batch("a")).await.unwrap();
    let status: Status = client.publish(batch("b")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let after: u64 = status.metadata().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=1_000).contains(&after));
    assert_eq!(world.facts().len(), 1_000);
}

#[tokio::test]
async fn health_and_reflection_answer_without_a_key() {
    let world = World::new().await;
    let ingest = world.start_with(keys::guarded(), Clock::system()).await;
    let mut health = HealthClient::new(channel(&ingest).await);
    for service in ["", "tiermesh.v1.Publisher"] {
        eventually("serving", async || {
            let asked = HealthCheckRequest { service: service.to_owned() };
            let status = health.check(asked).await.unwrap().into_inner().status;
            status == tonic_health::ServingStatus::Serving as i32
        })
        .await;
    }
    let mut reflection = ServerReflectionClient::new(channel(&ingest).await);
    let mut ask = async |message: MessageRequest| {
        let asked = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        let mut answers = reflection.server_reflection_info(futures::stream::iter([asked])).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap().message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(listed) = ask(MessageRequest::ListServices(String::new())).await else {
        panic!("no list of services")
    };
    let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"tiermesh.v1.Publisher") && names.contains(&"grpc.health.v1.Health"), "{names:?}");
    let asked = MessageRequest::FileContainingSymbol("tiermesh.v1.Publisher".to_owned());
    let MessageResponse::FileDescriptorResponse(file) = ask(asked).await else { panic!("no description") };
    assert!(!file.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn a_method_that_is_not_there_is_unimplemented() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut grpc = tonic::client::Grpc::new(channel(&ingest).await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<PublishRequest, PublishResponse>::default();
    let path = "/tiermesh.v1.Publisher/Unpublish".parse().unwrap();
    let status = grpc.unary(Request::new(PublishRequest::default()), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    // What the log holds decodes with the contract it was published by.
    let records = world.records(0);
    assert!(records.iter().all(|record| CUSTOMER_EVENTS.decode(record).unwrap().encoded_len() > 0));
}
