//! What a routes file may say, and what is said of one that is wrong.

use tiermesh_event_log::{Headers, NewRecord, Record, topics};
use tiermesh_proto::v1::{Control, LossSignal, SourceQuiet, StandingTier, TierChange, control};

use super::{Routes, read::read, secrets::Surroundings};
use crate::news::News;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn surroundings() -> Surroundings {
    Surroundings::with(&[
        ("HOOK", SECRET),
        ("BOTH", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ("EMPTY", " "),
        ("SHORT", "whsec_AAAA"),
        ("PLAIN", "secret"),
        ("NO_BASE64", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"),
    ])
}

fn routes(text: &str) -> Routes {
    read(text, &surroundings()).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

fn route(fields: &str) -> Routes {
    routes(&format!("[[routes]]\nname = \"r\"\n{fields}"))
}

fn news(topic: &str, record: NewRecord) -> News {
    let record = Record { offset: 1, key: record.key, value: record.value, headers: record.headers };
    News::of(topic, &record).unwrap().unwrap()
}

fn change(from: Option<&str>, to: &str, direction: &str) -> TierChange {
    TierChange {
        customer: "17850".to_owned(),
        programme: "value".to_owned(),
        policy: "abc".to_owned(),
        from: from.map(str::to_owned),
        to: to.to_owned(),
        direction: direction.to_owned(),
        ..TierChange::default()
    }
}

fn of_change(change: &TierChange) -> News {
    news(topics::TIER_CHANGES.name, topics::TIER_CHANGES.record("", change, Default::default()))
}

fn signal(detector: &str, state: &str) -> LossSignal {
    let standing = |policy: &str, tier: &str| StandingTier {
        programme: "value".to_owned(),
        policy: policy.to_owned(),
        tier: tier.to_owned(),
    };
    LossSignal {
        customer: "17850".to_owned(),
        detector: detector.to_owned(),
        state: state.to_owned(),
        tiers: vec![standing("abc", "A"), standing("pyramid", "base")],
        ..LossSignal::default()
    }
}

fn of_signal(signal: &LossSignal) -> News {
    news(topics::CHURN_SIGNALS.name, topics::CHURN_SIGNALS.record("", signal, Default::default()))
}

fn of_quiet() -> News {
    let quiet = SourceQuiet { source: "erp".to_owned(), ..SourceQuiet::default() };
    let control = Control { control: Some(control::Control::SourceQuiet(quiet)), origin: None };
    news(topics::CONTROL.name, topics::CONTROL.record("", &control, Default::default()))
}

fn wants(routes: &Routes, news: &News) -> bool {
    routes.all[0].wants(news)
}

#[test]
fn the_built_in_routes_log_signals_and_operations() {
    let built_in = Routes::built_in();
    let heard = |news: &News| built_in.all.iter().filter(|route| route.wants(news)).count();
    assert_eq!(heard(&of_signal(&signal("silence", "raised"))), 1);
    assert_eq!(heard(&of_signal(&signal("silence", "cleared"))), 0);
    assert_eq!(heard(&of_quiet()), 1);
    assert_eq!(heard(&of_change(&change(Some("B"), "A", "up"))), 0);
    assert!(built_in.all.iter().all(|route| route.target() == "log"));
}

#[test]
fn tier_changes_are_chosen_by_policy_tier_and_direction() {
    let (up, down) = (of_change(&change(Some("B"), "A", "up")), of_change(&change(Some("A"), "C", "down")));
    let first = of_change(&change(None, "A", "first"));
    for (fields, expected) in [
        ("", [true, true, false]),
        ("direction = \"up\"", [true, false, false]),
        ("direction = \"down\"", [false, true, false]),
        ("direction = \"first\"", [false, false, true]),
        ("direction = \"other\"", [false, false, false]),
        ("tiers = [\"A\"]", [true, true, false]),
        ("tiers = [\"B\", \"D\"]", [true, false, false]),
        ("severity = \"warning\"", [false, true, false]),
        ("policies = [\"abc\"]\nprogrammes = [\"value\"]", [true, true, false]),
        ("policies = [\"pyramid\"]", [false, false, false]),
        ("programmes = [\"stage\"]", [false, false, false]),
    ] {
        let route = route(&format!("what = \"tier-changes\"\n{fields}\nlog = {{}}"));
        assert_eq!([&up, &down, &first].map(|news| wants(&route, news)), expected, "{fields}");
        assert!(!wants(&route, &of_signal(&signal("silence", "raised"))) && !wants(&route, &of_quiet()));
    }
}

#[test]
fn signals_are_chosen_by_detector_state_and_standing_tier() {
    let raised = of_signal(&signal("silence", "raised"));
    let lost = of_signal(&signal("frequency_drop", "lost"));
    for (fields, expected) in [
        ("", [true, true]),
        ("detectors = [\"silence\"]", [true, false]),
        ("states = [\"lost\"]", [false, true]),
        ("severity = \"critical\"", [false, true]),
        ("tiers = [\"A\"]", [true, true]),
        ("tiers = [\"base\"]\npolicies = [\"pyramid\"]", [true, true]),
        // Not one tier of one policy and another of another.
        ("tiers = [\"base\"]\npolicies = [\"abc\"]", [false, false]),
    ] {
        let route = route(&format!("what = \"signals\"\n{fields}\nlog = {{}}"));
        assert_eq!([&raised, &lost].map(|news| wants(&route, news)), expected, "{fields}");
    }
}

#[test]
fn other_figures_of_a_signal_are_no_news() {
    let record = topics::CHURN_SIGNALS.record("", &signal("silence", "updated"), Headers::new());
    let record = Record { offset: 1, key: record.key, value: record.value, headers: Headers::new() };
    assert!(News::of(topics::CHURN_SIGNALS.name, &record).unwrap().is_none());
}

#[test]
fn history_is_told_to_those_who_ask_for_it() {
    let then = of_change(&TierChange { history: true, ..change(Some("B"), "A", "up") });
    assert!(!wants(&route("what = \"tier-changes\"\nlog = {}"), &then));
    assert!(wants(&route("what = \"tier-changes\"\nhistory = true\nlog = {}"), &then));
}

#[test]
fn a_webhook_shows_neither_its_path_nor_its_secrets() {
    let route =
        route("what = \"operations\"\nwebhook = { url = \"https://h.example/T0/key?x=1\", secret_env = \"BOTH\" }");
    assert_eq!(route.all[0].target(), "https://h.example");
    let shown = format!("{route:?}");
    assert!(shown.contains("h.example, 2 secrets"), "{shown}");
    assert!(!shown.contains("key") && !shown.contains("whsec"), "{shown}");
}

#[test]
fn secrets_may_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let webhook = |file: &str| {
        format!(
            "[[routes]]\nname = \"r\"\nwhat = \"operations\"\nwebhook = {{ url = \"http://h\", secret_file = \"{file}\" }}"
        )
    };
    routes(&webhook(&file.display().to_string()));
    let wrong = read(&webhook("/no/such/file"), &surroundings()).unwrap_err();
    assert!(wrong.message.contains("/no/such/file"), "{wrong:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
    let of_route = |fields: &str| format!("[[routes]]\nname = \"r\"\n{fields}");
    let hook = |rest: &str| of_route(&format!("what = \"operations\"\nwebhook = {{ {rest} }}"));
    for (text, place, said) in [
        (String::new(), (1, 1), "no [[routes]]"),
        ("[[route]]".to_owned(), (1, 3), "unknown field `route`"),
        ("stale_after_hours = 0\n".to_owned() + &of_route("what = \"signals\"\nlog = {}"), (1, 21), "between 1 and"),
        (of_route("what = \"changes\"\nlog = {}"), (3, 8), "tier-changes, signals, operations"),
        (of_route("what = \"signals\"\nlog = {}\nsome = 1"), (5, 1), "unknown field `some`"),
        (of_route("what = \"signals\"\n"), (2, 8), "leads nowhere"),
        (of_route("what = \"signals\"\nlog = {}\nname = 'r'"), (5, 1), "duplicate"),
        (of_route("what = \"signals\"\nlog = { a = 1 }"), (4, 9), "unknown field `a`"),
        (of_route("what = \"signals\"\ndirection = \"up\"\nlog = {}"), (4, 13), "leave it out"),
        (of_route("what = \"tier-changes\"\nstates = [\"lost\"]\nlog = {}"), (4, 10), "leave it out"),
        (of_route("what = \"operations\"\ntiers = [\"A\"]\nlog = {}"), (4, 9), "leave it out"),
        (of_route("what = \"tier-changes\"\ntiers = []\nlog = {}"), (4, 9), "empty list"),
        (of_route("what = \"tier-changes\"\ndirection = \"upwards\"\nlog = {}"), (4, 13), "up, down, first, other"),
        (of_route("what = \"tier-changes\"\nseverity = \"high\"\nlog = {}"), (4, 12), "info, warning, critical"),
        (
            of_route("what = \"signals\"\nstates = [\"raised\", \"updated\"]\nlog = {}"),
            (4, 21),
            "raised, cleared, lost",
        ),
        (of_route("what = \"signals\"\nlog = {}\n") + &of_route("what = \"signals\"\nlog = {}"), (6, 8), "rename one"),
        ("[[routes]]\nname = \"a b\"\nwhat = \"signals\"\nlog = {}".to_owned(), (2, 8), "1 to 64 letters"),
        (hook("url = \"ftp://h\", secret_env = \"HOOK\""), (4, 19), "https://example.com"),
        (hook("url = \"h/p\", secret_env = \"HOOK\""), (4, 19), "https://example.com"),
        (hook("url = \"https://me:pw@h\", secret_env = \"HOOK\""), (4, 19), "user or password"),
        (hook("url = \"https://h\""), (4, 11), "secret_env, secret_file or secret"),
        (hook("url = \"https://h\", secret_env = \"HOOK\", secret = \"x\""), (4, 11), "name one of"),
        (hook("url = \"https://h\", secret_env = \"NOT_SET\""), (4, 45), "NOT_SET is not set"),
        (hook("url = \"https://h\", secret_env = \"EMPTY\""), (4, 45), "is empty"),
        (hook("url = \"https://h\", secret_env = \"SHORT\""), (4, 45), "too short"),
        (hook("url = \"https://h\", secret_env = \"PLAIN\""), (4, 45), "openssl rand"),
        (hook("url = \"https://h\", secret_env = \"NO_BASE64\""), (4, 45), "not base64"),
        (hook("url = \"https://h\", secret = \"secret\""), (4, 41), "whsec_"),
    ] {
        let wrong = read(&text, &surroundings()).map(|_| ()).unwrap_err();
        assert!(wrong.message.contains(said), "{text}\n{wrong:?}\n{said}");
        assert_eq!((wrong.line, wrong.column), place, "{text}\n{wrong:?}");
    }
}
