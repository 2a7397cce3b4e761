//! A Tenable on loopback in a process of its own, so that its memory and its work are not the importer's.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::Severity;
use tenable_was_client::testing::{
    ExportScript, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Tenant,
};
use tenable_was_client::{ExportOptions, TenableWasClient};

use crate::BoxResult;

/// Sites: assets, and so chunks of the export.
const SITES: usize = 100;
const KEYS: [&str; 2] = ["bench-access-key", "bench-secret-key"];

/// The service as the process that starts it sees it.
pub(crate) struct Service {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Service {
    pub(crate) fn start(findings: usize) -> BoxResult<Self> {
        let mut child =
            crate::part("service", findings, None)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().ok_or("no pipe")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let url = read_line(&mut answers)?;
        Ok(Self { child, orders, answers, url })
    }

    /// Lets it forget its exports, whose chunks it would keep for a day.
    pub(crate) fn forget_exports(&mut self) -> BoxResult<()> {
        writeln!(self.orders, "forget")?;
        read_line(&mut self.answers).map(drop)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line(answers: &mut BufReader<ChildStdout>) -> BoxResult<String> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The service itself: prints its address, and one line each time it is asked to forget its exports.
pub(crate) async fn serve(findings: usize) -> BoxResult<()> {
    let fake = FakeTenableWas::builder()
        .with_keys(KEYS[0], KEYS[1])
        .with_tenant(tenant(findings))
        .with_assets_per_chunk(1)
        .with_export_script(ExportScript::new().with_chunks_per_poll(SITES))
        .start()
        .await?;
    println!("{}", fake.base_url());
    for order in std::io::stdin().lines() {
        order?;
        fake.set_tenant(tenant(findings));
        println!("done");
    }
    Ok(())
}

fn tenant(findings: usize) -> Tenant {
    let plugins: Vec<_> = (0..300)
        .map(|number| FakePlugin::new(98_000 + number, format!("Rule {number}"), Severity::High).shared())
        .collect();
    let mut tenant = Tenant::new();
    for site in 0..SITES {
        let host = format!("shop{site}.example.com");
        let found = (site..findings).step_by(SITES).map(|number| {
            FakeFinding::new(&plugins[number % plugins.len()], format!("https://{host}/page/{number}"))
                .with_input("link", "q")
        });
        let target = FakeTarget::new(format!("https://{host}/")).with_findings(found);
        // Scans would hold every finding a second time.
        tenant = tenant.with_config(FakeConfig::new(&host).never_run().with_target(target));
    }
    tenant
}

/// A client of the service at the address that waits for milliseconds where it would wait for seconds.
pub(crate) fn client(url: &str) -> appsec_core::Result<Arc<TenableWasClient>> {
    let pauses = ExportOptions::new().with_pauses(Duration::from_millis(1), Duration::from_millis(20));
    let client =
        TenableWasClient::builder(KEYS[0], KEYS[1]).with_base_url(url).with_export(pauses).build()?;
    Ok(Arc::new(client))
}
