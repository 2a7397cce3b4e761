//! No secret is printed. Whatever both clients, the import and the webhooks do, successfully or not, no
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
use proof::secrets::{Log, LogScope, find_leak, find_leak_in_bytes, format_error_chain};
use proof::{Response, ResponseFault, TestBed, Timeouts, Vendor, When, read_all, read_query};
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

/// All printed texts, each with its origin.
#[derive(Default)]
struct Outputs(Vec<(String, String)>);

impl Outputs {
    fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push((name.into(), text.into()));
    }

    fn error<T>(&mut self, name: &str, result: Result<T, Error>) {
        if let Err(error) = result {
            self.add(name, format_error_chain(&error));
        }
    }

    fn leaks(&self) -> Vec<String> {
        self.0.iter().filter_map(|(name, text)| Some(format!("{name}: {}", find_leak(text)?))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_by_any_operation() {
    let log = Log::record(LogScope::AllCrates);
    let mut output = Outputs::default();
    for vendor in Vendor::BOTH {
        let bed = TestBed::start(vendor, "secrets").await;
        call_trait_methods(&bed, "ordinary", &mut output).await;
        import_and_send_webhooks(&bed, "ordinary", &mut output).await;
        for (name, fault) in faults(&bed) {
            bed.gateway.clear_faults();
            bed.gateway.inject(vendor.all_requests(), When::Always, fault.clone());
            call_trait_methods(&bed, name, &mut output).await;
            // Failures before the first data, and failures in the middle of it.
            bed.gateway.clear_faults();
            bed.inject(When::From(1), fault);
            import_and_send_webhooks(&bed, name, &mut output).await;
        }
        use_unreachable_proxy(&bed, &mut output).await;
    }
    call_client_methods(&mut output).await;
    verify_salt_webhooks(&mut output);
    let (leaks, logged) = (output.leaks(), log.leaks());
    assert!(output.0.len() > 80, "only {} texts were printed", output.0.len());
    assert!(log.workspace_lines() > 500, "only {} lines were logged", log.workspace_lines());
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(logged.is_empty(), "{logged:#?}");
}

/// Responses that echo the credentials, and responses that break in the middle of evidence.
fn faults(bed: &TestBed) -> Vec<(&'static str, ResponseFault)> {
    let secret = bed.secrets().join(" ");
    let echo = |status| {
        let body = json!({"message": format!("refused: {secret}"), "error": secret, "code": secret, "authorization": secret});
        ResponseFault::Replace(Response::json(status, &body).with_header("x-request-uuid", secret.as_str()))
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
        ("an HTML page", ResponseFault::Replace(plain)),
        ("a redirect", ResponseFault::Replace(Response::html(302).with_header("location", to))),
        ("truncated JSON", ResponseFault::Truncate(60)),
        ("truncated early", ResponseFault::Truncate(12)),
        ("other JSON", ResponseFault::replace_text("\"", "'")),
        ("other types", ResponseFault::replace_text(":\"", ":[],\"x\":\"")),
        ("a reset", ResponseFault::Reset(50)),
        ("not HTTP", ResponseFault::NotHttp),
    ]
}

/// Calls every method of the trait, and prints each result in every form.
async fn call_trait_methods(bed: &TestBed, name: &str, output: &mut Outputs) {
    let label = |what: &str| format!("{} {name}: {what}", bed.vendor);
    let scanner = bed.scanner(&Timeouts::short());
    let report = scanner.test_connection().await;
    output.add(
        label("connection"),
        format!("{report}\n{report:?}\n{}", serde_json::to_string(&report).unwrap()),
    );
    let mut first = None;
    let mut targets = scanner.bind_targets(BindTargetQuery::default());
    while let Some(page) = targets.next().await {
        match page {
            Ok(page) => {
                output.add(label("targets"), format!("{page:?}{}", serde_json::to_string(&page).unwrap()));
                first = first.or_else(|| page.targets.first().map(|target| target.id.clone()));
            }
            Err(error) => output.add(label("targets"), format_error_chain(&error)),
        }
    }
    output.add(label("findings"), read_all(&*scanner).await.output);
    output
        .add(label("findings, raw"), read_query(&*scanner, FindingQuery::all().with_raw(true)).await.output);
    let target = first.unwrap_or_else(|| "config:77778888-9999-4aaa-8bbb-ccccddddeeee".into());
    match scanner.start_scan(&ScanRequest::new(target.clone())).await {
        Ok(started) => {
            let scan = started.into_scan();
            output.add(label("scan"), format!("{scan:?}{}", serde_json::to_string(&scan).unwrap()));
            output.error(&label("get scan"), scanner.scan(&scan.id).await);
            output.add(
                label("findings of a scan"),
                read_query(&*scanner, FindingQuery::scan(scan.id.clone())).await.output,
            );
            output.error(&label("stop scan"), scanner.stop_scan(&scan.id).await);
        }
        Err(error) => output.add(label("start scan"), format_error_chain(&error)),
    }
    let mut scans = scanner.scans(&target);
    while let Some(page) = scans.next().await {
        match page {
            Ok(page) => output.add(label("scans"), format!("{page:?}")),
            Err(error) => output.add(label("scans"), format_error_chain(&error)),
        }
    }
    let change = StatusChange::new("6810f2c40000", FindingStatus::Ignored);
    output.error(&label("change status"), scanner.set_finding_status(&change).await);
}

/// Runs an import with webhooks to a receiver that accepts them, one that refuses them and echoes the secret,
/// and one that does not exist; also reads the store's file.
async fn import_and_send_webhooks(bed: &TestBed, name: &str, output: &mut Outputs) {
    let label = |what: &str| format!("{} {name}: {what}", bed.vendor);
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

    let importer = Importer::new(bed.scanner(&Timeouts::short()), Arc::clone(&store) as _);
    let binding = Binding::new("proof", bed.vendor.key(), ScanConfiguration::new("all"));
    let options = ImportOptions::new().with_subscriptions(dispatcher.subscriptions());
    match importer.run(&binding, &options).await {
        Ok(import) => output
            .add(label("import"), format!("{import} {import:?} {}", serde_json::to_string(&import).unwrap())),
        Err(error) => output.add(label("import"), format_error_chain(&error)),
    }
    let delivered = dispatcher.deliver_due().await.unwrap();
    output.add(label("webhooks"), format!("{importer:?} {dispatcher:?} {delivered:?} {options:?}"));
    for request in good.received_requests().await.unwrap() {
        output.add(label("body of a webhook"), String::from_utf8_lossy(&request.body));
    }
    drop((importer, dispatcher));
    store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        output.add(label("file of the store"), find_leak_in_bytes(&bytes).unwrap_or_default());
    }
}

/// Uses an unreachable proxy whose URL contains a password.
async fn use_unreachable_proxy(bed: &TestBed, output: &mut Outputs) {
    let mut timeouts = Timeouts::short();
    timeouts.http =
        timeouts.http.with_proxy("http://canary:canary@127.0.0.1:9").with_accept_invalid_certs(true);
    let url = "https://scanner.example.test";
    let scanner = bed.try_scanner(url, &timeouts).unwrap();
    output.add("proxy: options", format!("{:?} {scanner:?}", timeouts.http));
    output.add(
        "proxy: builders",
        match bed.vendor {
            Vendor::Salt => format!("{:?}", bed.salt_client(url, &timeouts)),
            Vendor::Tenable => format!("{:?}", bed.tenable_client(url, &timeouts)),
        },
    );
    let report = scanner.test_connection().await;
    output
        .add("proxy: connection", format!("{report} {report:?} {}", serde_json::to_string(&report).unwrap()));
    output.add("proxy: findings", read_all(&*scanner).await.output);
}

/// Calls the methods of the clients themselves. They return responses as the service sent them: evidence
/// may appear there, credentials may not.
async fn call_client_methods(output: &mut Outputs) {
    let bed = TestBed::start(Vendor::Tenable, "own").await;
    let client = bed.tenable_client(&bed.gateway.url(), &Timeouts::short()).build().unwrap();
    let config = client.configs(Filter::everything()).next().await.unwrap().unwrap().records[0].config_id;
    let scan: TenableScanId = bed.tenable().scans_of(&config.to_string())[0].parse().unwrap();
    let mut printed = String::new();
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    let chunks = job.next_chunks().await.unwrap().unwrap();
    let mut file = Vec::new();
    let _ = write!(
        printed,
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
    let client = salt.salt_client(&salt.gateway.url(), &Timeouts::short()).build().unwrap();
    let change = GapChange::new("6810f2c40000", GapStatus::Ignored);
    let _ = write!(
        printed,
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        client.list_gaps(&GapsQuery::new().with_details(true)).await.unwrap(),
        client.list_hosts(&ListQuery::new()).await.unwrap(),
        client.get_cloud_asset("a").await,
        client.get_openapi("h0.shop.example").await,
        client.write_gap_status(&change, &SpeculativeBody::Object).await,
        client.verify_gap_status(&change).await,
    );
    for secret in bed.secrets().into_iter().chain(salt.secrets()) {
        if let Some(at) = printed.find(&secret) {
            output.add("client methods", printed[at.saturating_sub(200)..at + 20].to_owned());
        }
    }
    assert!(printed.len() > 5_000);
}

fn verify_salt_webhooks(output: &mut Outputs) {
    let hook = Webhook::new("canary-hook").with_header("x-webhook-token");
    output.add("Salt's webhook", format!("{hook:?}"));
    output.error("Salt's webhook, guessed secret", hook.verify([("x-webhook-token", "guessed")], b"{}"));
    output.error(
        "Salt's webhook, truncated body",
        hook.verify([("x-webhook-token", "canary-hook")], br#"{"token": "canary-hook""#),
    );
    let event = hook
        .verify([("x-webhook-token", "canary-hook")], br#"{"token": "canary-hook", "host": "a.example"}"#);
    output.add("Salt's webhook, right secret", format!("{:?}", event.unwrap()));
}

/// Malformed ids.
const MALFORMED_IDS: [&str; 15] = [
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
async fn salt_ids_stay_in_their_path_segment() {
    let bed = TestBed::start(Vendor::Salt, "ids").await;
    let client = bed.salt_client(&bed.gateway.url(), &Timeouts::short()).with_host_parameter(true);
    let client = client.with_write_back(SpeculativeBody::Object).build().unwrap();
    for id in MALFORMED_IDS {
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
            assert_eq!(call.param(0), id, "the service receives the id");
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
            assert!(known.iter().any(|prefix| target.starts_with(prefix)), "{id:?}: {request}");
            assert!(
                !target.contains("..") || !target.contains('/') || target.contains('?'),
                "{id:?}: {request}"
            );
        }
        // A path that the user sets stays below the base URL.
        let before = bed.gateway.requests().len();
        let _ = client.get_json(&format!("/v1/{id}/things"), &[("a", id)]).await;
        for request in bed.gateway.requests().split_off(before) {
            assert!(request.starts_with("GET /v1/") && request.contains("/things?a="), "{id:?}: {request}");
        }
    }
    assert!(bed.salt().calls().iter().all(|call| call.header("x-other").is_none()));
}

/// Asserts that this type of id rejects the text.
fn assert_id_rejected<T: FromStr<Err = Error>>(id: &str) {
    let error = T::from_str(id).err().unwrap_or_else(|| panic!("{} is accepted as an id", id.escape_debug()));
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id:?}");
}

#[tokio::test]
async fn tenable_ids_are_valid_or_rejected() {
    let bed = TestBed::start(Vendor::Tenable, "ids").await;
    let client = bed.tenable_client(&bed.gateway.url(), &Timeouts::short()).build().unwrap();
    let uuid = "77778888-9999-4aaa-8bbb-ccccddddeeee";
    for id in
        MALFORMED_IDS.map(str::to_owned).into_iter().chain([format!("{uuid}/../x"), format!("{uuid}\r\n")])
    {
        let id = id.as_str();
        assert_id_rejected::<ConfigId>(id);
        assert_id_rejected::<TenableScanId>(id);
        assert_id_rejected::<AssetId>(id);
        assert_id_rejected::<TemplateId>(id);
        assert_id_rejected::<UserTemplateId>(id);
        assert_id_rejected::<VulnId>(id);
        assert_id_rejected::<ExportId>(id);
        assert_id_rejected::<FolderId>(id);
        assert_id_rejected::<AttachmentId>(id);
        assert_id_rejected::<TagId>(id);
        assert_id_rejected::<CredentialId>(id);
        assert_id_rejected::<TrackingId>(id);
        let (scan, target) = (ScanId::from(id), BindTargetId::from_parts("config", id));
        let assert_invalid = |error: Option<Error>| {
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::InvalidRequest), "{id:?}");
        };
        assert_invalid(client.scan(&scan).await.err());
        assert_invalid(client.stop_scan(&scan).await.err());
        assert_invalid(client.start_scan(&ScanRequest::new(target.clone())).await.err());
        assert_invalid(client.scans(&target).next().await.and_then(Result::err));
        assert_invalid(read_query(&client, FindingQuery::target(target)).await.end.and_then(Result::err));
        assert_invalid(read_query(&client, FindingQuery::scan(scan)).await.end.and_then(Result::err));
        assert_eq!(bed.gateway.requests(), Vec::<String>::new(), "{id:?}: nothing was sent");
    }
    // Ids from the service are checked in the same way.
    for (route, from, to) in [
        ("/configs/search", "\"config_id\":\"", "\"config_id\":\"../../"),
        ("/status", "\"chunks_available\":[", "\"chunks_available\":[\"../../session\","),
        ("POST /was/v1/export/vulns", "\"export_uuid\":\"", "\"export_uuid\":\"../"),
        ("/by-targets/search", "\"scan_id\":\"", "\"scan_id\":\"../../x?"),
    ] {
        bed.gateway.clear_faults();
        bed.gateway.inject(route, When::Always, ResponseFault::replace_text(from, to));
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

/// Asserts that the value is rejected before anything is sent, and that the error does not contain it.
fn assert_rejected<T>(what: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{what} was accepted"));
    assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::InvalidRequest), "{what}: {error}");
    assert_eq!(find_leak(&format_error_chain(&error)), None, "{what}");
}

#[test]
fn no_user_setting_can_inject_a_header() {
    for bad in ["canary\r\nX-Other: 1", "canary\nX-Other: 1", "canary\0", "canary\u{7f}"] {
        assert_rejected("a token", SaltClient::builder("http://127.0.0.1:9", bad).build());
        assert_rejected("an access key", TenableWasClient::builder(bad, "fine").build());
        assert_rejected("a secret key", TenableWasClient::builder("fine", bad).build());
        let agent = HttpOptions::new().with_user_agent(bad);
        assert_rejected(
            "a user agent",
            SaltClient::builder("http://127.0.0.1:9", "fine").with_http(agent.clone()).build(),
        );
        assert_rejected("a user agent", TenableWasClient::builder("fine", "fine").with_http(agent).build());
        for (vendor, product, version) in [(bad, "b", "c"), ("a", bad, "c"), ("a", "b", bad)] {
            let client = TenableWasClient::builder("fine", "fine").with_integration(vendor, product, version);
            assert_rejected("the name of an integration", client.build());
        }
        let endpoint = || Endpoint::new("hook", "https://hooks.example/", WEBHOOK_SECRET).unwrap();
        assert_rejected("a webhook's header", endpoint().with_header("x-key", bad));
        assert_rejected(
            "the name of a webhook's header",
            endpoint().with_header("x-key\r\nX-Other", "canary"),
        );
        assert_rejected(
            "a webhook's secret",
            Endpoint::new("hook", "https://hooks.example/", format!("whsec_{bad}")),
        );
    }
    assert_rejected(
        "a key that contains another key",
        TenableWasClient::builder("canary;secretKey=x", "fine").build(),
    );
}
