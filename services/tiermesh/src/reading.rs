//! Reading whole partitions, as they are now.

use tiermesh_event_log::{EventLog, LogError, Record};
use tiermesh_processing::origin_of;

/// That a flag's text is no instant; of a day alone, the instant that is likely meant.
pub fn not_an_instant(flag: &str, text: &str) -> String {
    let midnight = format!("{text}T00:00:00Z");
    match tiermesh_domain::time::parse_instant(&midnight) {
        Some(_) => format!("{flag} {text:?}: a day is no instant; for its beginning in UTC say {flag} {midnight}"),
        None => format!("{flag} {text:?}: an instant is meant, such as 2011-12-10T00:00:00Z"),
    }
}

/// How many records are asked for at a time.
const BATCH: usize = 10_000;

/// Every record of a partition up to its end as of now, handed over in order.
pub async fn each_record(
    log: &dyn EventLog,
    topic: &str,
    partition: u32,
    mut take: impl FnMut(Record) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let extent = log.extent(topic, partition).await?;
    if extent.end <= extent.start.max(1) {
        return Ok(());
    }
    let mut reader = log.read(topic, partition, extent.start).await?;
    loop {
        for record in reader.next(BATCH).await? {
            let last = record.offset + 1 >= extent.end;
            take(record)?;
            if last {
                return Ok(());
            }
        }
    }
}

/// Every numbered output of a service in one partition, each once: what a deposed owner said again is dropped.
///
/// A gap in the numbers is an error: an output is missing.
pub async fn each_output(
    log: &dyn EventLog,
    service: &str,
    topic: &str,
    partition: u32,
    mut take: impl FnMut(Record) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut mark = 0;
    each_record(log, topic, partition, |record| {
        let Some(origin) = origin_of(&record).filter(|origin| origin.service == service) else { return Ok(()) };
        if origin.sequence <= mark {
            return Ok(());
        }
        if origin.sequence != mark + 1 {
            let (found, offset) = (origin.sequence, record.offset);
            return Err(LogError::Corrupt(format!(
                "topic `{topic}`, partition {partition}, offset {offset}: sequence {found} follows {mark}: an output is missing"
            )));
        }
        mark = origin.sequence;
        take(record)
    })
    .await
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_day_is_answered_with_its_beginning() {
        let said = super::not_an_instant("--until", "2011-12-10");
        assert!(said.contains("--until 2011-12-10T00:00:00Z"), "{said}");
        assert!(super::not_an_instant("--at", "yesterday").contains("such as"));
    }
}
