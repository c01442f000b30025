# List the recipes
default:
    @just --list --unsorted

# Run the service; arguments go to it, for instance `just run --listen 127.0.0.1:9000`
run *arguments:
    cargo run --release --bin downlink -- {{arguments}}

# Run every test
test *arguments:
    cargo test {{arguments}}

# Run the tests with so many serving threads in every service in process (by default: one or three, by the test's name)
test-on threads *arguments:
    DOWNLINK_TEST_THREADS={{threads}} cargo test --test it -- {{arguments}}

# Run the tests of the page in headless Chromium (needs chromium, chromedriver and npm)
test-browser *arguments:
    @command -v chromedriver >/dev/null || { echo "chromedriver is missing; on Debian install chromium and chromium-driver" >&2; exit 1; }
    mkdir -p target/browser
    cp tests/browser/package.json tests/browser/package-lock.json target/browser/
    npm ci --prefix target/browser --ignore-scripts --no-audit --no-fund
    cargo test --test browser -- --ignored --test-threads=2 {{arguments}}

# Check the format, clippy's warnings and the documentation's links
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Check the licences of what is depended on, its versions and where it comes from (needs `cargo install cargo-deny --locked`)
deny:
    @cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing; install it with: cargo install cargo-deny --locked" >&2; exit 1; }
    cargo deny --locked check --hide-inclusion-graph licenses bans sources

# Check everything with the oldest Rust that Cargo.toml promises, if rustup has it
msrv:
    @version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml); \
    toolchain=$(rustup toolchain list | grep --only-matching --max-count 1 "^$version[^ ]*"); \
    if [ -n "$toolchain" ]; then \
        cargo "+$toolchain" check --locked --all-targets --target-dir target/msrv; \
    else \
        echo "not checked with Rust $version; install it with: rustup toolchain install $version"; \
    fi

# Measure parsing, routing, ordering and folding alone (criterion)
bench *arguments:
    cargo bench --bench hot_path -- {{arguments}}

# Fuzz what reads bytes from elsewhere, for instance `just fuzz 1h` or `just fuzz 5m --targets requests`
fuzz *arguments:
    cargo run --profile fuzz --example fuzz -- {{arguments}}

# Run the release service through everything that happens to it in a long life, and see that nothing grows: `just soak 10m`
soak *arguments:
    cargo build --release --bin downlink
    cargo run --quiet --example suite -- soak {{arguments}}

# Send a short verified run from the launcher to the release service in memory (or `just load --durability fsync`), with a report
load *arguments:
    cargo build --release --bins
    cargo run --quiet --example suite -- load {{arguments}}

# Measure the service in memory against a bare warp handler, side by side; raw data goes to `directory`
compare directory="target/compare" *arguments:
    cargo build --release --bins --example floor --example post
    cargo run --quiet --example suite -- compare {{quote(directory)}} {{arguments}}

# Measure durable against in memory and against Redis, side by side (needs redis-server)
compare-durable directory="target/compare-durable" *arguments:
    cargo build --release --bins --example floor --example post
    cargo run --quiet --example suite -- compare-durable {{quote(directory)}} {{arguments}}

# Measure this tree's service against that of a commit (or a ready-built binary), in memory and durable, in alternating rounds
compare-with rev *arguments:
    cargo build --release --bin downlink --example post
    cargo run --quiet --example suite -- against {{quote(rev)}} {{arguments}}

# Measure a node of a cluster against the same program alone, and bulk to three nodes (needs what `just cluster-test` needs)
compare-cluster directory="target/compare-cluster" *arguments:
    cargo build --release --features etcd --bins --example post
    cargo run --quiet --example suite -- cluster {{quote(directory)}} {{arguments}}

# Measure durable beside Redis, NATS JetStream and PostgreSQL, by how many senders, and what a message costs (needs redis-server, postgresql and python3-venv)
compare-peers directory="target/compare-peers" *arguments:
    cargo build --release --bins --examples
    cargo run --quiet --release --example suite -- peers {{quote(directory)}} {{arguments}}

# Measure the service with TLS against the same without, in alternating rounds
compare-tls directory="target/compare-tls" *arguments:
    cargo build --release --bin downlink --example post
    cargo run --quiet --example suite -- tls {{quote(directory)}} {{arguments}}

# Measure everything side by side, into docs/bench/DATE or `directory` (some 45 minutes; installs wrk, redis-server and postgresql)
bench-all *arguments:
    cargo build --release --bins --examples
    cargo bench --bench hot_path --no-run
    cargo run --quiet --release --example suite -- all {{arguments}}

# Report which lines the tests reach (needs `cargo install cargo-llvm-cov --locked`)
coverage *arguments:
    @cargo llvm-cov --version >/dev/null 2>&1 || { echo "cargo-llvm-cov is missing; install it with: cargo install cargo-llvm-cov --locked" >&2; exit 1; }
    cargo llvm-cov {{arguments}}

# Everything that has to pass before a merge
ci: lint deny test

# Kill the release service so many times (under load, in a start, in recovery, in a checkpoint, in a stop), and check that nothing acknowledged is lost
crash rounds="200":
    DOWNLINK_CRASH_ROUNDS={{rounds}} cargo test --release --test it -- --nocapture acked_messages_survive_kill

# Cut the power of the release service so many times, simulated at any moment, and check that nothing acknowledged is lost
power-cuts cuts="300":
    DOWNLINK_POWER_CUTS={{cuts}} cargo test --release --test it -- --nocapture power_cuts_lose_nothing

# Test nodes of a cluster on members of etcd, and the log on etcd (needs protobuf-compiler, libprotobuf-dev and etcd-server)
cluster-test *arguments:
    @command -v etcd >/dev/null && command -v protoc >/dev/null || { echo "etcd or protoc is missing; on Debian install etcd-server, protobuf-compiler and libprotobuf-dev" >&2; exit 1; }
    cargo clippy --features etcd --all-targets -- -D warnings
    cargo test --features etcd --test cluster -- --nocapture --test-threads=2 {{arguments}}

# Kill, freeze, cut off and restart nodes of a cluster and members of its etcd in so many rounds under load, and check that nothing acknowledged is missing on any node
crash-cluster rounds="200":
    DOWNLINK_CLUSTER_ROUNDS={{rounds}} cargo test --release --features etcd --test cluster -- --nocapture nothing_acknowledged_is_missing

# Have programs of others ask the release service for what it describes of itself, with so many examples of each operation
api-fuzz examples="200" profile="release":
    @test -x target/api-fuzz/bin/pip || python3 -m venv target/api-fuzz
    @target/api-fuzz/bin/pip install --quiet --disable-pip-version-check --requirement tests/api-fuzz/requirements.txt
    DOWNLINK_API_FUZZ={{examples}} cargo test --profile {{profile}} --test it -- --nocapture strangers_ask_by_the_description

# Attack the release service with so many connections at once, and five times as many in turn, and check that nothing of it stays
attack connections="10000":
    DOWNLINK_ATTACK_CONNECTIONS={{connections}} cargo test --release --test it -- --nocapture attacks
