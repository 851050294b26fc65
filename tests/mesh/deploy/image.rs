//! The image: made in two stages from what is there, and not run as root.

use super::containers::text;
use crate::data::root;

/// The Dockerfile's instructions, continued lines joined.
fn instructions() -> Vec<(String, Vec<String>)> {
    let text = text("deploy/Dockerfile");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let instruction = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.collect()))
    };
    joined.lines().filter_map(instruction).collect()
}

#[test]
fn the_image_is_made_of_what_is_there_and_is_not_root() {
    let instructions = instructions();
    let of =
        |name: &str| instructions.iter().filter(|(found, _)| found == name).map(|(_, words)| words).collect::<Vec<_>>();
    let stages: Vec<&String> = of("FROM").iter().map(|words| &words[2]).collect();
    assert_eq!(stages, ["build", "run"]);
    for words in of("FROM") {
        let tag = words[0].split_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest" && tag.starts_with(|c: char| c.is_ascii_digit())), "{words:?}");
    }
    let cargo: toml::Table = toml::from_str(&text("Cargo.toml")).unwrap();
    let rust = cargo["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(of("FROM")[0][0].starts_with(&format!("rust:{rust}-")), "the image is to be built with Rust {rust}");
    let user: Vec<u32> = of("USER").last().unwrap()[0].split(':').map(|id| id.parse().unwrap()).collect();
    assert!(user.iter().all(|id| *id > 0), "{user:?} is root");

    let ignored = text(".dockerignore");
    let let_in: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "only what is named is to be sent to the builder");
    let mut copied = Vec::new();
    for words in of("COPY") {
        let Some((_, sources)) = words.split_last() else { panic!("COPY of nothing") };
        if sources[0].starts_with("--from=") {
            assert_eq!(sources[0], "--from=build");
            continue;
        }
        for source in sources {
            assert!(root().join(source).exists(), "COPY {source}: there is no such thing");
            assert!(let_in.contains(&source.as_str()), ".dockerignore keeps {source} out");
            copied.push(source.as_str());
        }
    }
    // What cargo needs of the workspace, and what the binary takes in from outside of the crates.
    for needed in ["Cargo.toml", "Cargo.lock", "proto", "crates", "services", "policies", "data"] {
        assert!(copied.contains(&needed), "{needed} is not copied");
    }
    let build = of("RUN").into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert!(build.contains("cargo build --release --locked --package tiermesh --features kafka-tls"), "{build}");
    assert_eq!(of("ENTRYPOINT")[0].join(" "), r#"["/usr/local/bin/tiermesh"]"#);
    assert!(of("HEALTHCHECK").is_empty(), "who runs it says how its health is checked: the services' ports differ");
}
