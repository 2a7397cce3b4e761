//! `appsec retire`: closes the open findings of a target that is not examined any more.

use appsec_core::{Coverage, PartitionKey};
use appsec_import::decision::Retirement;
use appsec_import::store::KnownPartition;
use appsec_import::{Binding, SqlStore, Store as _};
use serde_json::json;

use crate::app::App;
use crate::binding_args::webhooks_of;
use crate::exit::{Exit, Failure, Result};
use crate::import_run::{deliver_due, dispatcher, subscriptions};
use crate::output::{cell, good, warning};
use crate::selection::SelectionArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// The partition to retire, as the list shows it. Without it and --target-url, the partitions with open
    /// findings are listed
    #[arg(long, value_name = "PARTITION", conflicts_with = "target_url")]
    partition: Option<String>,
    /// The partition to retire, by the URL of its target
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
    /// Why, for example "the application was shut down"
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who retires it [default: the user's name in the environment]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Show what would close, and store nothing
    #[arg(long)]
    dry_run: bool,
}

/// In JSON: without a partition one document for each, `{"partition", "open", "last_seen", "examined"}`; else
/// `{"partition", "closed", "dry_run"}`.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.store().await?;
    let partitions = store.partitions(&binding).await.map_err(Failure::store)?;
    let Some(wanted) = args.partition.as_deref().or(args.target_url.as_deref()) else {
        return list(app, &store, &binding, &partitions).await;
    };
    let found = find(&partitions, wanted, args.target_url.is_some())?;
    let Some(reason) = args.reason.as_deref().filter(|reason| !reason.trim().is_empty()) else {
        return Err(Failure::usage("say why with --reason; it is stored and shown by `appsec explain`"));
    };
    if args.dry_run {
        return show(app, &found.partition, found.open, true);
    }
    let by = args
        .by
        .clone()
        .or_else(user_name)
        .ok_or_else(|| Failure::usage("say who retires it with --by; the environment names no user"))?;
    let dispatcher = dispatcher(app, &store)?;
    let webhooks = webhooks_of(app, &binding).await?;
    let subscriptions = subscriptions(&dispatcher, webhooks.as_deref());
    let retirement = Retirement::new(by, reason);
    let closed = store
        .retire(&binding, &found.partition, &retirement, &subscriptions)
        .await
        .map_err(Failure::store)?;
    deliver_due(&dispatcher).await;
    show(app, &found.partition, closed, false)
}

/// The name of the user in the environment.
fn user_name() -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.trim().is_empty()))
}

/// Finds the only partition with that key, or with that URL at the end of its key.
fn find<'a>(partitions: &'a [KnownPartition], wanted: &str, by_url: bool) -> Result<&'a KnownPartition> {
    let is_wanted = |known: &&KnownPartition| {
        let key = known.partition.as_str();
        if by_url { has_url(key, wanted) } else { key == wanted }
    };
    let mut found = partitions.iter().filter(is_wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several partitions have the URL {wanted}: name one with --partition; without both options they are listed"
        ))),
        (None, _) => Err(Failure::usage(format!(
            "the binding has no open findings in {wanted:?}; {}",
            match partitions {
                [] => "it has no open findings at all".to_owned(),
                known => {
                    let known: Vec<_> = known.iter().map(|known| known.partition.as_str()).collect();
                    format!("they are in {}", known.join(", "))
                }
            }
        ))),
    }
}

/// Whether the key ends with the URL. A slash at the end of the URL does not matter, and neither does the case
/// of its scheme and host.
fn has_url(key: &str, url: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_end_matches('/');
        let host_end = text
            .find("://")
            .map_or(0, |scheme| text[scheme + 3..].find('/').map_or(text.len(), |path| scheme + 3 + path));
        format!("{}{}", text[..host_end].to_lowercase(), &text[host_end..])
    };
    let (url, key) = (bare(url), key.trim_end_matches('/'));
    let Some(start) = key.len().checked_sub(url.len()).filter(|start| key.is_char_boundary(*start)) else {
        return false;
    };
    let before = key[..start].chars().next_back();
    key[start..] == url && before.is_none_or(|before| matches!(before, ':' | '/'))
}

async fn list(app: &App, store: &SqlStore, binding: &Binding, partitions: &[KnownPartition]) -> Result<Exit> {
    let last = store.last_run(binding).await.map_err(Failure::store)?;
    let coverage = last.map_or_else(Coverage::new, |run| run.coverage);
    let mut rows = Vec::new();
    for known in partitions {
        let examined = coverage.partition(&known.partition).is_some();
        if app.out.is_json() {
            app.out.json(&json!({ "partition": known.partition, "open": known.open,
                "last_seen": known.last_seen, "examined": examined }))?;
        }
        let examined = if examined { good("examined") } else { warning("not examined") };
        let last_seen = known.last_seen.strftime("%Y-%m-%d");
        rows.push([cell(&known.partition), cell(known.open), cell(last_seen), examined]);
    }
    if !app.out.is_json() {
        app.out.table(["PARTITION", "OPEN", "LAST SEEN", "LAST RUN"], &rows)?;
    }
    Ok(Exit::Passed)
}

fn show(app: &App, partition: &PartitionKey, closed: u64, dry_run: bool) -> Result<Exit> {
    if app.out.is_json() {
        app.out.json(&json!({ "partition": partition, "closed": closed, "dry_run": dry_run }))?;
    } else if dry_run {
        app.out.line(format_args!("would close up to {closed} findings of {partition}"))?;
    } else {
        app.out.line(format_args!("closed {closed} findings of {partition}"))?;
    }
    Ok(Exit::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_the_url_of_its_target() {
        let key = "config:1/target:https://shop.example.com/app";
        for url in ["https://shop.example.com/app", "HTTPS://Shop.Example.com/app/"] {
            assert!(has_url(key, url), "{url}");
        }
        for url in ["https://shop.example.com/", "https://shop.example.com/App", "shop.example.com/ap", ""] {
            assert!(!has_url(key, url), "{url}");
        }
        assert!(has_url("config:1/target:https://shop.example.com/", "https://SHOP.example.com"));
        assert!(has_url("host:shop.example.com", "shop.example.com"));
        assert!(!has_url("host:shop.example.com", "hop.example.com"));
        assert!(!has_url("ä", "xx"), "no boundary");
    }

    #[test]
    fn a_wrong_partition_is_an_error_that_lists_what_is_known() {
        let known = |key: &str| KnownPartition::new(key.into(), 1, appsec_core::Timestamp::UNIX_EPOCH);
        let partitions = [known("config:1/target:https://a/"), known("config:2/target:https://a/")];
        assert_eq!(find(&partitions, "config:2/target:https://a/", false).unwrap(), &partitions[1]);
        assert!(find(&partitions, "https://a", true).unwrap_err().message.contains("several"));
        assert!(
            find(&partitions, "config:3", false).unwrap_err().message.contains("config:1/target:https://a/")
        );
    }
}
