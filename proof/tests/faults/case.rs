//! A case of the matrix: the fault, the clients under test, and the expected ending.

use std::fmt;
use std::time::Instant;

use appsec_core::ErrorKind;
use appsec_import::SqlStore;
use futures_util::future::BoxFuture;
use proof::invariants::{CheckResult, Ending, ExpectedFindings, check, check_import};
use proof::{Reading, TestBed, Timeouts, Vendor, import, read_all};

/// The expected ending of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Expect {
    /// Complete.
    Complete,
    /// With a gap of that kind.
    Gap(&'static str),
    /// With an error of that kind.
    Fails(ErrorKind),
    /// Not applicable.
    NotApplicable(&'static str),
}

impl Expect {
    fn matches(self, ending: &Ending) -> bool {
        match self {
            Self::Complete => *ending == Ending::Complete,
            Self::Gap(kind) => matches!(ending, Ending::Gaps(kinds) if kinds.contains(kind)),
            Self::Fails(kind) => *ending == Ending::Failed(kind),
            Self::NotApplicable(_) => false,
        }
    }
}

/// A custom procedure, for more than one read through a gateway.
pub(crate) type Procedure = fn(Vendor, String) -> BoxFuture<'static, CheckResult>;

#[derive(Clone, Copy)]
enum Kind {
    /// Injects the fault, then reads and imports.
    Inject(fn(&TestBed)),
    /// Runs a custom procedure.
    Custom(Procedure),
}

/// A case of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) number: u8,
    fault: &'static str,
    kind: Kind,
    salt: Expect,
    tenable: Expect,
    with_import: bool,
    timeouts: fn(Timeouts) -> Timeouts,
    url: fn(&TestBed) -> String,
    expected: fn(&mut ExpectedFindings),
    check: fn(&TestBed, &Reading) -> Result<(), String>,
}

/// A case whose fault is injected into one read, and into one import.
pub(crate) fn case(number: u8, fault: &'static str, inject: fn(&TestBed)) -> Case {
    Case {
        number,
        fault,
        kind: Kind::Inject(inject),
        salt: Expect::Complete,
        tenable: Expect::Complete,
        with_import: true,
        timeouts: |timeouts| timeouts,
        url: |bed| bed.gateway.url(),
        expected: |_| {},
        check: |_, _| Ok(()),
    }
}

/// A case with a custom procedure.
pub(crate) fn custom_case(number: u8, fault: &'static str, procedure: Procedure) -> Case {
    Case { kind: Kind::Custom(procedure), with_import: false, ..case(number, fault, |_| {}) }
}

impl Case {
    /// Sets the expected ending of both clients.
    pub(crate) fn both(self, expect: Expect) -> Self {
        Self { salt: expect, tenable: expect, ..self }
    }

    /// Expects both clients to end with an error of that kind.
    pub(crate) fn fails(self, kind: ErrorKind) -> Self {
        self.both(Expect::Fails(kind))
    }

    pub(crate) fn salt(self, expect: Expect) -> Self {
        Self { salt: expect, ..self }
    }

    pub(crate) fn tenable(self, expect: Expect) -> Self {
        Self { tenable: expect, ..self }
    }

    /// Sets the options of the clients.
    pub(crate) fn timeouts(self, timeouts: fn(Timeouts) -> Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Sets another URL than the gateway's.
    pub(crate) fn url(self, url: fn(&TestBed) -> String) -> Self {
        Self { url, ..self }
    }

    /// Changes the expected findings.
    pub(crate) fn expected(self, expected: fn(&mut ExpectedFindings)) -> Self {
        Self { expected, ..self }
    }

    /// Adds a check after the read.
    pub(crate) fn check(self, check: fn(&TestBed, &Reading) -> Result<(), String>) -> Self {
        Self { check, ..self }
    }

    /// Runs the case with each client, and with an import over each client.
    pub(crate) async fn run(self, index: usize) -> CaseResult {
        let mut runs = Vec::new();
        for vendor in Vendor::BOTH {
            let expect = if vendor == Vendor::Salt { self.salt } else { self.tenable };
            if let Expect::NotApplicable(why) = expect {
                runs.push(Run { vendor, with_import: false, skipped: Some(why), result: None, seconds: 0.0 });
                continue;
            }
            let tag = format!("case{}x{index}{}", self.number, vendor.to_string().to_lowercase());
            let start = Instant::now();
            let mut result = match self.kind {
                Kind::Custom(procedure) => procedure(vendor, tag.clone()).await,
                Kind::Inject(inject) => self.read(vendor, &tag, inject).await,
            };
            if !expect.matches(&result.ending) {
                result.violations.push(format!("expected {expect:?}, but it ended with {}", result.ending));
            }
            let seconds = start.elapsed().as_secs_f64();
            runs.push(Run { vendor, with_import: false, skipped: None, result: Some(result), seconds });
            if let (Kind::Inject(inject), true) = (self.kind, self.with_import) {
                let start = Instant::now();
                let result = self.import(vendor, &tag, inject).await;
                let seconds = start.elapsed().as_secs_f64();
                runs.push(Run { vendor, with_import: true, skipped: None, result: Some(result), seconds });
            }
        }
        CaseResult { case: self, runs }
    }

    async fn read(self, vendor: Vendor, tag: &str, inject: fn(&TestBed)) -> CheckResult {
        let bed = TestBed::start(vendor, tag).await;
        let timeouts = (self.timeouts)(Timeouts::short());
        let scanner = bed.try_scanner(&(self.url)(&bed), &timeouts).unwrap();
        inject(&bed);
        let reading = read_all(&*scanner).await;
        let mut expected = ExpectedFindings::new(&bed);
        (self.expected)(&mut expected);
        let mut result = check(&expected, &reading);
        result.violations.extend((self.check)(&bed, &reading).err());
        result
    }

    /// One import without the fault, one with it, and one after it. The second one closes nothing, and the
    /// third one has the findings of the first.
    async fn import(self, vendor: Vendor, tag: &str, inject: fn(&TestBed)) -> CheckResult {
        let bed = TestBed::start(vendor, tag).await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::connect(&format!("sqlite:{}", folder.path().join("findings.db").display()))
            .await
            .unwrap();
        let healthy = bed.scanner(&Timeouts::long());
        let first = import(vendor, healthy.clone(), &store).await;
        assert_eq!(
            check_import(&ExpectedFindings::new(&bed), &first).ending,
            Ending::Complete,
            "{}",
            self.fault
        );

        let timeouts = (self.timeouts)(Timeouts::short());
        let scanner = bed.try_scanner(&(self.url)(&bed), &timeouts).unwrap();
        inject(&bed);
        let mut expected = ExpectedFindings::new(&bed);
        (self.expected)(&mut expected);
        let mut result = check_import(&expected, &import(vendor, scanner, &store).await);

        bed.gateway.clear_faults();
        bed.cancel_exports().await;
        let last = check_import(&expected, &import(vendor, healthy, &store).await);
        if last.ending != Ending::Complete {
            result.violations.push(format!("after the fault an import ends with {}", last.ending));
        }
        result
            .violations
            .extend(last.violations.into_iter().map(|violation| format!("after the fault: {violation}")));
        store.close().await;
        let file = std::fs::read(folder.path().join("findings.db")).unwrap();
        if let Some(leak) = proof::secrets::find_leak_in_bytes(&file) {
            result.violations.push(format!("a secret is in the store's file: {leak:?}"));
        }
        result
    }
}

/// One run of a client, or of an import with it.
pub(crate) struct Run {
    vendor: Vendor,
    with_import: bool,
    skipped: Option<&'static str>,
    result: Option<CheckResult>,
    seconds: f64,
}

/// The runs of a case.
pub(crate) struct CaseResult {
    case: Case,
    runs: Vec<Run>,
}

impl CaseResult {
    /// The broken invariants, each with the case and the client.
    pub(crate) fn failures(&self) -> Vec<String> {
        let name = |run: &Run| {
            let what = if run.with_import { "import" } else { "client" };
            format!("{} {} ({} {what})", self.case.number, self.case.fault, run.vendor)
        };
        let violations =
            |run: &Run| run.result.as_ref().map(|result| result.violations.clone()).unwrap_or_default();
        self.runs
            .iter()
            .flat_map(|run| {
                violations(run)
                    .into_iter()
                    .map(|violation| format!("{}: {violation}", name(run)))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// The number of runs that were not skipped.
pub(crate) fn count_runs(results: &[(usize, CaseResult)]) -> usize {
    results.iter().flat_map(|(_, result)| &result.runs).filter(|run| run.result.is_some()).count()
}

/// Prints the header of the table.
pub(crate) fn print_header() {
    println!("  # | fault | vendor | outcome of the client | outcome of an import | invariants");
    println!("---:|---|---|---|---|---");
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let find = |vendor, with_import| {
            self.runs.iter().find(|run| run.vendor == vendor && run.with_import == with_import)
        };
        for (index, vendor) in Vendor::BOTH.into_iter().enumerate() {
            let (number, fault) = if index == 0 {
                (self.case.number.to_string(), self.case.fault)
            } else {
                f.write_str("\n")?;
                (String::new(), "")
            };
            let describe = |run: Option<&Run>| match run {
                Some(Run { result: Some(result), seconds, .. }) => {
                    format!("{} ({seconds:.1} s)", result.ending)
                }
                Some(Run { skipped: Some(why), .. }) => format!("n/a: {why}"),
                _ => "–".to_owned(),
            };
            let (client, import) = (find(vendor, false), find(vendor, true));
            let holds = [client, import]
                .into_iter()
                .flatten()
                .filter_map(|run| run.result.as_ref())
                .all(|result| result.violations.is_empty());
            write!(
                f,
                "{number:>3} | {fault:<62} | {vendor:<7} | {:<34} | {:<34} | {}",
                describe(client),
                describe(import),
                if holds { "holds" } else { "BROKEN" }
            )?;
        }
        Ok(())
    }
}
