//! Compiles the contract of publishing over gRPC with protox: no installed `protoc` is needed.

use std::{env, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../proto/tiermesh/v1/publish.proto");
    let mut compiler = protox::Compiler::new(["../../proto"])?;
    compiler.include_source_info(true).include_imports(true).open_files(["tiermesh/v1/publish.proto"])?;
    // For reflection.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("publish.bin");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
