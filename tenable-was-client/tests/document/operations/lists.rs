//! Applications, folders, plugins, and filter fields.

use tenable_was_client::model::{NewApplication, PluginId};

use super::{Row, Sample, done, id, json, page, rows};

rows! {
    "was-v2-add-application" as add_applications {
        |client| {
            let shop = NewApplication::new("shop", "https://shop.example.com:8443/eu").with_tag(id());
            json(&client.add_applications(&[shop, NewApplication::new("pay", "https://pay.example.com")]).await?)
        },
    }
    "was-v2-filters-scan-configs-list" as list_config_filters { |client| json(&client.list_config_filters().await?) }
    "was-v2-filters-scans-list" as list_scan_filters { |client| json(&client.list_scan_filters(id()).await?) }
    "was-v2-filters-user-templates-list" as list_user_template_filters {
        |client| json(&client.list_user_template_filters().await?),
    }
    "was-v2-filters-vulns-list" as list_vulnerability_filters { |client| json(&client.list_vulnerability_filters().await?) }
    "was-v2-filters-vulns-scan-list" as list_scan_vulnerability_filters {
        |client| json(&client.list_scan_vulnerability_filters(id()).await?),
    }
    "was-v2-folders-create" as create_folder { |client| json(&client.create_folder("Team shop").await?) }
    "was-v2-folders-list" as list_folders { |client| json(&client.list_folders().await?) }
    "was-v2-folders-update" as rename_folder { |client| json(&client.rename_folder(id(), "Team pay").await?) }
    "was-v2-folders-delete" as delete_folder { |client| { client.delete_folder(id()).await?; done() } }
    "was-v2-plugins-list" as list_plugins { |client| json(&client.list_plugins(&page()).await?) }
    "was-v2-plugins-details" as get_plugin { |client| json(&client.get_plugin(PluginId(98_074)).await?) }
}
