use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(
        [
            "sluice/v1/event_store_service.proto",
            "sluice/v1/consumer_group_service.proto",
            "sluice/v1/stream_service.proto",
            "sluice/v1/errors.proto",
            "google/rpc/status.proto",
            // For the runner alone.
            "google/rpc/code.proto",
            "google/rpc/error_details.proto",
            "grpc/health/v1/health.proto",
            "grpc/reflection/v1/reflection.proto",
            "grpc/reflection/v1alpha/reflection.proto",
        ],
        ["proto"],
    )?;
    let version = std::process::Command::new(std::env::var("RUSTC")?).arg("--version").output()?.stdout;
    let version = String::from_utf8(version)?;
    println!("cargo:rustc-env=RUSTC_VERSION={}", version.replace("rustc", "Rust").split(" (").next().unwrap_or(""));
    let descriptors = std::path::Path::new(&std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(descriptors, files.encode_to_vec())?;
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
