//! No secret is printed: whatever both clients, the import and the webhooks do, successfully or not, no
//! marker appears in logs, errors, `Debug` output, JSON, the store's file or the bodies of webhooks. Ids
//! stay in their path segment, and no value that a user sets can inject a header.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{
    BindTargetId, BindTargetQuery, DastApiScanner, Error, ErrorKind, FindingQuery, FindingStatus, ScanId,
    ScanRequest, StatusChange,
};
use appsec_http::HttpOptions;
use appsec_import::outbox::Outbox;
use appsec_import::webhook::{DeliveryOptions, Dispatcher, Endpoint};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::StreamExt;
use proof::secrets::{Log, Whose, everything, leak, leak_in_bytes};
use proof::{Response, ResponseFault, ShortTimeouts, TestBed, Vendor, When, read_all, read_query};
use salt_client::{GapChange, GapStatus, GapsQuery, ListQuery, SaltClient, SpeculativeBody, Webhook};
use serde_json::json;
use tenable_was_client::TenableWasClient;
use tenable_was_client::filter::Filter;
use tenable_was_client::model::{
    AssetId, AttachmentId, ConfigId, CredentialId, ExportId, ExportRequest, FolderId, PluginId, ReportFormat,
    TagId, TemplateId, TenableScanId, TrackingId, UserTemplateId, VulnId,
};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// `canarycanarycanarycanarycanary` as the secret of a webhook.
const WEBHOOK_SECRET: &str = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";

/// Everything that was printed, with its origin.
#[derive(Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push((name.into(), text.into()));
    }

    fn error<T>(&mut self, name: &str, result: Result<T, Error>) {
        if let Err(error) = result {
            self.add(name, everything(&error));
        }
    }

    fn leaks(&self) -> Vec<String> {
        self.0.iter().filter_map(|(name, text)| Some(format!("{name}: {}", leak(text)?))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_whatever_is_done() {
    let log = Log::record(Whose::Everybodys);
    let mut shown = Shown::default();
    for vendor in Vendor::BOTH {
        let bed = TestBed::start(vendor, "secrets").await;
        through_the_trait(&bed, "ordinary", &mut shown).await;
        imported_and_told(&bed, "ordinary", &mut shown).await;
        for (name, fault) in failures(&bed) {
            bed.gateway.recover();
            bed.gateway.inject(vendor.any(), When::Always, fault.clone());
            through_the_trait(&bed, name, &mut shown).await;
            // Failures before the first data, and failures in the middle of it.
            bed.gateway.recover();
            bed.inject(When::From(1), fault);
            imported_and_told(&bed, name, &mut shown).await;
        }
        behind_a_proxy(&bed, &mut shown).await;
    }
    own_calls(&mut shown).await;
    hooks_of_salt(&mut shown);
    let (leaks, logged) = (shown.leaks(), log.leaks());
    assert!(shown.0.len() > 80, "{} things were printed", shown.0.len());
    assert!(log.ours() > 500, "{} lines were logged", log.ours());
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(logged.is_empty(), "{logged:#?}");
}

/// Responses that echo the request, and responses that break in the middle of evidence.
fn failures(bed: &TestBed) -> Vec<(&'static str, ResponseFault)> {
    let secret = bed.secrets().join(" ");
    let echo = |status| {
        let said = json!({"message": format!("refused: {secret}"), "error": secret, "code": secret, "authorization": secret});
        ResponseFault::Instead(Response::json(status, &said).with_header("x-request-uuid", secret.as_str()))
    };
    let plain = Response::html(503).with_body(format!("<html>{secret}</html>"));
    let to = format!("https://user:{}@login.example.test/?token={}", bed.secrets()[0], bed.secrets()[0]);
    vec![
        ("401", echo(401)),
        ("403", echo(403)),
        ("404", echo(404)),
        ("429", echo(429)),
        ("500", echo(500)),
        ("200", echo(200)),
        ("a page", ResponseFault::Instead(plain)),
        ("a redirect", ResponseFault::Instead(Response::html(302).with_header("location", to))),
        ("cut JSON", ResponseFault::ShortTimeouts(60)),
        ("cut early", ResponseFault::ShortTimeouts(12)),
        ("other JSON", ResponseFault::replace("\"", "'")),
        ("other types", ResponseFault::replace(":\"", ":[],\"x\":\"")),
        ("a reset", ResponseFault::Reset(50)),
        ("noise", ResponseFault::Noise),
    ]
}

/// Calls every method of the trait, and prints each result in every form.
async fn through_the_trait(bed: &TestBed, name: &str, shown: &mut Shown) {
    let of = |what: &str| format!("{} {name}: {what}", bed.vendor);
    let scanner = bed.scanner(&ShortTimeouts::new());
    let report = scanner.test_connection().await;
    shown.add(of("connection"), format!("{report}\n{report:?}\n{}", serde_json::to_string(&report).unwrap()));
    let mut first = None;
    let mut targets = scanner.bind_targets(BindTargetQuery::default());
    while let Some(page) = targets.next().await {
        match page {
            Ok(page) => {
                shown.add(of("targets"), format!("{page:?}{}", serde_json::to_string(&page).unwrap()));
                first = first.or_else(|| page.first().map(|target| target.id.clone()));
            }
            Err(error) => shown.add(of("targets"), everything(&error)),
        }
    }
    shown.add(of("findings"), read_all(&*scanner).await.shown);
    shown.add(of("findings, raw"), read_query(&*scanner, FindingQuery::all().with_raw(true)).await.shown);
    let target = first.unwrap_or_else(|| "config:77778888-9999-4aaa-8bbb-ccccddddeeee".into());
    match scanner.start_scan(&ScanRequest::new(target.clone())).await {
        Ok(started) => {
            let scan = started.into_scan();
            shown.add(of("scan"), format!("{scan:?}{}", serde_json::to_string(&scan).unwrap()));
            shown.error(&of("look at scan"), scanner.scan(&scan.id).await);
            shown.add(
                of("findings of scan"),
                read_query(&*scanner, FindingQuery::scan(scan.id.clone())).await.shown,
            );
            shown.error(&of("stop scan"), scanner.stop_scan(&scan.id).await);
        }
        Err(error) => shown.add(of("start scan"), everything(&error)),
    }
    let mut scans = scanner.scans(&target);
    while let Some(page) = scans.next().await {
        match page {
            Ok(page) => shown.add(of("scans"), format!("{page:?}")),
            Err(error) => shown.add(of("scans"), everything(&error)),
        }
    }
    let change = StatusChange::new("6810f2c40000", FindingStatus::Ignored);
    shown.error(&of("change of status"), scanner.set_finding_status(&change).await);
}

/// An import with webhooks to a receiver that accepts them, one that refuses them and echoes the secret,
/// and one that does not exist; and the store's file.
async fn imported_and_told(bed: &TestBed, name: &str, shown: &mut Shown) {
    let of = |what: &str| format!("{} {name}: {what}", bed.vendor);
    let (good, bad) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).mount(&good).await;
    let echo = ResponseTemplate::new(500).set_body_string(format!("canary {WEBHOOK_SECRET}"));
    Mock::given(any()).respond_with(echo).mount(&bad).await;
    let endpoint = |name: &str, url: String| {
        let url = format!("{url}/canary/hook?sig=canary");
        Endpoint::new(name, url, WEBHOOK_SECRET).unwrap().with_header("x-key", "canary").unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.db");
    let store = Arc::new(SqlStore::connect(&format!("sqlite:{}", file.display())).await.unwrap());
    let endpoints = [
        endpoint("good", good.uri()),
        endpoint("bad", bad.uri()),
        endpoint("absent", "http://127.0.0.1:9".to_owned()),
    ];
    let delivery = DeliveryOptions::new().with_timeout(Duration::from_secs(5));
    let dispatcher = Dispatcher::new(Arc::clone(&store) as Arc<dyn Outbox>, endpoints, &delivery).unwrap();

    let importer = Importer::new(bed.scanner(&ShortTimeouts::new()), Arc::clone(&store) as _);
    let binding = Binding::new("proof", bed.vendor.key(), ScanConfiguration::new("all"));
    let options = ImportOptions::new().with_subscriptions(dispatcher.subscriptions());
    match importer.run(&binding, &options).await {
        Ok(import) => shown
            .add(of("import"), format!("{import} {import:?} {}", serde_json::to_string(&import).unwrap())),
        Err(error) => shown.add(of("import"), everything(&error)),
    }
    let delivered = dispatcher.deliver_due().await.unwrap();
    shown.add(of("webhooks"), format!("{importer:?} {dispatcher:?} {delivered:?} {options:?}"));
    for request in good.received_requests().await.unwrap() {
        shown.add(of("body of a webhook"), String::from_utf8_lossy(&request.body));
    }
    drop((importer, dispatcher));
    store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        shown.add(of("file of the store"), leak_in_bytes(&bytes).unwrap_or_default());
    }
}

/// A proxy with a password that does not exist.
async fn behind_a_proxy(bed: &TestBed, shown: &mut Shown) {
    let mut timeouts = ShortTimeouts::new();
    timeouts.http =
        timeouts.http.with_proxy("http://canary:canary@127.0.0.1:9").with_accept_invalid_certs(true);
    let url = "https://scanner.example.test";
    let scanner = bed.try_scanner(url, &timeouts).unwrap();
    shown.add("proxy: options", format!("{:?} {scanner:?}", timeouts.http));
    shown.add(
        "proxy: builders",
        match bed.vendor {
            Vendor::Salt => format!("{:?}", bed.salt_client(url, &timeouts)),
            Vendor::Tenable => format!("{:?}", bed.tenable_client(url, &timeouts)),
        },
    );
    let report = scanner.test_connection().await;
    shown
        .add("proxy: connection", format!("{report} {report:?} {}", serde_json::to_string(&report).unwrap()));
    shown.add("proxy: findings", read_all(&*scanner).await.shown);
}

/// Calls of the clients' own methods. They return responses as the service sent them: evidence may appear
/// there, credentials may not.
async fn own_calls(shown: &mut Shown) {
    let bed = TestBed::start(Vendor::Tenable, "own").await;
    let client = bed.tenable_client(&bed.gateway.url(), &ShortTimeouts::new()).build().unwrap();
    let config = client.configs(Filter::everything()).next().await.unwrap().unwrap()[0].config_id;
    let scan: TenableScanId = bed.tenable().scans_of(&config.to_string())[0].parse().unwrap();
    let mut said = String::new();
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    let chunks = job.next_chunks().await.unwrap().unwrap();
    let mut file = Vec::new();
    let _ = write!(
        said,
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {job:?} {:?} {:?}",
        client.get_config(config).await.unwrap(),
        client.get_scan(scan).await.unwrap(),
        client.get_session().await.unwrap(),
        client.get_server_properties().await.unwrap(),
        client.list_scanners().await,
        client.vulnerabilities_of_scan(scan, Filter::everything()).next().await,
        client.save_report(scan, ReportFormat::Json, &mut file).await,
        client.export_chunk(job.id(), chunks[0]).unwrap().next().await,
        client.get_plugin(PluginId(98_100)).await,
    );
    let salt = TestBed::start(Vendor::Salt, "own").await;
    let client = salt.salt_client(&salt.gateway.url(), &ShortTimeouts::new()).build().unwrap();
    let change = GapChange::new("6810f2c40000", GapStatus::Ignored);
    let _ = write!(
        said,
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        client.list_gaps(&GapsQuery::new().with_details(true)).await.unwrap(),
        client.list_hosts(&ListQuery::new()).await.unwrap(),
        client.get_cloud_asset("a").await,
        client.get_openapi("h0.shop.example").await,
        client.write_gap_status(&change, &SpeculativeBody::Object).await,
        client.verify_gap_status(&change).await,
    );
    for secret in bed.secrets().into_iter().chain(salt.secrets()) {
        if let Some(at) = said.find(&secret) {
            shown.add("own calls", said[at.saturating_sub(200)..at + 20].to_owned());
        }
    }
    assert!(said.len() > 5_000);
}

fn hooks_of_salt(shown: &mut Shown) {
    let hook = Webhook::new("canary-hook").with_header("x-webhook-token");
    shown.add("Salt's webhook", format!("{hook:?}"));
    shown.error("Salt's webhook, guessed", hook.verify([("x-webhook-token", "guessed")], b"{}"));
    shown.error(
        "Salt's webhook, cut",
        hook.verify([("x-webhook-token", "canary-hook")], br#"{"token": "canary-hook""#),
    );
    let event = hook
        .verify([("x-webhook-token", "canary-hook")], br#"{"token": "canary-hook", "host": "a.example"}"#);
    shown.add("Salt's webhook, right", format!("{:?}", event.unwrap()));
}

/// Malformed ids.
const ODD_IDS: [&str; 15] = [
    "..",
    ".",
    "",
    "../../session",
    "%2e%2e",
    "%2e%2e%2fsession",
    "a/b",
    "a\\..\\b",
    "a?b=c",
    "a#b",
    "a\r\nX-Other: 1",
    "a\0b",
    "\u{202e}a",
    "ä ö",
    "a;b=c",
];

#[tokio::test]
async fn ids_of_salt_stay_in_their_segment() {
    let bed = TestBed::start(Vendor::Salt, "ids").await;
    let client = bed.salt_client(&bed.gateway.url(), &ShortTimeouts::new()).with_host_parameter(true);
    let client = client.with_write_back(SpeculativeBody::Object).build().unwrap();
    for id in ODD_IDS {
        let before = bed.gateway.requests().len();
        let asset = client.get_cloud_asset(id).await;
        let sent = bed.gateway.requests().split_off(before);
        if sent.is_empty() {
            assert_eq!(asset.unwrap_err().kind(), ErrorKind::InvalidRequest, "{id:?}");
        } else {
            let segment = sent[0].strip_prefix("GET /v1/cloud-connect/cloud-assets/asset/").expect(&sent[0]);
            assert!(
                !segment.contains(['/', '?', '#', '\\']) && segment != ".." && !segment.is_empty(),
                "{id:?}: {segment}"
            );
            let call = bed.salt().calls().pop().unwrap();
            assert_eq!(call.param(0), id, "what arrives is the id");
        }
        // Ids in a query, in a body, and in a finding query.
        let before = bed.gateway.requests().len();
        let _ = client.get_openapi(id).await;
        let _ = client.list_gaps(&GapsQuery::new().with_host(id).with_parameter("x", id)).await;
        let change = GapChange::new(id, GapStatus::Ignored).with_comment(id);
        let _ = client.write_gap_status(&change, &SpeculativeBody::Object).await;
        let _ = client.verify_gap_status(&change).await;
        let _ = client.set_finding_status(&StatusChange::new(id, FindingStatus::Ignored)).await;
        let _ = read_query(&client, FindingQuery::target(BindTargetId::from_parts("host", id))).await;
        let _ = client.scan(&ScanId::from(id)).await;
        let known = [
            "/v1/unified-inventory/oas-swagger?hostname=",
            "/v1/apigovern/posture/gaps",
            "/v1/inventory/hosts?",
        ];
        for request in bed.gateway.requests().split_off(before) {
            let (_, target) = request.split_once(' ').unwrap();
            assert!(known.iter().any(|known| target.starts_with(known)), "{id:?}: {request}");
            assert!(
                !target.contains("..") || !target.contains('/') || target.contains('?'),
                "{id:?}: {request}"
            );
        }
        // A path given by the user stays below the base URL.
        let before = bed.gateway.requests().len();
        let _ = client.get_json(&format!("/v1/{id}/things"), &[("a", id)]).await;
        for request in bed.gateway.requests().split_off(before) {
            assert!(request.starts_with("GET /v1/") && request.contains("/things?a="), "{id:?}: {request}");
        }
    }
    assert!(bed.salt().calls().iter().all(|call| call.header("x-other").is_none()));
}

/// Each kind of id rejects it with an error.
fn refuses<T: FromStr<Err = Error>>(id: &str) {
    let refused = T::from_str(id).err().unwrap_or_else(|| panic!("{} is taken for an id", id.escape_debug()));
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{id:?}");
}

#[tokio::test]
async fn ids_of_tenable_are_of_their_kind_or_refused() {
    let bed = TestBed::start(Vendor::Tenable, "ids").await;
    let client = bed.tenable_client(&bed.gateway.url(), &ShortTimeouts::new()).build().unwrap();
    let uuid = "77778888-9999-4aaa-8bbb-ccccddddeeee";
    for id in ODD_IDS.map(str::to_owned).into_iter().chain([format!("{uuid}/../x"), format!("{uuid}\r\n")]) {
        let id = id.as_str();
        refuses::<ConfigId>(id);
        refuses::<TenableScanId>(id);
        refuses::<AssetId>(id);
        refuses::<TemplateId>(id);
        refuses::<UserTemplateId>(id);
        refuses::<VulnId>(id);
        refuses::<ExportId>(id);
        refuses::<FolderId>(id);
        refuses::<AttachmentId>(id);
        refuses::<TagId>(id);
        refuses::<CredentialId>(id);
        refuses::<TrackingId>(id);
        let (scan, target) = (ScanId::from(id), BindTargetId::from_parts("config", id));
        let refused = |error: Option<Error>| {
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::InvalidRequest), "{id:?}");
        };
        refused(client.scan(&scan).await.err());
        refused(client.stop_scan(&scan).await.err());
        refused(client.start_scan(&ScanRequest::new(target.clone())).await.err());
        refused(client.scans(&target).next().await.and_then(Result::err));
        refused(read_query(&client, FindingQuery::target(target)).await.end.and_then(Result::err));
        refused(read_query(&client, FindingQuery::scan(scan)).await.end.and_then(Result::err));
        assert_eq!(bed.gateway.requests(), Vec::<String>::new(), "{id:?}: nothing was sent");
    }
    // Ids from the service are checked alike.
    for (place, from, to) in [
        ("/configs/search", "\"config_id\":\"", "\"config_id\":\"../../"),
        ("/status", "\"chunks_available\":[", "\"chunks_available\":[\"../../session\","),
        ("POST /was/v1/export/vulns", "\"export_uuid\":\"", "\"export_uuid\":\"../"),
        ("/by-targets/search", "\"scan_id\":\"", "\"scan_id\":\"../../x?"),
    ] {
        bed.gateway.recover();
        bed.gateway.inject(place, When::Always, ResponseFault::replace(from, to));
        let _ = read_all(&client).await;
    }
    for request in bed.gateway.requests() {
        assert!(!request.contains("..") && !request.contains("session"), "{request}");
    }
    // Other text is sent in bodies and queries only.
    let _ = client.move_config(uuid.parse().unwrap(), "../x\r\ny").await;
    let _ = client.create_folder("../x\r\ny").await;
    let page = tenable_was_client::PageQuery::new().with_sort("a&limit=1#x\r\ny");
    let _ = client.list_plugins(&page).await;
    let last = bed.gateway.requests().pop().unwrap();
    assert!(last.starts_with("GET /was/v2/plugins?") && !last.contains("&limit=1"), "{last}");
}

/// Rejected before anything is sent, and without repeating the text.
fn refused<T>(what: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{what} was taken"));
    assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::InvalidRequest), "{what}: {error}");
    assert_eq!(leak(&everything(&error)), None, "{what}");
}

#[test]
fn nothing_that_a_user_sets_becomes_a_header_of_its_own() {
    for bad in ["canary\r\nX-Other: 1", "canary\nX-Other: 1", "canary\0", "canary\u{7f}"] {
        refused("a token", SaltClient::builder("http://127.0.0.1:9", bad).build());
        refused("an access key", TenableWasClient::builder(bad, "fine").build());
        refused("a secret key", TenableWasClient::builder("fine", bad).build());
        let agent = HttpOptions::new().with_user_agent(bad);
        refused(
            "a user agent",
            SaltClient::builder("http://127.0.0.1:9", "fine").with_http(agent.clone()).build(),
        );
        refused("a user agent", TenableWasClient::builder("fine", "fine").with_http(agent).build());
        for (vendor, product, version) in [(bad, "b", "c"), ("a", bad, "c"), ("a", "b", bad)] {
            let client = TenableWasClient::builder("fine", "fine").with_integration(vendor, product, version);
            refused("the name of an integration", client.build());
        }
        let endpoint = || Endpoint::new("hook", "https://hooks.example/", WEBHOOK_SECRET).unwrap();
        refused("a webhook's header", endpoint().with_header("x-key", bad));
        refused("the name of a webhook's header", endpoint().with_header("x-key\r\nX-Other", "canary"));
        refused(
            "a webhook's secret",
            Endpoint::new("hook", "https://hooks.example/", format!("whsec_{bad}")),
        );
    }
    refused("a key with another key in it", TenableWasClient::builder("canary;secretKey=x", "fine").build());
}
