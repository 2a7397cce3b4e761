//! `cargo run -p examples --bin mocked_test`, and `cargo test -p examples --bin mocked_test`
//!
//! Tests an application against a fake service with scripted faults.
#![allow(clippy::print_stdout, reason = "an example prints")]

use appsec_core::{DastApiScanner, DastApiScannerExt, FindingQuery, Result};

/// The result of the application under test, a nightly import: findings that it did not report may be
/// closed only if nothing is missing.
#[derive(Debug, PartialEq)]
struct Nightly {
    findings: usize,
    missing: Vec<String>,
}

async fn nightly(scanner: &dyn DastApiScanner) -> Result<Nightly> {
    scanner.test_connection().await.into_result()?;
    let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await?;
    let missing = coverage.gaps().iter().map(ToString::to_string).collect();
    Ok(Nightly { findings: findings.len(), missing })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    use tenable_was_client::testing::{ExportScript, FakeTenableWas, demo_tenant};

    let fake = FakeTenableWas::builder().with_tenant(demo_tenant()).with_assets_per_chunk(1).start().await?;
    let scanner = fake.client()?;
    println!("without a fault: {:?}", nightly(&scanner).await?);
    fake.script_export(ExportScript::new().with_failed_chunks([2]));
    println!("with a failed chunk: {:?}", nightly(&scanner).await?);
    fake.revoke_keys();
    if let Err(error) = nightly(&scanner).await {
        println!("with revoked keys: {error}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind;
    use salt_client::testing::{FakeSalt, Reply, Route, When, demo_tenant};

    use super::*;

    async fn salt() -> FakeSalt {
        FakeSalt::builder().with_tenant(demo_tenant()).start().await.unwrap()
    }

    #[tokio::test]
    async fn a_429_is_retried_and_nothing_is_missing() {
        let fake = salt().await;
        let expected = nightly(&fake.client().unwrap()).await.unwrap();
        fake.script(Route::ListGaps, When::After(2), Reply::TooManyRequests { retry_after: Some(0) });
        assert_eq!(nightly(&fake.client().unwrap()).await.unwrap(), expected);
        assert!(
            fake.calls_to(Route::ListGaps).iter().any(|call| call.status == Some(429)),
            "the fault occurred"
        );
    }

    #[tokio::test]
    async fn a_revoked_token_is_an_auth_error_and_nothing_is_imported() {
        let fake = salt().await;
        let scanner = fake.client().unwrap();
        fake.revoke_token();
        let error = nightly(&scanner).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(fake.calls_to(Route::ListHosts).is_empty(), "no further request after the refusal");
    }
}
