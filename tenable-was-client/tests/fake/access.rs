//! Keys, roles, licence.

use serde_json::json;
use tenable_was_client::testing::{FakeConfig, FakeTarget, FakeTenableWas, Licence, Route};

use crate::http::{exchange, get, keys, launch, post, send};

fn shop() -> FakeConfig {
    FakeConfig::new("shop").with_target(FakeTarget::new("https://shop.example.com/"))
}

#[tokio::test]
async fn keys_are_taken_with_blanks_and_a_semicolon_at_the_end_and_nothing_else() {
    let fake = FakeTenableWas::builder().with_keys("ak", "sk").start().await.unwrap();
    for (header, status) in [
        ("accessKey=ak;secretKey=sk", 200),
        ("accessKey=ak; secretKey=sk", 200),
        ("accessKey=ak;secretKey=sk;", 200),
        (" secretKey = sk ; accessKey = ak ; ", 200),
        ("accessKey=ak;secretKey=other", 401),
        ("accessKey=ak", 401),
        ("ak;sk", 401),
        ("", 401),
    ] {
        let got = exchange(&fake, "GET", "/session", &[("x-apikeys", header)], "").await;
        assert_eq!(got.status, status, "{header:?}");
    }
    let got = exchange(&fake, "GET", "/session", &[], "").await;
    let documented = include_str!("../../fixtures/fake/error_unauthorized.json");
    assert_eq!(got.status, 401);
    assert_eq!(got.json(), serde_json::from_str::<serde_json::Value>(documented).unwrap());
}

#[tokio::test]
async fn revoked_keys_are_refused() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let old = keys(&fake);
    fake.revoke_keys();
    assert_eq!(exchange(&fake, "GET", "/session", &[("x-apikeys", &old)], "").await.status, 401);
    assert_eq!(get(&fake, "/session").await.status, 200);
}

#[tokio::test]
async fn each_operation_asks_for_its_role() {
    let config = shop();
    let (launch, details) =
        (format!("/was/v2/configs/{}/scans", config.id), format!("/was/v2/configs/{}", config.id));
    for (role, method, path, lowest) in [
        (16, "POST", "/was/v2/configs/search", 16),
        (16, "GET", &*details, 24),
        (24, "GET", &details, 24),
        (16, "POST", &launch, 24),
        (24, "POST", &launch, 24),
        (24, "GET", "/was/v2/templates", 32),
        (32, "GET", "/was/v2/templates", 32),
        (16, "POST", "/was/v1/export/vulns", 16),
        (16, "GET", "/was/v2/folders", 16),
        (16, "POST", "/was/v2/vulnerabilities/search", 16),
        (16, "POST", "/was/v2/user-templates/search", 24),
        (24, "POST", "/was/v2/user-templates/search", 24),
        (24, "PUT", "/was/v2/user-templates/00000000-0000-4000-8000-000000000000", 40),
        (40, "PUT", "/was/v2/user-templates/00000000-0000-4000-8000-000000000000", 40),
    ] {
        let fake =
            FakeTenableWas::builder().with_role(role).with_config(config.clone()).start().await.unwrap();
        let got = send(&fake, method, path, "{}").await;
        assert_eq!(got.status != 403, role >= lowest, "{role} {path}: {}", got.status);
        if got.status == 403 {
            assert_eq!(got.json(), json!({}));
        }
        assert_eq!(get(&fake, "/session").await.json()["permissions"], role);
    }
}

#[tokio::test]
async fn a_configuration_that_may_only_be_viewed_cannot_be_run() {
    let fake = FakeTenableWas::builder()
        .with_config(shop().with_user_permissions("view"))
        .with_config(FakeConfig::new("hidden").with_user_permissions("no_access"))
        .start()
        .await
        .unwrap();
    let search = post(&fake, "/was/v2/configs/search", &json!({})).await;
    assert_eq!(search.column("name"), ["shop"]);
    let id = search.column("config_id").remove(0);
    let got = send(&fake, "POST", &format!("/was/v2/configs/{id}/scans"), "").await;
    assert_eq!((got.status, got.reason().1), (403, "OPERATION_FORBIDDEN".to_owned()));
}

#[tokio::test]
async fn the_licence_shows_in_the_server_properties_and_guards_the_launch() {
    for (licence, shown, can_launch) in
        [(Licence::Active, true, true), (Licence::Expired, true, false), (Licence::Absent, false, false)]
    {
        let config = shop();
        let fake = FakeTenableWas::builder()
            .with_licence(licence)
            .with_config(config.clone())
            .start()
            .await
            .unwrap();
        let apps = get(&fake, "/server/properties").await.json()["license"]["apps"].clone();
        assert_eq!(apps.get("was").is_some(), shown, "{licence:?}");
        if shown {
            let expires = apps["was"]["expiration_date"].as_i64().unwrap();
            assert_eq!(expires > fake.now().as_second(), can_launch, "{licence:?}");
        }
        assert_eq!(post(&fake, "/was/v2/configs/search", &json!({})).await.items().len(), 1, "{licence:?}");
        if can_launch {
            launch(&fake, &config.id).await;
        } else {
            let got = send(&fake, "POST", &format!("/was/v2/configs/{}/scans", config.id), "").await;
            assert_eq!(got.status, 403, "{licence:?}");
        }
    }
}

#[tokio::test]
async fn the_platform_answers_beside_the_product() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    assert_eq!(get(&fake, "/server/status").await.json(), json!({"code": 200, "status": "ready"}));
    let scanners = get(&fake, "/scanners").await.json();
    assert_eq!(scanners["scanners"][0]["supports_webapp"], true);
    let got = get(&fake, "/was/v2/nothing").await;
    assert_eq!((got.status, got.json()["statusCode"].as_u64()), (404, Some(404)));
    assert_eq!(fake.calls_to(Route::Unknown).len(), 1);
}
