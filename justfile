# The same steps as `.ci/run`, one by one.

default: test

# the main job, on fakes
quickstart *args:
    cargo run -p examples --bin quickstart -- {{args}}

test:
    cargo test --workspace

lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps

ci:
    .ci/run
