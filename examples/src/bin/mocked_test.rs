//! `cargo run -p examples --bin mocked_test`, and `cargo test -p examples --bin mocked_test`
//!
//! A test suite against a fake service with scripted faults: what does an application do when the service goes wrong?
#![allow(clippy::print_stdout, reason = "an example prints")]

use appsec_core::{DastApiScanner, DastApiScannerExt, FindingQuery, Result};

/// The application under test: may its nightly import close the findings that it did not see?
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
    println!("all is well: {:?}", nightly(&scanner).await?);
    fake.script_export(ExportScript::new().with_failed_chunks([2]));
    println!("a chunk failed: {:?}", nightly(&scanner).await?);
    fake.revoke_keys();
    if let Err(error) = nightly(&scanner).await {
        println!("keys revoked: {error}");
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
    async fn a_busy_service_is_asked_again_and_nothing_is_missing() {
        let fake = salt().await;
        let undisturbed = nightly(&fake.client().unwrap()).await.unwrap();
        fake.script(Route::ListGaps, When::After(2), Reply::TooManyRequests { retry_after: Some(0) });
        assert_eq!(nightly(&fake.client().unwrap()).await.unwrap(), undisturbed);
        assert!(
            fake.calls_to(Route::ListGaps).iter().any(|call| call.status == Some(429)),
            "the fault was met"
        );
    }

    #[tokio::test]
    async fn a_revoked_token_is_named_as_the_cause_and_nothing_is_imported() {
        let fake = salt().await;
        let scanner = fake.client().unwrap();
        fake.revoke_token();
        let error = nightly(&scanner).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(fake.calls_to(Route::ListHosts).is_empty(), "nothing is asked after the refusal");
    }
}
