//! The vendor's templates and user templates.

use tenable_was_client::filter::{Filter, TemplateNameValue, UserTemplateField};
use tenable_was_client::model::{Permission, PermissionLevel, ResultsVisibility, UserTemplateUpdate};

use super::settings::{by_url, settings};
use super::{ID, Row, Sample, done, id, json, page, rows};

fn update() -> UserTemplateUpdate {
    UserTemplateUpdate::new("house rules", ID, id(), settings())
        .with_description("for every site")
        .with_default_permissions(PermissionLevel::View)
        .with_results_visibility(ResultsVisibility::Private)
        .with_permission(Permission::group(ID, PermissionLevel::Control))
}

rows! {
    "was-v2-templates-list" as list_templates { |client| json(&client.list_templates(&page()).await?) }
    "was-v2-templates-details" as get_template { |client| json(&client.get_template(id()).await?) }
    "was-v2-user-templates-search" as search_user_templates {
        |client| json(&client.search_user_templates(&Filter::everything(), &page()).await?),
        |client| json(&client.search_user_templates(&UserTemplateField::NAME.is("house rules").into(), &page()).await?),
        |client| {
            let filter = Filter::both(
                [UserTemplateField::TEMPLATE_NAME.is(TemplateNameValue::Scan)],
                [UserTemplateField::DESCRIPTION.matches("site")],
            );
            json(&client.search_user_templates(&filter, &page()).await?)
        },
    }
    "was-v2-user-templates-details" as get_user_template { |client| json(&client.get_user_template(id()).await?) }
    "was-v2-user-templates-update" as update_user_template {
        |client| json(&client.update_user_template(id(), &update()).await?),
        |client| json(&client.update_user_template(id(), &update().with_settings(by_url())).await?),
    }
    "was-v2-user-templates-delete" as delete_user_template {
        |client| { client.delete_user_template(id()).await?; done() },
    }
}
