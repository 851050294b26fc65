//! Marks: each number of each source once, and none left out. Pure.

use std::collections::BTreeMap;

use tiermesh_event_log::Record;

use crate::outgoing::origin_of;

/// A number that should be there, and isn't.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The record that shows it.
    pub(super) offset: u64,
    /// Who gave the number: `service/partition`.
    pub(super) source: String,
    pub(super) expected: u64,
    pub(super) found: u64,
}

/// Leaves out what the marks say was taken, and moves the marks.
///
/// A source without a mark begins with 1, unless the partition's beginning was removed (`is_cut`): then with whatever
/// is left.
pub(super) fn unmarked(
    marks: &mut BTreeMap<String, u64>,
    is_cut: bool,
    records: Vec<Record>,
) -> Result<Vec<Record>, Gap> {
    let mut fresh = Vec::with_capacity(records.len());
    for record in records {
        if let Some(origin) = origin_of(&record) {
            let source = format!("{}/{}", origin.service, origin.partition);
            let found = origin.sequence;
            match marks.get_mut(&source) {
                Some(mark) if found <= *mark => continue,
                Some(mark) if found == *mark + 1 => *mark = found,
                None if found == 1 || is_cut => _ = marks.insert(source, found),
                mark => {
                    let expected = mark.map_or(1, |mark| *mark + 1);
                    return Err(Gap { offset: record.offset, source, expected, found });
                }
            }
        }
        fresh.push(record);
    }
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(offset: u64, source: &str, id: &str) -> Record {
        let headers = [("ce_source", source), ("ce_id", id)].into_iter().collect();
        Record { offset, key: "".into(), value: "".into(), headers }
    }

    fn numbered(offset: u64, sequence: u64) -> Record {
        record(offset, "tiermesh/scoring", &format!("3-{offset}-{sequence}"))
    }

    fn taken(marks: &mut BTreeMap<String, u64>, numbers: &[u64]) -> Result<Vec<u64>, Gap> {
        let records = (1..).zip(numbers).map(|(offset, number)| numbered(offset, *number)).collect();
        let fresh = unmarked(marks, false, records)?;
        Ok(fresh.iter().map(|record| origin_of(record).unwrap().sequence).collect())
    }

    #[test]
    fn repeats_are_left_out_also_those_of_earlier_batches() {
        let mut marks = BTreeMap::new();
        assert_eq!(taken(&mut marks, &[1, 2, 1, 2, 3]).unwrap(), [1, 2, 3]);
        assert_eq!(taken(&mut marks, &[2, 3, 4, 1, 5]).unwrap(), [4, 5]);
        assert_eq!(marks, BTreeMap::from([("scoring/3".to_owned(), 5)]));
    }

    #[test]
    fn sources_are_counted_apart_and_what_nobody_numbered_passes() {
        let records = vec![
            record(1, "tiermesh/scoring", "0-9-1"),
            record(2, "tiermesh/scoring", "1-9-1"),
            record(3, "tiermesh/cut-points", "0-9-1"),
            record(4, "tiermesh/ingest", "5a5f5c6e-2f0b-4f30-a6a0-6a3f3f0a4d11"),
            record(5, "erp", "1-2-7"),
            record(6, "erp", "1-2-7"),
        ];
        let mut marks = BTreeMap::new();
        assert_eq!(unmarked(&mut marks, false, records.clone()).unwrap(), records);
        assert_eq!(marks.len(), 3);
    }

    #[test]
    fn a_gap_is_told_with_its_place() {
        let gap = |offset, expected, found| Gap { offset, source: "scoring/3".to_owned(), expected, found };
        assert_eq!(taken(&mut BTreeMap::new(), &[1, 2, 4]), Err(gap(3, 3, 4)));
        assert_eq!(taken(&mut BTreeMap::new(), &[2]), Err(gap(1, 1, 2)));
    }

    #[test]
    fn where_the_beginning_was_removed_the_first_left_is_the_first() {
        let mut marks = BTreeMap::new();
        let records = vec![numbered(70, 12), numbered(71, 13), numbered(72, 12), numbered(73, 14)];
        let fresh = unmarked(&mut marks, true, records).unwrap();
        assert_eq!(fresh.iter().map(|record| record.offset).collect::<Vec<_>>(), [70, 71, 73]);
        assert!(unmarked(&mut marks, true, vec![numbered(80, 16)]).is_err());
    }

    proptest! {
        /// However often stretches are repeated and however the log is cut into batches: 1, 2, 3 ….
        #[test]
        fn repeats_never_change_what_is_taken(stretches in prop::collection::vec((0_u64..40, 1_u64..15), 1..30)) {
            let (mut end, mut marks, mut all) = (0_u64, BTreeMap::new(), Vec::new());
            for (back, length) in stretches {
                let from = end.saturating_sub(back) + 1;
                let numbers: Vec<u64> = (from..from + length).collect();
                end = end.max(from + length - 1);
                all.extend(taken(&mut marks, &numbers).unwrap());
            }
            prop_assert_eq!(all, (1..=end).collect::<Vec<_>>());
        }
    }
}
