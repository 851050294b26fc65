//! The page's files: all there, nothing from elsewhere, every word in both languages.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::stage::World;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("page")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn scripts() -> Vec<(String, String)> {
    let names = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".js")).map(|name| (name.clone(), read(&name))).collect()
}

fn words(language: &str) -> BTreeMap<String, String> {
    serde_json::from_str(&read(&format!("words/{language}.json"))).unwrap()
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, before: &'a str, after: char) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_served_and_may_load_nothing_from_elsewhere() {
    let console = World::new().await.console().await;
    let mut wanted: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
    for (_, script) in scripts() {
        wanted.extend(between(&script, "from './", '\'').map(|name| format!("/console/{name}")));
    }
    let html = read("index.html");
    for mark in ["src=\"", "href=\""] {
        wanted.extend(between(&html, mark, '"').filter(|path| path.starts_with('/')).map(str::to_owned));
    }
    wanted.extend(["en", "zh"].map(|language| format!("/console/words/{language}.json")));
    assert!(wanted.len() >= 13, "{wanted:?}");
    for path in &wanted {
        let answer = console.client.get(format!("{}{path}", console.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    console.stop().await;
}

#[test]
fn nothing_from_outside_can_become_markup() {
    for (name, script) in scripts() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "http://",
            "https://",
        ] {
            assert!(!script.contains(way), "{name} has {way}");
        }
    }
    for way in ["style=\"", "<style", "onclick=", "http://", "https://"] {
        assert!(!read("index.html").contains(way), "index.html has {way}");
    }
}

#[test]
fn both_languages_have_every_word() {
    let (english, chinese) = (words("en"), words("zh"));
    assert_eq!(english.keys().collect::<Vec<_>>(), chinese.keys().collect::<Vec<_>>());
    let parameters = |text: &str| between(text, "{", '}').map(str::to_owned).collect::<BTreeSet<_>>();
    for (key, text) in &english {
        assert!(!text.is_empty() && !chinese[key].is_empty(), "{key} is empty");
        assert_eq!(parameters(text), parameters(&chinese[key]), "{key}");
    }
    let all: String = scripts().into_iter().map(|(_, script)| script).collect();
    // Not `set('…')` and the like: what stands before the `t` is no letter.
    let calls =
        all.match_indices("t('").filter(|(at, _)| !all[..*at].ends_with(|before: char| before.is_alphanumeric()));
    let used: BTreeSet<&str> = calls.filter_map(|(at, mark)| all[at + mark.len()..].split('\'').next()).collect();
    let missing: Vec<&&str> = used.iter().filter(|key| !english.contains_key(**key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(used.len() > 60, "{}", used.len());
}

#[test]
fn what_events_and_detectors_there_are_has_words() {
    let english = words("en");
    let types = include_str!("../../../../crates/domain/src/fact/types.rs");
    let names = types.split("pub fn type_name").nth(1).unwrap();
    let mut known = 0;
    for name in between(names, "=> \"tiermesh.", '"') {
        assert!(english.contains_key(&format!("type.{name}")), "type.{name}");
        known += 1;
    }
    assert!(known > 30, "of {known} types only");
    for detector in ["frequency_drop", "silence", "complaint_rise"] {
        assert!(english.contains_key(&format!("detector.{detector}")), "{detector}");
    }
}
