//! Which dead letters are one and the same: a crash may have written one twice, and so may whoever sent the same again.

use prost::Message;
use tiermesh_domain::hash::identity_of_bytes;
use tiermesh_event_log::Record;
use tiermesh_proto::v1::DeadLetter;

use crate::outgoing::origin_of;

/// A text that is the same for two dead letters that are one, and for no others: the record of an inbound topic, or the
/// number of a fold's output, or else everything about the letter but when it came.
pub fn letter_identity(record: &Record, letter: &DeadLetter) -> String {
    if let Some(place) = &letter.inbound {
        return format!("inbound/{}/{}/{}", place.topic, place.partition, place.offset);
    }
    if let Some(origin) = origin_of(record) {
        return format!("output/{}/{}/{}", origin.service, origin.partition, origin.sequence);
    }
    let content = DeadLetter { received_ms: 0, ..letter.clone() }.encode_to_vec();
    // Those of the request, without which the body is no event.
    let headers = record.headers.iter().filter(|(name, _)| name.starts_with("original-"));
    let headers = headers.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    format!("content/{:032x}", identity_of_bytes(std::iter::once(&content[..]).chain(headers)))
}

#[cfg(test)]
mod tests {
    use tiermesh_event_log::topics::DEAD_LETTERS;
    use tiermesh_proto::v1::InboundPlace;

    use super::*;

    fn identity(letter: &DeadLetter, headers: &[(&str, &str)]) -> String {
        let record = DEAD_LETTERS.record("", letter, headers.iter().copied().collect());
        letter_identity(&Record { offset: 7, key: record.key, value: record.value, headers: record.headers }, letter)
    }

    #[test]
    fn what_came_from_one_place_is_one_letter_however_it_reads() {
        let inbound = |offset| Some(InboundPlace { topic: "shop".to_owned(), partition: 1, offset });
        let letter = |offset, reason: &str, received_ms| DeadLetter {
            inbound: inbound(offset),
            reason: reason.to_owned(),
            received_ms,
            ..DeadLetter::default()
        };
        assert_eq!(identity(&letter(5, "a", 1), &[]), identity(&letter(5, "b", 2), &[]));
        assert_ne!(identity(&letter(5, "a", 1), &[]), identity(&letter(6, "a", 1), &[]));
    }

    #[test]
    fn what_a_fold_said_twice_is_one_letter() {
        let said = |id| identity(&DeadLetter::default(), &[("ce_source", "tiermesh/scoring"), ("ce_id", id)]);
        assert_eq!(said("3-70-12"), said("3-71-12"));
        assert_ne!(said("3-70-12"), said("3-70-13"));
    }

    #[test]
    fn else_the_content_tells_and_not_when_it_came() {
        let letter = |original: &[u8], received_ms| DeadLetter {
            original: original.to_vec(),
            received_ms,
            ..DeadLetter::default()
        };
        let first = identity(&letter(b"\xff", 1), &[("ce_id", "one"), ("original-ce-id", "1")]);
        assert_eq!(first, identity(&letter(b"\xff", 2), &[("ce_id", "two"), ("original-ce-id", "1")]));
        assert_ne!(first, identity(&letter(b"\xfe", 1), &[("original-ce-id", "1")]));
        assert_ne!(first, identity(&letter(b"\xff", 1), &[("original-ce-id", "2")]));
    }
}
