//! Compiles the contracts with protox: no installed `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "tiermesh/v1/control.proto",
        "tiermesh/v1/customer_event.proto",
        "tiermesh/v1/fact.proto",
        "tiermesh/v1/origin.proto",
        "tiermesh/v1/output.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
