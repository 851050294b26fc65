//! From facts in the total order to days: facts by partition, and the tick behind them.

use tiermesh_domain::{
    fact::order_key,
    hash::partition_of,
    time::{Millis, Zone, format_instant},
};
use tiermesh_event_log::NewRecord;
use tiermesh_proto::v1::Fact;

use crate::{
    appending::fact_record,
    control::{Day, Mark},
};

/// Facts appended at once; a busier day goes out in several parts.
const MOST_FACTS: usize = 10_000;

/// Cuts a history into days.
#[derive(Debug)]
pub(super) struct Assembler {
    partitions: u32,
    zones: Vec<Zone>,
    /// The last fact, with a tick that means nothing.
    last: Option<Mark>,
    last_tick: Option<Millis>,
    /// The next tick is the first midnight after this: the last tick, or the first fact of all.
    from: Option<Millis>,
    day: Day,
    facts: usize,
    ready: Vec<Day>,
}

impl Assembler {
    /// `last_tick`: time stands there already.
    pub(super) fn new(partitions: u32, zones: Vec<Zone>, last_tick: Option<Millis>, last: Option<Mark>) -> Self {
        let day = Day { facts: vec![Vec::new(); partitions as usize], mark: None };
        Self { partitions, zones, last, last_tick, from: last_tick, day, facts: 0, ready: Vec::new() }
    }

    /// Adds a fact. An error says what it has to come after.
    pub(super) fn push(&mut self, fact: Fact) -> Result<(), String> {
        if let Some(last) = &self.last
            && order_key(&fact) < (last.time_ms, &last.subject, &last.source, &last.id)
        {
            return Err(format!(
                "(time, subject, source, id) is below that of the event {:?} at {} before it",
                last.id,
                format_instant(last.time_ms)
            ));
        }
        if let Some(tick) = self.last_tick
            && fact.time_ms <= tick
        {
            return Err(format!(
                "history up to {} is loaded already, and none from before can be added; to add some, load all of it \
                 into a new mesh (another --data directory)",
                format_instant(tick)
            ));
        }
        let from = *self.from.get_or_insert(fact.time_ms);
        let mut next = self.midnight_after(from);
        while next < fact.time_ms {
            self.finish_day(next);
            next = self.midnight_after(next);
        }
        self.last = Some(Mark {
            tick_ms: 0,
            time_ms: fact.time_ms,
            subject: fact.subject.clone(),
            source: fact.source.clone(),
            id: fact.id.clone(),
        });
        let partition = partition_of(&fact.subject, self.partitions);
        let record = fact_record(fact);
        if let Some(records) = self.day.facts.get_mut(partition as usize) {
            records.push(record);
            self.facts += 1;
        }
        if self.facts >= MOST_FACTS {
            self.finish_part();
        }
        Ok(())
    }

    /// Ticks up to an instant, and one at it. An error says why history can't end there.
    pub(super) fn until(&mut self, until: Millis) -> Result<(), String> {
        if let Some(last) = self.last_time()
            && until < last
        {
            return Err(format!("{} lies before the last event, at {}", format_instant(until), format_instant(last)));
        }
        if let Some(from) = self.from {
            let mut next = self.midnight_after(from);
            while next < until {
                self.finish_day(next);
                next = self.midnight_after(next);
            }
        }
        if self.last_tick.is_none_or(|last| last < until) {
            self.finish_day(until);
        }
        Ok(())
    }

    /// What is left goes out without a tick: the day may go on.
    pub(super) fn finish_part(&mut self) {
        if self.facts > 0 {
            self.put_out(None);
        }
    }

    /// The days that are complete.
    pub(super) fn take(&mut self) -> Vec<Day> {
        std::mem::take(&mut self.ready)
    }

    fn finish_day(&mut self, tick_ms: Millis) {
        let last = self.last.clone().unwrap_or_default();
        self.put_out(Some(Mark { tick_ms, ..last }));
        self.last_tick = Some(tick_ms);
        self.from = self.last_tick;
    }

    fn put_out(&mut self, mark: Option<Mark>) {
        let empty = vec![Vec::<NewRecord>::new(); self.partitions as usize];
        self.ready.push(Day { facts: std::mem::replace(&mut self.day.facts, empty), mark });
        self.facts = 0;
    }

    fn last_time(&self) -> Option<Millis> {
        self.last.as_ref().map(|last| last.time_ms)
    }

    fn midnight_after(&self, instant: Millis) -> Millis {
        let midnights = self.zones.iter().map(|zone| zone.next_midnight(instant));
        midnights.min().unwrap_or_else(|| Zone::utc().next_midnight(instant))
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_domain::time::parse_instant;

    use super::*;

    fn at(text: &str) -> Millis {
        parse_instant(text).unwrap()
    }

    fn fact(time: &str, id: &str) -> Fact {
        Fact {
            time_ms: at(time),
            id: id.to_owned(),
            subject: "c".to_owned(),
            source: "s".to_owned(),
            ..Fact::default()
        }
    }

    fn assembler(zones: &[&str]) -> Assembler {
        Assembler::new(2, zones.iter().map(|name| Zone::named(name).unwrap()).collect(), None, None)
    }

    fn days(assembler: &mut Assembler) -> Vec<(usize, Option<String>)> {
        let facts = |day: &Day| day.facts.iter().map(Vec::len).sum();
        let tick = |day: &Day| day.mark.as_ref().map(|mark| format_instant(mark.tick_ms));
        assembler.take().iter().map(|day| (facts(day), tick(day))).collect()
    }

    #[test]
    fn a_tick_follows_each_day() {
        let mut history = assembler(&["UTC"]);
        for (time, id) in [
            ("2010-12-01T08:00:00Z", "a"),
            ("2010-12-01T08:00:00Z", "a"),
            ("2010-12-02T00:00:00Z", "b"),
            ("2010-12-03T00:00:00.001Z", "c"),
        ] {
            history.push(fact(time, id)).unwrap();
        }
        let tick = |text: &str| Some(text.to_owned());
        assert_eq!(days(&mut history), [(3, tick("2010-12-02T00:00:00Z")), (0, tick("2010-12-03T00:00:00Z"))]);
        history.until(at("2010-12-05T00:00:00Z")).unwrap();
        assert_eq!(days(&mut history), [(1, tick("2010-12-04T00:00:00Z")), (0, tick("2010-12-05T00:00:00Z"))]);
        history.until(at("2010-12-05T00:00:00Z")).unwrap();
        assert_eq!(days(&mut history), []);
        history.until(at("2010-12-05T12:00:00Z")).unwrap();
        assert_eq!(days(&mut history), [(0, tick("2010-12-05T12:00:00Z"))]);
        assert!(history.push(fact("2010-12-05T12:00:00Z", "d")).is_err());
    }

    #[test]
    fn a_first_fact_at_midnight_begins_its_day() {
        let mut history = assembler(&["UTC"]);
        history.push(fact("2010-12-01T00:00:00Z", "a")).unwrap();
        history.push(fact("2010-12-01T23:59:59Z", "b")).unwrap();
        history.finish_part();
        assert_eq!(days(&mut history), [(2, None)]);
        assert!(history.until(at("2010-12-01T23:59:58Z")).is_err());
    }

    #[test]
    fn every_zone_has_its_midnights() {
        let mut history = assembler(&["UTC", "Asia/Shanghai"]);
        history.push(fact("2010-12-01T08:00:00Z", "a")).unwrap();
        history.push(fact("2010-12-02T08:00:00Z", "b")).unwrap();
        let tick = |text: &str| Some(text.to_owned());
        assert_eq!(days(&mut history), [(1, tick("2010-12-01T16:00:00Z")), (0, tick("2010-12-02T00:00:00Z"))]);
    }

    #[test]
    fn order_is_checked() {
        let mut history = assembler(&["UTC"]);
        history.push(fact("2010-12-01T08:00:00Z", "b")).unwrap();
        assert!(history.push(fact("2010-12-01T08:00:00Z", "a")).unwrap_err().contains("\"b\""));
        history.push(fact("2010-12-01T08:00:00Z", "b")).unwrap();
    }
}
