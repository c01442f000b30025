# List the recipes
default:
    @just --list --unsorted

# Run the service; arguments go to it, for instance `just run --listen 127.0.0.1:9000`
run *arguments:
    cargo run --release --bin downlink -- {{arguments}}

# Run every test
test *arguments:
    cargo test {{arguments}}

# Check the format, clippy's warnings and the documentation's links
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Measure parsing, routing, ordering and folding alone (criterion)
bench *arguments:
    cargo bench --bench hot_path -- {{arguments}}

# Send a short verified run from the launcher to the release service, with a report
load *arguments:
    cargo build --release --bins
    benches/load.sh {{arguments}}

# Measure the service against a bare warp handler, side by side (needs wrk); raw data goes to `directory`
compare directory="target/compare":
    cargo build --release --bins --example floor
    benches/compare.sh {{quote(directory)}}

# Report which lines the tests reach (needs `cargo install cargo-llvm-cov --locked`)
coverage *arguments:
    @cargo llvm-cov --version >/dev/null 2>&1 || { echo "cargo-llvm-cov is missing; install it with: cargo install cargo-llvm-cov --locked" >&2; exit 1; }
    cargo llvm-cov {{arguments}}

# Everything that has to pass before a merge
ci: lint test
