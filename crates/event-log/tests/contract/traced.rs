//! Headers are left out where nobody has a use for them, and never where a trace is recorded.

use prost::Message;
use tiermesh_event_log::{Headers, NewRecord, topics::CUSTOMER_EVENTS};
use tiermesh_proto::v1::{CustomerEvent, Tick, customer_event::Event};

use crate::{
    backend::Backend,
    support::{append, take},
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) async fn who_skips_headers_still_gets_those_of_recorded_traces(backend: Backend) {
    let log = backend.log();
    log.create_topics(&[CUSTOMER_EVENTS.spec(1)]).await.unwrap();
    let event = CustomerEvent { event: Some(Event::Tick(Tick { time_ms: 1 })) };
    let record = || CUSTOMER_EVENTS.record("", &event, Headers::from_iter([("ce_id", "tick-1")]));
    let carrying = |is_recorded| {
        let mut record = record();
        record.carry_trace(TRACEPARENT, is_recorded);
        record
    };
    let records: Vec<NewRecord> = vec![record(), carrying(false), carrying(true)];
    append(&*log, CUSTOMER_EVENTS.name, 0, records.clone()).await;

    let mut reader = log.read(CUSTOMER_EVENTS.name, 0, 1).await.unwrap();
    for (read, sent) in take(&mut *reader, 3).await.iter().zip(&records) {
        assert_eq!((&read.value, &read.headers), (&sent.value, &sent.headers));
    }
    let mut reader = log.read(CUSTOMER_EVENTS.name, 0, 1).await.unwrap();
    reader.skip_headers();
    let read = take(&mut *reader, 3).await;
    let headers: Vec<usize> = read.iter().map(|record| record.headers.len()).collect();
    // In memory there is nothing to be gained by it.
    assert_eq!(headers, if matches!(backend, Backend::Memory(_)) { [1, 2, 2] } else { [0, 0, 2] });
    assert_eq!(read[2].header("traceparent"), Some(TRACEPARENT));
    for record in read {
        assert_eq!(CustomerEvent::decode(record.value).unwrap(), event, "the mark is no part of the event");
    }
}
