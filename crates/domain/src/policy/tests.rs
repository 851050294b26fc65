//! Policy files: what is wrong is told with its place and what would be right.

use super::{Document, PolicyError, parse};

const GOOD: &str = r#"name = "draft"
programme = "value"
version = 2
currency = "GBP"
time_zone = "Europe/London"

[rates]
EUR = "0.86"

[[score.parts]]
name = "sales"
metric = "net_sales"
window_days = 365
weight = 100
full_at = 1000

[[tiers]]
name = "A"
at_least = 50

[[tiers]]
name = "B"
"#;

fn error(replace: &str, with: &str) -> PolicyError {
    assert!(GOOD.contains(replace), "{replace}");
    parse(&GOOD.replace(replace, with)).expect_err(with)
}

#[test]
fn a_good_one_is_read() {
    let Document::Tiers(policy) = parse(GOOD).unwrap() else { panic!("not tiers") };
    assert_eq!((policy.name.as_str(), policy.version, policy.zone.name()), ("draft", 2, "Europe/London"));
    assert_eq!(policy.valuation.value(100, "EUR"), Some(86));
    assert_eq!(policy.valuation.value(100, "USD"), None);
    assert_eq!(policy.outside, 1);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (replace, with, line, column, told) in [
        ("version = 2", "version = 0", 3, 11, "versions begin with 1"),
        ("version = 2", "version = \"two\"", 3, 11, "expected u32"),
        ("currency = \"GBP\"", "currency = \"POUND\"", 4, 12, "ISO 4217"),
        ("Europe/London", "Middle/Earth", 5, 13, "not a time zone"),
        ("EUR = \"0.86\"", "EUR = \"-1\"", 8, 7, "above 0"),
        ("net_sales", "net_sails", 12, 10, "not one of net_sales, orders, categories"),
        ("window_days = 365", "window_days = 4000", 13, 15, "1 to 1100 days"),
        ("full_at = 1000", "full_at = 0", 15, 11, "above zero_at"),
        ("full_at = 1000", "fullat = 1000", 15, 1, "unknown field"),
        ("at_least = 50", "below = 50", 19, 9, "`at_least`"),
        ("name = \"B\"", "name = \"A\"", 22, 8, "named twice"),
        ("name = \"draft\"", "name = \"draft policy\"", 1, 8, "letters, digits"),
        ("name = \"draft\"", "name = ", 1, 8, ""),
        ("version = 2", "version = 2\nreview = \"sometimes\"", 4, 10, "continuous"),
        ("version = 2", "version = 2\nupgrade = \"soon\"", 4, 11, "immediately, at-review"),
        (
            "version = 2",
            "version = 2\ndowngrade = \"at-review\"",
            4,
            13,
            "no review to wait for: say `review = \"quarter\"`",
        ),
        ("version = 2", "version = 2\noutside = \"Z\"", 4, 11, "not one of the tiers A, B"),
    ] {
        let error = error(replace, with);
        assert_eq!((error.line, error.column), (line, column), "{with}: {error}");
        assert!(error.message.contains(told), "{with}: {error}");
    }
    assert!(parse("kind = \"weather\"").unwrap_err().message.contains("tiers, loss-signals"));
    assert!(parse("").is_err());
}

#[test]
fn bounds_stand_in_order() {
    let with = |first: &str, second: &str| {
        GOOD.replace(
            "[[tiers]]\nname = \"B\"",
            &format!("[[tiers]]\nname = \"M\"\nat_least = {second}\n\n[[tiers]]\nname = \"B\""),
        )
        .replace("at_least = 50", &format!("at_least = {first}"))
    };
    assert!(parse(&with("50", "40")).is_ok());
    assert!(parse(&with("40", "50")).unwrap_err().message.contains("best first"));
    assert!(parse(&with("50", "50")).unwrap_err().message.contains("best first"));
}

#[test]
fn numbers_that_would_disable_a_detector_are_refused() {
    let good = include_str!("../../../../policies/loss-signals.toml");
    assert!(parse(good).is_ok());
    for (replace, with) in [
        ("prior_days = 180.0", "prior_days = nan"),
        ("daily_rate = 0.001", "daily_rate = inf"),
        ("daily_rate = 0.001", "daily_rate = 1e300"),
        ("p = 0.05", "p = nan"),
        ("raise_at = \"0.5\"", "raise_at = \"5\""),
        ("clear_at = \"0.8\"", "clear_at = \"-1\""),
        ("least_order_days = 2", "least_order_days = 1"),
    ] {
        assert!(good.contains(replace), "{replace}");
        assert!(parse(&good.replace(replace, with)).is_err(), "{with}");
    }
    let lifecycle = include_str!("../../../../policies/lifecycle.toml");
    assert!(
        parse(&lifecycle.replace("least_days = 30", "least_days = 400")).unwrap_err().message.contains("most_days")
    );
    let abc = include_str!("../../../../policies/abc.toml");
    assert!(parse(&abc.replace("0.70", "-1")).unwrap_err().message.contains("above 0"));
    assert!(parse(&abc.replace("0.95", "1.5")).unwrap_err().message.contains("at most 1"));
}

#[test]
fn qualification_waits_for_the_review_unless_said_otherwise() {
    let qualification = |lines: &str| {
        let text = GOOD.replace("version = 2", &format!("version = 2\n{lines}"));
        let Document::Tiers(policy) = parse(&text).unwrap() else { panic!("not tiers") };
        policy.qualification
    };
    use super::{Moment::*, Qualification, Review};
    assert_eq!(qualification(""), Qualification::CONTINUOUS);
    let waits = Qualification { review: Review::HalfYear, upgrade: AtReview, downgrade: AtReview };
    assert_eq!(qualification("review = \"half-year\""), waits);
    let up_at_once = Qualification { upgrade: Immediately, ..waits };
    assert_eq!(qualification("review = \"half-year\"\nupgrade = \"immediately\""), up_at_once);
    let lifecycle = include_str!("../../../../policies/lifecycle.toml");
    let reviewed = lifecycle.replace("review = \"continuous\"", "review = \"month\"");
    assert_ne!(reviewed, lifecycle);
    assert!(parse(&reviewed).unwrap_err().message.contains("not ranked"));
}

#[test]
fn changes_have_a_direction_where_tiers_are_ranked() {
    let Document::Tiers(policy) = parse(GOOD).unwrap() else { panic!("not tiers") };
    let directions = [(None, 1), (Some("B"), 0), (Some("A"), 1), (Some("gold"), 1)];
    assert_eq!(directions.map(|(from, to)| policy.direction(from, to)), ["first", "up", "down", "other"]);
    let lifecycle = include_str!("../../../../policies/lifecycle.toml");
    let Document::Tiers(lifecycle) = parse(lifecycle).unwrap() else { panic!("not tiers") };
    assert_eq!(lifecycle.direction(Some("dormant"), 0), "other");
}
