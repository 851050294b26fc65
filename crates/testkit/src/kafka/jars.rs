//! Kafka's jars by Maven, kept below `target/`, and a Java to run them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::programs;

const POM: &str = include_str!("../../kafka/pom.xml");

/// The version of Kafka that tests run against, which stands in the POM only.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<&str> = LazyLock::new(|| {
        let (_, rest) = POM.split_once("<kafka.version>").expect("the POM names the version of Kafka");
        rest.split_once('<').expect("the element is closed").0
    });
    &VERSION
}

/// A Java and the directory with the jars; fetches what is missing.
pub(super) fn ready() -> Result<(PathBuf, PathBuf), String> {
    let tools = || Some((java()?, programs::find("mvn", [])?));
    let jars = target().join("testkit").join(format!("kafka-{}", version()));
    if let (Some(java), true) = (java(), jars.is_dir()) {
        return Ok((java, jars));
    }
    let (java, maven) = tools().map_or_else(
        || {
            programs::install(&["default-jdk-headless", "maven"], tools)
                .map_err(|reason| format!("no JDK of version 17 or above with Maven: {reason}"))
        },
        Ok,
    )?;
    fetch(&maven, &jars)?;
    Ok((java, jars))
}

/// Copies the jars into `jars`, once, however many test processes want them.
fn fetch(maven: &Path, jars: &Path) -> Result<(), String> {
    let parent = jars.parent().expect("it was joined to one");
    std::fs::create_dir_all(parent).map_err(|error| format!("can't create {}: {error}", parent.display()))?;
    let _lock = programs::lock(&parent.join("kafka.lock"))?;
    if jars.is_dir() {
        return Ok(());
    }
    // Under another name until complete: whoever sees the directory may use it.
    let partial = parent.join(format!("kafka-{}.partial", version()));
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/pom.xml");
    let (pom, output) = (pom.display().to_string(), format!("-DoutputDirectory={}", partial.display()));
    programs::run(maven, &["-q", "-B", "-f", &pom, "dependency:copy-dependencies", &output])?;
    std::fs::rename(&partial, jars).map_err(|error| format!("can't rename {}: {error}", partial.display()))
}

/// Java 17 or above.
fn java() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let candidates = home.into_iter().chain(programs::find("java", []));
    candidates.into_iter().find(|java| {
        // `openjdk version "17.0.15" 2025-04-15`
        let text = programs::run(java, &["-version"]).unwrap_or_default();
        let version = text.split('"').nth(1).and_then(|version| version.split(['.', '-']).next()?.parse::<u32>().ok());
        version.is_some_and(|version| version >= 17)
    })
}

fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |target| workspace.join(target))
}
