//! The benchmarks: one subcommand each, which prints its tables and writes them as JSON. docs/benchmarks.md says what
//! they measure.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "nothing outside of a binary can reach anything in it")]

mod all;
mod binary;
mod bodies;
mod cluster;
mod crash;
mod digest;
mod drain;
mod embedded;
mod fold;
mod growth;
mod history;
mod http;
mod ingest;
mod latency;
mod machine;
mod mesh;
mod orders;
mod peers;
mod population;
mod preload;
mod processes;
mod recovery;
mod report;
mod results;
mod run;
mod scaling;
mod service;
mod throughput;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{results::Results, run::Run};

/// That of `tiermesh`: what folds in this process is measured with the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a benchmark gave no result.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures Tiermesh on this machine.
#[derive(Debug, Parser)]
#[command(name = "tiermesh-bench")]
struct Cli {
    #[command(flatten)]
    run: Run,
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// The fold of scoring alone, in this process.
    Fold(fold::Args),
    /// Events a second over HTTP, in the log before the answer.
    Ingest(ingest::Args),
    /// From an order to the tier change that it leads to, at a steady pace.
    Latency(latency::Args),
    /// A million orders through `tiermesh up`.
    Embedded(embedded::Args),
    /// A topic of orders drained by scoring, by a bare consumer, by peers.
    Throughput(throughput::Args),
    /// Scoring's speed and memory by number of customers.
    Growth(growth::Args),
    /// A crash of scoring under load, with a million customers.
    Recovery(recovery::Args),
    /// What a mesh of so many customers takes: costs measured, sizes computed.
    Scaling(scaling::Args),
    /// All of them, in turn.
    All,
    /// Puts what was measured into docs/benchmarks.md.
    Report(report::Args),
    /// A bare consumer, as a process of its own.
    #[command(hide = true)]
    Drain(drain::Args),
}

fn main() -> ExitCode {
    let Cli { run, benchmark } = Cli::parse();
    let results = match benchmark {
        Benchmark::Fold(args) => fold::run(&run, &args),
        Benchmark::Ingest(args) => ingest::run(&run, &args),
        Benchmark::Latency(args) => latency::run(&run, &args),
        Benchmark::Embedded(args) => embedded::run(&run, &args),
        Benchmark::Throughput(args) => throughput::run(&run, &args),
        Benchmark::Scaling(args) => scaling::run(&run, &args),
        Benchmark::Growth(args) => growth::run(&run, &args),
        Benchmark::Recovery(args) => recovery::run(&run, &args),
        Benchmark::All => return exit(all::run(&run)),
        Benchmark::Report(args) => return exit(report::run(&run, &args)),
        // No benchmark: a contender of one.
        Benchmark::Drain(args) => return exit(drain::run(&args)),
    };
    exit(results.and_then(|results| show(&run, &results)))
}

fn exit(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tiermesh-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(run: &Run, results: &Results) -> Result<(), Failure> {
    results.print();
    results.write(&run.out)
}
