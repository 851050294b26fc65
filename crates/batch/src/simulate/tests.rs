//! Whole histories, followed by hand.

use serde_json::json;
use tiermesh_domain::time::{DAY_MS, Zone, format_instant};

use super::*;
use crate::{
    open_signals,
    outcome::{Shown, Signal, SignalState},
    testing::{
        abc, at, closed, detectors, event, lifecycle, of_c, opened, order, orders_at, pyramid, scorecard, talked,
    },
};

/// `at from to` of each change, `-` for null.
fn changes(outcome: &Outcome) -> Vec<String> {
    let text = |change: &Change| {
        let from = change.from.as_deref().unwrap_or("-");
        format!("{} {} {from} {}", format_instant(change.at), change.customer, change.to)
    };
    outcome.changes.iter().map(text).collect()
}

fn signals(outcome: &Outcome) -> Vec<String> {
    let text = |signal: &Signal| format!("{} {} {}", format_instant(signal.at), signal.detector, signal.state.name());
    outcome.signals.iter().map(text).collect()
}

fn under(policy: Policy, facts: &[Fact], until: &str) -> Outcome {
    simulate(facts, &[policy], None, at(until))
}

fn watched(facts: &[Fact], until: &str) -> Outcome {
    simulate(facts, &[], Some(&detectors()), at(until))
}

#[test]
fn a_relationship_from_potential_to_lost() {
    let facts = [talked("1", "2010-01-01T10:00:00Z"), order("2", "c", "2010-01-05T10:00:00Z", "o", "1.00")];
    let outcome = under(lifecycle(), &facts, "2011-02-01T00:00:00Z");
    assert_eq!(
        changes(&outcome),
        [
            "2010-01-01T10:00:00Z c - potential",
            "2010-01-05T10:00:00Z c potential new",
            "2010-04-06T00:00:00Z c new dormant",  // 91 days after the order's day
            "2011-01-06T00:00:00Z c dormant lost", // 366 days
        ]
    );
    let [customer] = &outcome.customers[..] else { unreachable!() };
    assert_eq!((customer.since, customer.standing.tier.as_str()), (at("2011-01-06T00:00:00Z"), "lost"));
    assert_eq!(customer.standing.metrics["silence_days"], Shown::Count(392));
}

#[test]
fn facts_at_the_tick_come_before_it() {
    let facts = [talked("1", "2010-01-01T10:00:00Z"), order("2", "c", "2010-01-02T00:00:00Z", "o", "1.00")];
    let outcome = under(abc(), &facts, "2010-01-02T00:00:00Z");
    // The order finds no cut-points (the lowest), the tick of the same instant computes them and re-tiers.
    assert_eq!(
        changes(&outcome),
        ["2010-01-01T10:00:00Z c - C", "2010-01-02T00:00:00Z c C A"],
        "outside, too, is the lowest here"
    );
}

#[test]
fn cut_points_stand_between_ticks() {
    let facts = [
        order("1", "a", "2010-01-01T01:00:00Z", "1", "40.00"),
        order("2", "b", "2010-01-01T02:00:00Z", "2", "30.00"),
        order("3", "c", "2010-01-01T03:00:00Z", "3", "20.00"),
        order("4", "d", "2010-01-01T04:00:00Z", "4", "10.00"),
        order("5", "d", "2010-01-02T09:00:00Z", "5", "90.00"),
    ];
    // The tick of the 2nd: ranks 0, 1/4, 2/4, 3/4. d's 100 at nine is compared with 40, 30, 20, 10: rank 0, and all
    // others stay until the 3rd, when a is second (middle), b third (base).
    assert_eq!(
        changes(&under(pyramid(), &facts, "2010-01-03T00:00:00Z")),
        [
            "2010-01-01T01:00:00Z a - base",
            "2010-01-01T02:00:00Z b - base",
            "2010-01-01T03:00:00Z c - base",
            "2010-01-01T04:00:00Z d - base",
            "2010-01-02T00:00:00Z a base top",
            "2010-01-02T00:00:00Z b base middle",
            "2010-01-02T09:00:00Z d base top",
            "2010-01-03T00:00:00Z a top middle",
            "2010-01-03T00:00:00Z b middle base",
        ]
    );
}

#[test]
fn what_left_the_window_leaves_at_the_next_tick() {
    let facts = [order("1", "c", "2010-01-01T10:00:00Z", "o", "500000.00"), talked("2", "2011-01-01T12:00:00Z")];
    let outcome = under(scorecard("zero"), &facts, "2011-01-02T00:00:00Z");
    // 50 × 1 + 15 × 1/12 = 51.25 until the order, two hours beyond its year at the last fact, leaves at the tick.
    let [customer] = &outcome.customers[..] else { unreachable!() };
    assert_eq!(customer.standing.score_e4, Some(2_083), "5 × 1/24");
    let before = under(scorecard("zero"), &facts, "2011-01-01T09:59:59.999Z");
    assert_eq!(before.customers[0].standing.score_e4, Some(512_500));
}

#[test]
fn ticks_follow_each_policy_s_zone() {
    let mut in_london = lifecycle();
    in_london.name = "london".to_owned();
    in_london.zone = Zone::named("Europe/London").unwrap();
    let facts = [order("1", "c", "2010-05-01T10:00:00Z", "o", "1.00")];
    let outcome = simulate(&facts, &[lifecycle(), in_london], None, at("2010-08-01T00:00:00Z"));
    assert_eq!(
        changes(&outcome),
        [
            "2010-05-01T10:00:00Z c - new",
            "2010-05-01T10:00:00Z c - new",
            "2010-07-30T23:00:00Z c new dormant", // there the 31st begins an hour earlier
            "2010-07-31T00:00:00Z c new dormant",
        ]
    );
    let policies: Vec<&str> = outcome.customers.iter().map(|customer| customer.policy.as_str()).collect();
    assert_eq!(policies, ["london", "p"]);
}

#[test]
fn order_and_repetition_of_the_input_do_not_matter() {
    let facts = [
        order("1", "a", "2010-01-01T01:00:00Z", "1", "40.00"),
        order("2", "b", "2010-01-01T02:00:00Z", "2", "30.00"),
        event(
            "3",
            "order.refunded",
            "a",
            "2010-01-03T00:00:00Z",
            json!({
                "order_id": "1", "refund_id": "r", "amount": "35.00", "currency": "GBP",
            }),
        ),
        opened("4", "2010-01-04T00:00:00Z", "x", "price"),
        opened("5", "2010-01-04T00:00:00Z", "y", "price"),
    ];
    let run = |facts: &[Fact]| {
        simulate(facts, &[abc(), scorecard("reweigh")], Some(&detectors()), at("2010-02-01T00:00:00Z"))
    };
    let mut shuffled = facts.to_vec();
    shuffled.reverse();
    shuffled.extend(facts.iter().cloned());
    shuffled.push(order("1", "a", "2010-01-09T00:00:00Z", "1", "4000.00")); // a conflict: the first stands
    shuffled.push(order("9", "a", "2010-02-01T00:00:00.001Z", "9", "4000.00")); // after the end
    assert_eq!(run(&shuffled), run(&facts));
    assert_eq!(simulate(&[], &[abc()], Some(&detectors()), 0), Outcome::default());
}

#[test]
fn silence_is_raised_and_cleared_by_an_order() {
    let facts = orders_at(&["2010-01-01T10:00:00Z", "2010-01-11T10:00:00Z", "2010-04-20T10:00:00Z"]);
    let outcome = watched(&facts, "2010-05-01T00:00:00Z");
    // L = 90 with 2 order days: more than 90 days after the 11th of January is the 12th of April.
    assert_eq!(signals(&outcome), ["2010-04-12T00:00:00Z silence raised", "2010-04-20T10:00:00Z silence cleared"]);
    let raised = &outcome.signals[0];
    assert_eq!((raised.observed, raised.expected, raised.window_days), (91, 90.0, None));
    assert!((raised.p.unwrap() - libm::exp(-9.1)).abs() < 1e-15, "one gap of 10 days: e^(−91 × 1 ÷ 10)");
    // Before the tick of the 20th's next midnight, silence is reckoned to the last tick: the order is later than it.
    assert_eq!(outcome.signals[1].observed, 0);
    assert!(open_signals(&outcome).is_empty());
    assert_eq!(open_signals(&watched(&facts, "2010-04-15T00:00:00Z")).len(), 1);
}

/// An order every fifth day at noon, from the first of January 2010, up to and with day `last`; then on `more` days.
fn every_fifth_day(last: i64, more: &[i64]) -> Vec<Fact> {
    let begin = at("2010-01-01T12:00:00Z");
    let days = (0..=last).step_by(5).chain(more.iter().copied());
    let times: Vec<String> = days.map(|day| format_instant(begin + day * DAY_MS)).collect();
    let times: Vec<&str> = times.iter().map(String::as_str).collect();
    orders_at(&times)
}

#[test]
fn a_frequency_drop_is_raised_and_cleared_by_its_frozen_expectation() {
    // Day 200 is 2010-07-20. 6 are expected in 30 days (exactly: the first isn't counted). At the tick of day 226
    // (that is, 225.5 days after the first order) orders after 195.5 remain: that of day 200, P(≤ 1) = 0.017.
    let facts = every_fifth_day(200, &[232, 234, 236, 238, 240]);
    let outcome = watched(&facts, "2010-09-10T00:00:00Z");
    let drops: Vec<&Signal> = outcome.signals.iter().filter(|signal| signal.detector == "frequency_drop").collect();
    let raised = drops[0];
    assert_eq!((raised.state, format_instant(raised.at).as_str()), (SignalState::Raised, "2010-08-15T00:00:00Z"));
    // The baseline is (…, day 195.5 of noon): days 5 … 195, 39 orders in 195.5 days.
    assert!((raised.expected - 39.0 * 30.0 / 195.5).abs() < 1e-12, "{raised:?}");
    assert_eq!((raised.observed, raised.window_days), (1, Some(30)));
    // 0.8 × 5.98 = 4.79: the fifth order clears it, at once.
    let cleared = drops[1];
    assert_eq!((cleared.state, format_instant(cleared.at).as_str()), (SignalState::Cleared, "2010-08-29T12:00:00Z"));
    assert_eq!((cleared.observed, cleared.expected), (5, raised.expected));
    assert_eq!(drops.len(), 2);
}

#[test]
fn a_frequency_drop_ends_as_lost_and_never_because_the_baseline_slid_away() {
    let outcome = watched(&every_fifth_day(200, &[]), "2012-01-01T00:00:00Z");
    assert_eq!(
        signals(&outcome),
        [
            "2010-08-15T00:00:00Z frequency_drop raised",
            "2010-08-20T00:00:00Z silence raised", // L = 30; day 200 is the 20th of July
            "2011-07-21T00:00:00Z frequency_drop lost", // 366 days
        ]
    );
    let open: Vec<&str> = open_signals(&outcome).iter().map(|signal| signal.detector).collect();
    assert_eq!(open, ["silence"]);
}

#[test]
fn complaints_rise_reopen_and_calm_down() {
    let facts = [
        opened("1", "2010-01-01T10:00:00Z", "a", "price"),
        closed("2", "2010-01-03T10:00:00Z", "a"),
        opened("3", "2010-01-17T10:00:00Z", "b", "price"), // exactly 14 days after a was closed
        closed("4", "2010-01-20T10:00:00Z", "b"),
    ];
    let outcome = watched(&facts, "2010-03-01T00:00:00Z");
    assert_eq!(
        signals(&outcome),
        [
            "2010-01-17T10:00:00Z complaint_rise raised",
            "2010-02-01T00:00:00Z complaint_rise cleared", // a has left (t − 30 d, t], and none is open
        ]
    );
    assert_eq!((outcome.signals[0].observed, outcome.signals[1].observed), (2, 1));
    let alone = [facts[0].clone(), facts[1].clone(), opened("3", "2010-01-17T10:00:00.001Z", "b", "quality")];
    assert_eq!(watched(&alone, "2010-01-18T00:00:00Z").signals.len(), 1, "another category, but two in 30 days");
}

#[test]
fn payments_and_corrections_that_come_later_count_at_once() {
    let facts = [
        of_c(
            "1",
            "invoice.issued",
            "2010-01-01T00:00:00Z",
            json!({
                "invoice_id": "i", "amount": "100.00", "currency": "GBP", "due": "2010-01-10",
            }),
        ),
        of_c(
            "2",
            "payment.received",
            "2010-01-15T12:00:00Z",
            json!({
                "payment_id": "p", "invoice_id": "i", "amount": "95.00", "currency": "GBP",
            }),
        ),
    ];
    // Reweighed over sales 0, collection, repurchase 0, interactions 0 (90 of 100): 20 × 100 ÷ 90.
    let outcome = under(scorecard("reweigh"), &facts, "2010-01-20T00:00:00Z");
    let standing = &outcome.customers[0].standing;
    assert_eq!((standing.score_e4, standing.coverage_e4), (Some(222_222), 9_000));
    assert_eq!(standing.metrics["collection_rate"], Shown::Decimal("0.9500".to_owned()));
    assert_eq!(standing.missing, ["breadth"]);
    let unpaid = under(scorecard("reweigh"), &facts, "2010-01-15T11:00:00Z");
    assert_eq!(unpaid.customers[0].standing.score_e4, Some(0));
    let not_due = under(scorecard("reweigh"), &facts, "2010-01-10T23:00:00Z");
    assert_eq!(not_due.customers[0].standing.missing, ["collection", "breadth"]);
}
