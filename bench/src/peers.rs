//! The peers: what people would otherwise build on, built here by their own tools.

use std::{path::PathBuf, process::Command};

use crate::{
    Failure,
    binary::{target, workspace},
};

/// Kafka Streams with a store of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamsStore {
    /// The default.
    RocksDb,
    /// The faster.
    Memory,
}

/// A Kafka Streams application, built.
#[derive(Debug, Clone)]
pub struct KafkaStreams {
    directory: PathBuf,
}

impl KafkaStreams {
    /// Builds it.
    ///
    /// # Errors
    /// If Java or Maven is missing, or the build fails.
    pub fn build() -> Result<Self, Failure> {
        for (program, argument) in [("java", "-version"), ("mvn", "-v")] {
            let found = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
            if !found {
                return Err(format!(
                    "`{program}` doesn't run here: the peers need a JDK of version 17 or above and Maven (Debian: apt-get \
                     install default-jdk-headless maven); --without-peers measures without them"
                )
                .into());
            }
        }
        let directory = target().join("bench/kafka-streams");
        eprintln!("building the peer on Kafka Streams (mvn package)");
        let pom = workspace().join("bench/peers/kafka-streams/pom.xml");
        let mut maven = Command::new("mvn");
        maven
            .args(["-q", "-B", "-f"])
            .arg(pom)
            .arg(format!("-Dout={}", absolute(&directory)?.display()))
            .arg("package");
        if !maven.status()?.success() {
            return Err("the peer on Kafka Streams can't be built; --without-peers measures without it".into());
        }
        Ok(Self { directory })
    }

    /// The command that runs it.
    pub fn command(&self, brokers: &str, name: &str, output: &str, state: &str, store: StreamsStore) -> Command {
        let mut java = Command::new("java");
        let jars = format!("{0}/kafka-streams-peer-1.jar:{0}/lib/*", self.directory.display());
        let store = if store == StreamsStore::Memory { "memory" } else { "rocksdb" };
        java.args(["-XX:+UseParallelGC", "-Xmx3g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", &jars]);
        java.args(["tiermesh.bench.RollingTiers", brokers, name, output, state, store]);
        java
    }
}

fn absolute(path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(path)?;
    Ok(path.canonicalize()?)
}
