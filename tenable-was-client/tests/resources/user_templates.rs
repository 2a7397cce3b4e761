//! User templates, in both forms of the service.

use appsec_core::ErrorKind;
use futures_util::TryStreamExt;
use serde_json::json;
use tenable_was_client::filter::Filter;
use tenable_was_client::model::{
    Permission, PermissionLevel, ResultsVisibility, UserTemplateId, UserTemplateUpdate,
};
use tenable_was_client::testing::{FakeConfig, FakeTenableWas, FakeUserTemplate, Reply, Route, When};
use tenable_was_client::{PageQuery, TenableWasClient};

use crate::client;

async fn fake(wrapped: bool) -> FakeTenableWas {
    let fake = FakeTenableWas::builder()
        .with_wrapped_user_templates(wrapped)
        .with_config(FakeConfig::new("shop").with_user_template("house rules"))
        .start()
        .await
        .unwrap();
    fake.edit(|tenant| {
        tenant.user_templates = vec![
            FakeUserTemplate::new("house rules").with_description("for all"),
            FakeUserTemplate::new("old"),
        ];
    });
    fake
}

async fn id_of(client: &TenableWasClient, name: &str) -> UserTemplateId {
    let all: Vec<_> = client.user_templates(Filter::everything()).try_concat().await.unwrap().records;
    all.into_iter().find(|template| template.name.as_deref() == Some(name)).unwrap().user_template_id
}

#[tokio::test]
async fn a_flat_or_wrapped_template_is_read_changed_and_written() {
    for wrapped in [false, true] {
        let fake = fake(wrapped).await;
        let client = client(&fake);
        let page = client.search_user_templates(&Filter::everything(), &PageQuery::new()).await.unwrap();
        assert_eq!(page.total(), Some(2));
        assert!(page.items.iter().all(|template| template.settings.is_none()), "not in listings");
        let template = client.get_user_template(id_of(&client, "house rules").await).await.unwrap();
        assert_eq!(template.description.as_deref(), Some("for all"));
        assert_eq!(template.settings.as_ref().unwrap().timeout.as_deref(), Some("08:00:00"));
        let id = template.user_template_id;
        let mut settings = template.settings.clone().unwrap();
        settings.timeout = Some("01:00:00".to_owned());
        let update = UserTemplateUpdate::from_template(template)
            .unwrap()
            .with_name("new rules")
            .with_default_permissions(PermissionLevel::View)
            .with_results_visibility(ResultsVisibility::Private)
            .with_permission(Permission::user(
                "0a1b2c3d-1111-4222-8333-444455556666",
                PermissionLevel::Control,
            ))
            .with_settings(settings);
        let answer = client.update_user_template(id, &update).await.unwrap().unwrap();
        let read = client.get_user_template(id).await.unwrap();
        assert_eq!(answer, read);
        assert_eq!((read.name.as_deref(), read.description.as_deref()), (Some("new rules"), Some("for all")));
        assert_eq!(*read.default_permissions.as_ref().unwrap(), PermissionLevel::View);
        assert_eq!(*read.results_visibility.as_ref().unwrap(), ResultsVisibility::Private);
        assert_eq!(*read.permissions[0].level.as_ref().unwrap(), PermissionLevel::Control);
        let settings = read.settings.unwrap();
        assert_eq!((settings.timeout.as_deref(), settings.debug_mode), (Some("01:00:00"), Some(false)));
    }
}

#[tokio::test]
async fn an_accepted_update_without_a_body_is_not_a_failure() {
    let fake = fake(false).await;
    let client = client(&fake);
    let id = id_of(&client, "old").await;
    let update = UserTemplateUpdate::from_template(client.get_user_template(id).await.unwrap()).unwrap();
    for answer in [json!({}), json!(null), json!([])] {
        fake.script(Route::UpdateUserTemplate, When::Next(1), Reply::Json(202, answer));
        assert_eq!(client.update_user_template(id, &update).await.unwrap(), None);
        fake.recover();
    }
}

#[tokio::test]
async fn a_template_that_is_in_use_cannot_be_deleted() {
    let fake = fake(false).await;
    let client = client(&fake);
    let error = client.delete_user_template(id_of(&client, "house rules").await).await.unwrap_err();
    let config = fake.edit(|tenant| tenant.configs[0].id.clone());
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("NOT_ALLOWED")));
    assert!(error.message().contains(&config), "{error}");
    let old = id_of(&client, "old").await;
    client.delete_user_template(old).await.unwrap();
    assert_eq!(client.get_user_template(old).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn roles_decide_who_can_read_and_write() {
    for (role, reads, writes) in [(16, false, false), (24, true, false), (40, true, true)] {
        let fake = FakeTenableWas::builder().with_role(role).start().await.unwrap();
        fake.edit(|tenant| tenant.user_templates.push(FakeUserTemplate::new("old")));
        let id = fake.edit(|tenant| tenant.user_templates[0].id.parse().unwrap());
        let client = client(&fake);
        assert_eq!(client.get_user_template(id).await.is_ok(), reads, "{role}");
        assert_eq!(client.list_user_template_filters().await.is_ok(), reads, "{role}");
        match client.delete_user_template(id).await {
            Ok(()) => assert!(writes, "{role}"),
            Err(error) => assert_eq!((error.kind(), writes), (ErrorKind::PermissionDenied, false), "{role}"),
        }
    }
}
