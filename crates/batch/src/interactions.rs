//! Interactions: "leave out bulk outbound ones and the mesh's own notifications".

use tiermesh_domain::time::Millis;
use tiermesh_proto::v1::{Fact, fact::Data};

use crate::window::within;

/// The mesh's own events come from sources that begin so.
const OWN_SOURCES: &str = "tiermesh/";

/// When there was an interaction that counts.
pub(crate) fn times(facts: &[&Fact]) -> Vec<Millis> {
    facts.iter().filter(|fact| counts(fact)).map(|fact| fact.time_ms).collect()
}

fn counts(fact: &Fact) -> bool {
    let Some(Data::InteractionRecorded(interaction)) = &fact.data else { return false };
    let bulk_outbound = interaction.bulk && interaction.direction.as_deref() == Some("outbound");
    !bulk_outbound && !fact.source.starts_with(OWN_SOURCES)
}

/// How many of them are in the window.
pub(crate) fn count_within(times: &[Millis], tick: Option<Millis>, days: u32) -> i64 {
    times.iter().filter(|time| within(**time, tick, days)).count() as i64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, book, of_c};

    #[test]
    fn bulk_outbound_and_own_ones_are_left_out() {
        let time = "2010-01-01T00:00:00Z";
        let record = |id: &str, data| of_c(id, "interaction.recorded", time, data);
        let mut own = record("1", json!({"channel": "mail"}));
        own.source = "tiermesh/churn-warning".to_owned();
        let mut not_own = record("2", json!({"channel": "mail"}));
        not_own.source = "tiermesh-crm".to_owned();
        let facts = [
            own,
            not_own,
            record("3", json!({"channel": "mail", "direction": "outbound", "bulk": true})),
            record("4", json!({"channel": "mail", "direction": "outbound"})),
            record("5", json!({"channel": "mail", "direction": "inbound", "bulk": true})),
            record("6", json!({"channel": "mail", "bulk": true})),
        ];
        let book = book(&facts);
        assert_eq!(count_within(&book.interactions, None, 365), 4, "2, 4, 5 and 6");
        assert_eq!(count_within(&book.interactions, Some(at("2011-01-01T00:00:00Z")), 365), 0);
        assert_eq!(count_within(&book.interactions, Some(at("2010-12-31T23:59:59.999Z")), 365), 4);
    }
}
