# Single steps: some of `.ci/run`'s, and some beyond it. `just ci` runs the whole of `.ci/run`.

default: test

# the main program, on fakes
quickstart *args:
    cargo run -p examples --bin quickstart -- {{args}}

test:
    cargo test --workspace

lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps

# one minute per target, or for the named ones; see fuzz/README.md
fuzz *targets:
    fuzz/run {{targets}}

# mutation tests; see CONTRIBUTING.md
mutants:
    cargo mutants -p appsec-core -- --lib
    cargo mutants -p appsec-http -- --lib
    cargo mutants -p appsec-import --features sqlite -- --lib --test reconcile --test observations --test parity --test import
    cargo mutants -p salt-client -- --lib
    cargo mutants -p tenable-was-client -- --lib

ci:
    .ci/run
