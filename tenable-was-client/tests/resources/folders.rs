//! Folders, and applications.

use appsec_core::ErrorKind;
use futures_util::TryStreamExt;
use tenable_was_client::filter::ConfigField;
use tenable_was_client::model::NewApplication;
use tenable_was_client::testing::{FakeConfig, FakeFolder, FakeTarget, FakeTenableWas, Route};

use crate::client;

#[tokio::test]
async fn folders_are_created_renamed_listed_and_deleted_with_their_content() {
    let fake = FakeTenableWas::builder()
        .with_config(FakeConfig::new("shop").in_folder("Team a"))
        .start()
        .await
        .unwrap();
    fake.edit(|tenant| tenant.folders.push(FakeFolder::new("Team a")));
    let client = client(&fake);
    let made = client.create_folder("Team b_2 - eu").await.unwrap();
    let names = async || -> Vec<_> {
        client.list_folders().await.unwrap().into_iter().map(|folder| folder.name.unwrap()).collect()
    };
    assert_eq!(names().await, ["Team a", "Team b_2 - eu"]);
    let first = client.list_folders().await.unwrap().remove(0);
    let renamed = client.rename_folder(first.folder_id, "Team c").await.unwrap();
    assert_eq!((renamed.folder_id, renamed.name.as_deref()), (first.folder_id, Some("Team c")));
    let filed = ConfigField::FOLDER_NAME.is("Team c");
    let configs: Vec<_> = client.configs(filed).try_concat().await.unwrap().records;
    assert_eq!(configs[0].in_trash, Some(false));
    client.delete_folder(first.folder_id).await.unwrap();
    client.delete_folder(made.folder_id).await.unwrap();
    assert!(names().await.is_empty());
    let configs: Vec<_> = client.configs(ConfigField::NAME.is("shop")).try_concat().await.unwrap().records;
    assert_eq!(configs[0].in_trash, Some(true), "the content of a folder is moved to the trash");
}

#[tokio::test]
async fn folders_of_others_cannot_be_changed_and_invalid_names_are_refused() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    fake.edit(|tenant| tenant.folders.push(FakeFolder::new("Provided").provided()));
    let client = client(&fake);
    let provided = client.list_folders().await.unwrap().remove(0).folder_id;
    for error in [
        client.rename_folder(provided, "Mine").await.unwrap_err(),
        client.delete_folder(provided).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::PermissionDenied, Some("OPERATION_FORBIDDEN")));
    }
    for name in ["asdf$#", "", "a/b"] {
        let error = client.create_folder(name).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::InvalidRequest, Some("INVALID_JSON_BODY")),
            "{name:?}"
        );
    }
    client.create_folder("Once").await.unwrap();
    assert_eq!(client.create_folder("Once").await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn applications_are_added_with_a_result_for_each_url() {
    let target = FakeTarget::new("https://shop.example.com/");
    let asset = target.asset_id.clone();
    let fake = FakeTenableWas::builder()
        .with_config(FakeConfig::new("shop").with_target(target))
        .start()
        .await
        .unwrap();
    let client = client(&fake);
    let (shop, site) = ("https://shop.example.com/", "https://site.example.com:8443/marketing");
    let added = client
        .add_applications(&[NewApplication::new("Shop", shop), NewApplication::new("Site", site)])
        .await
        .unwrap();
    assert_eq!((added[shop].success, added[shop].is_new), (Some(true), Some(false)), "it is scanned already");
    assert_eq!(added[shop].asset_id.unwrap().to_string(), asset);
    assert_eq!((added[site].success, added[site].is_new), (Some(true), Some(true)));
    let again = client.add_applications(&[NewApplication::new("Site", site)]).await.unwrap();
    assert_eq!(again[site].is_new, Some(false));
    let taken = "https://other.example.com/";
    let refused = client.add_applications(&[NewApplication::new("Site", taken)]).await.unwrap();
    assert_eq!((refused[taken].success, refused[taken].asset_id), (Some(false), None));
}

#[tokio::test]
async fn an_application_without_a_url_is_refused_with_the_missing_field() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let error = client(&fake).add_applications(&[NewApplication::new("Shop", "")]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("INPUT_FORM_VIOLATION")));
    assert!(error.message().contains(".url: the value must be specified"), "{error}");
    assert_eq!(fake.calls_to(Route::AddApplications).len(), 1);
}
