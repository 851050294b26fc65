//! How a benchmark is run: sizes, rounds, where its results go.

use std::{ffi::OsString, path::PathBuf};

use crate::{
    machine::{self, Machine},
    results::Results,
};

/// What all benchmarks take.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// Small sizes and one round: shows that it works, not how fast.
    #[arg(long, global = true)]
    pub quick: bool,
    /// How often each contender is measured, in turn with the others.
    #[arg(long, global = true, value_name = "N", default_value_t = 3)]
    pub rounds: u32,
    /// Measure this `tiermesh` instead of building one (`--release`).
    #[arg(long, global = true, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Where the JSON goes.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/bench")]
    pub out: PathBuf,
}

impl Run {
    /// The arguments that give another process the same.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            vec!["--rounds".into(), self.rounds.to_string().into(), "--out".into(), self.out.clone().into()];
        if let Some(binary) = &self.binary {
            arguments.extend(["--binary".into(), binary.into()]);
        }
        if self.quick {
            arguments.push("--quick".into());
        }
        arguments
    }

    /// A size: as asked for, but when it is to be quick no more than so much.
    pub fn sized(&self, full: u64, quick: u64) -> u64 {
        if self.quick { full.min(quick) } else { full }
    }

    /// How many rounds.
    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    /// Results of a benchmark that begins now, without tables.
    pub fn results(&self, benchmark: &str) -> Results {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Results {
            benchmark: benchmark.to_owned(),
            command: format!("cargo run --release -p tiermesh-bench -- {}", arguments.join(" ")),
            date: machine::now(),
            machine: Machine::here(),
            settings: [("rounds".to_owned(), self.rounds().to_string())].into(),
            tables: Vec::new(),
            notes: Vec::new(),
        }
    }
}
