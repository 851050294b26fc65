//! The fold against the plain batch: the same tiers, changes and signals, on the real data and on generated ones.

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree};
use tiermesh_batch::Shown;
use tiermesh_domain::{
    policy::{DetectorSettings, Document, Policy},
    simulate::{Outcome, simulate},
    time::{Millis, format_instant, parse_instant},
};
use tiermesh_proto::v1::Fact;

use crate::{
    data::{POLICIES, policy, policy_text, retail},
    generated,
};

fn documents() -> Vec<String> {
    POLICIES.iter().chain(&["loss-signals"]).map(|name| policy_text(name)).collect()
}

fn detectors() -> DetectorSettings {
    match tiermesh_domain::policy::parse(&policy_text("loss-signals")).unwrap() {
        Document::Detectors(settings) => *settings,
        Document::Tiers(_) => panic!("loss-signals gives tiers"),
    }
}

type CustomerRow = (String, String, String, Option<i64>, String, BTreeMap<String, Shown>, i64, Vec<String>);
type ChangeRow = (String, String, String, String, Option<String>, String);
type SignalRow = (String, String, &'static str, &'static str, i64, Option<u32>);

fn compare(folded: &Outcome, facts: &[Fact], policies: &[Policy], until: Millis) -> Result<(), TestCaseError> {
    let batch = tiermesh_batch::simulate(facts, policies, Some(&detectors()), until);
    let changes: Vec<ChangeRow> = folded
        .changes
        .iter()
        .map(|c| {
            (
                format_instant(c.at_ms),
                c.customer.clone(),
                c.programme.clone(),
                c.policy.clone(),
                c.from.clone(),
                c.to.clone(),
            )
        })
        .collect();
    let expected: Vec<ChangeRow> = batch
        .changes
        .iter()
        .map(|c| {
            (
                format_instant(c.at),
                c.customer.clone(),
                c.programme.clone(),
                c.policy.clone(),
                c.from.clone(),
                c.to.clone(),
            )
        })
        .collect();
    first_difference("change", &changes, &expected)?;

    let customers: Vec<CustomerRow> = folded
        .customers
        .iter()
        .map(|c| {
            // What the batch doesn't show of a lifecycle: how long a silence the pace explains.
            let shown = c.metrics.iter().filter(|metric| metric.name != "patience_days").map(|metric| {
                let value = match metric.is_count {
                    true => Shown::Count(metric.value.parse().unwrap()),
                    false => Shown::Decimal(metric.value.clone()),
                };
                (metric.name.clone(), value)
            });
            (
                c.customer.clone(),
                c.policy.clone(),
                c.tier.clone(),
                c.score_e4,
                format_instant(c.since),
                shown.collect(),
                i64::from(c.coverage_e4),
                c.missing.clone(),
            )
        })
        .collect();
    let expected: Vec<CustomerRow> = batch
        .customers
        .iter()
        .map(|c| {
            let s = &c.standing;
            (
                c.customer.clone(),
                c.policy.clone(),
                s.tier.clone(),
                s.score_e4,
                format_instant(c.since),
                s.metrics.clone(),
                s.coverage_e4,
                s.missing.clone(),
            )
        })
        .collect();
    first_difference("customer", &customers, &expected)?;

    let told: Vec<_> = folded.signals.iter().filter(|signal| signal.state != "updated").collect();
    let rows: Vec<SignalRow> = told
        .iter()
        .map(|s| {
            let (detector, state) = (known(&s.detector), known(&s.state));
            (format_instant(s.at_ms), s.customer.clone(), detector, state, s.observed, s.window_days)
        })
        .collect();
    let expected: Vec<SignalRow> = batch
        .signals
        .iter()
        .map(|s| (format_instant(s.at), s.customer.clone(), s.detector, s.state.name(), s.observed, s.window_days))
        .collect();
    first_difference("signal", &rows, &expected)?;
    for (folded, batch) in told.iter().zip(&batch.signals) {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        prop_assert!(close(folded.expected, batch.expected), "{folded:?} expects other than {batch:?}");
        match (folded.p, batch.p) {
            (Some(a), Some(b)) => prop_assert!(close(a, b), "{folded:?} is as improbable as {batch:?}"),
            (a, b) => prop_assert_eq!(a, b),
        }
    }
    Ok(())
}

fn known(name: &str) -> &'static str {
    let names = ["complaint_rise", "frequency_drop", "silence", "raised", "cleared", "lost"];
    names.into_iter().find(|known| *known == name).unwrap()
}

fn first_difference<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &[T],
    expected: &[T],
) -> Result<(), TestCaseError> {
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    let at = at.or_else(|| (found.len() != expected.len()).then(|| found.len().min(expected.len())));
    if let Some(at) = at {
        let (found, expected) = (found.get(at), expected.get(at));
        return Err(TestCaseError::fail(format!("{what} {at}\n  the fold:  {found:?}\n  the batch: {expected:?}")));
    }
    Ok(())
}

#[test]
fn the_real_invoices_give_what_the_batch_gives() {
    let facts = retail();
    assert_eq!(facts.len(), 22_686);
    let until = parse_instant("2010-12-01T00:00:00Z").unwrap();
    let policies: Vec<Policy> = POLICIES.iter().map(|name| policy(name)).collect();
    let folded = simulate(facts.clone(), &documents(), until).unwrap();
    assert_eq!(folded.customers.len(), 4_336 * POLICIES.len());
    compare(&folded, &facts, &policies, until).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn generated_histories_give_what_the_batch_gives(history in generated::history()) {
        let policies: Vec<Policy> = POLICIES.iter().map(|name| policy(name)).collect();
        let folded = simulate(history.facts.clone(), &documents(), history.until).unwrap();
        compare(&folded, &history.facts, &policies, history.until)?;
    }

    #[test]
    fn generated_reviews_give_what_the_batch_gives(history in generated::history(), texts in generated::reviewed()) {
        let policies: Vec<Policy> = texts.iter().map(|text| read(text)).collect();
        let documents: Vec<String> = texts.into_iter().chain([policy_text("loss-signals")]).collect();
        let folded = simulate(history.facts.clone(), &documents, history.until).unwrap();
        compare(&folded, &history.facts, &policies, history.until)?;
    }

    #[test]
    fn order_and_duplication_change_nothing(history in generated::history(), seed: u64) {
        let folded = simulate(history.facts.clone(), &documents(), history.until).unwrap();
        let again = simulate(generated::shuffled(&history.facts, seed), &documents(), history.until).unwrap();
        prop_assert_eq!(folded, again);
    }
}

fn read(text: &str) -> Policy {
    match tiermesh_domain::policy::parse(text).unwrap() {
        Document::Tiers(policy) => *policy,
        Document::Detectors(_) => panic!("gives no tiers"),
    }
}

#[test]
fn the_real_invoices_under_review_give_what_the_batch_gives() {
    let facts = retail();
    let until = parse_instant("2010-12-01T00:00:00Z").unwrap();
    let texts = [
        generated::reviewed_as("scorecard", "quarter", "immediately", "at-review", "UTC"),
        generated::reviewed_as("pyramid", "month", "at-review", "at-review", "Europe/London"),
    ];
    let policies: Vec<Policy> = texts.iter().map(|text| read(text)).collect();
    let documents: Vec<String> = texts.into_iter().chain([policy_text("loss-signals")]).collect();
    let folded = simulate(facts.clone(), &documents, until).unwrap();
    compare(&folded, &facts, &policies, until).unwrap();
    for policy in ["scorecard", "pyramid"] {
        let downs: Vec<_> = folded
            .changes
            .iter()
            .filter(|c| c.policy == policy && c.direction == "down" && c.cause == "review")
            .collect();
        assert!(downs.len() > 10, "{policy}: {}", downs.len());
        let all_at_review =
            folded.changes.iter().all(|c| c.policy != policy || c.direction != "down" || c.cause == "review");
        assert!(all_at_review, "{policy}");
    }
}

/// What the property above rests on: generated histories under review lead to changes that waited, up and down.
#[test]
fn generated_reviews_change_tiers() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    for _ in 0..40 {
        let history = generated::history().new_tree(&mut runner).unwrap().current();
        let texts = generated::reviewed().new_tree(&mut runner).unwrap().current();
        for change in simulate(history.facts, &texts, history.until).unwrap().changes {
            if change.cause == "review" {
                *told.entry((change.policy, change.direction)).or_default() += 1;
            }
        }
    }
    for policy in ["abc", "pyramid", "scorecard"] {
        for direction in ["up", "down"] {
            let times = told.get(&(policy.to_owned(), direction.to_owned())).copied().unwrap_or(0);
            assert!(times > 10, "{policy} {direction}: {told:?}");
        }
    }
}
