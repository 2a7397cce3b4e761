//! One row of the matrix: the fault, the clients that meet it, and the expected ending.

use std::fmt;
use std::time::Instant;

use appsec_core::ErrorKind;
use appsec_import::SqlStore;
use futures_util::future::BoxFuture;
use proof::invariants::{CheckResult, Ending, Truth, check, check_import};
use proof::{Seen, ShortTimeouts, TestBed, Vendor, import, read_all};

/// The expected ending of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Expect {
    /// Complete.
    Complete,
    /// With a gap of that kind.
    Gap(&'static str),
    /// With an error of that kind.
    Fails(ErrorKind),
    /// Not applicable.
    NotHere(&'static str),
}

impl Expect {
    fn is(self, ending: &Ending) -> bool {
        match self {
            Self::Complete => *ending == Ending::Complete,
            Self::Gap(kind) => matches!(ending, Ending::Gaps(kinds) if kinds.contains(kind)),
            Self::Fails(kind) => *ending == Ending::Failed(kind),
            Self::NotHere(_) => false,
        }
    }
}

/// A custom procedure, for more than one reading through a gateway.
pub(crate) type Own = fn(Vendor, String) -> BoxFuture<'static, CheckResult>;

#[derive(Clone, Copy)]
enum Play {
    /// Injects the fault, then reads.
    Laid(fn(&TestBed)),
    Own(Own),
}

/// A row of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) number: u8,
    fault: &'static str,
    play: Play,
    salt: Expect,
    tenable: Expect,
    imported: bool,
    timeouts: fn(ShortTimeouts) -> ShortTimeouts,
    reach: fn(&TestBed) -> String,
    truth: fn(&mut Truth),
    check: fn(&TestBed, &Seen) -> Result<(), String>,
}

/// A row whose fault is injected into one reading, and into one import.
pub(crate) fn row(number: u8, fault: &'static str, lay: fn(&TestBed)) -> Row {
    Row {
        number,
        fault,
        play: Play::Laid(lay),
        salt: Expect::Complete,
        tenable: Expect::Complete,
        imported: true,
        timeouts: |timeouts| timeouts,
        reach: |bed| bed.gateway.url(),
        truth: |_| {},
        check: |_, _| Ok(()),
    }
}

/// A row with a custom procedure.
pub(crate) fn own(number: u8, fault: &'static str, play: Own) -> Row {
    Row { play: Play::Own(play), imported: false, ..row(number, fault, |_| {}) }
}

impl Row {
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
    pub(crate) fn timeouts(self, timeouts: fn(ShortTimeouts) -> ShortTimeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Sets another URL than the gateway's.
    pub(crate) fn reach(self, reach: fn(&TestBed) -> String) -> Self {
        Self { reach, ..self }
    }

    /// Changes the expected findings.
    pub(crate) fn truth(self, truth: fn(&mut Truth)) -> Self {
        Self { truth, ..self }
    }

    /// Adds a check after the reading.
    pub(crate) fn check(self, check: fn(&TestBed, &Seen) -> Result<(), String>) -> Self {
        Self { check, ..self }
    }

    /// Runs every cell of the row.
    pub(crate) async fn play(self, index: usize) -> Played {
        let mut cells = Vec::new();
        for vendor in Vendor::BOTH {
            let expect = if vendor == Vendor::Salt { self.salt } else { self.tenable };
            if let Expect::NotHere(why) = expect {
                cells.push(Cell { vendor, imported: false, skipped: Some(why), verdict: None, took: 0.0 });
                continue;
            }
            let tag = format!("row{}x{index}{}", self.number, vendor.to_string().to_lowercase());
            let began = Instant::now();
            let mut verdict = match self.play {
                Play::Own(play) => play(vendor, tag.clone()).await,
                Play::Laid(lay) => self.read(vendor, &tag, lay).await,
            };
            if !expect.is(&verdict.ending) {
                verdict
                    .breaches
                    .push(format!("it was to end with {expect:?}, and ended with {}", verdict.ending));
            }
            let took = began.elapsed().as_secs_f64();
            cells.push(Cell { vendor, imported: false, skipped: None, verdict: Some(verdict), took });
            if let (Play::Laid(lay), true) = (self.play, self.imported) {
                let began = Instant::now();
                let verdict = self.import(vendor, &tag, lay).await;
                let took = began.elapsed().as_secs_f64();
                cells.push(Cell { vendor, imported: true, skipped: None, verdict: Some(verdict), took });
            }
        }
        Played { row: self, cells }
    }

    async fn read(self, vendor: Vendor, tag: &str, lay: fn(&TestBed)) -> CheckResult {
        let bed = TestBed::start(vendor, tag).await;
        let timeouts = (self.timeouts)(ShortTimeouts::new());
        let scanner = bed.try_scanner(&(self.reach)(&bed), &timeouts).unwrap();
        lay(&bed);
        let seen = read_all(&*scanner).await;
        let mut truth = Truth::of(&bed);
        (self.truth)(&mut truth);
        let mut verdict = check(&truth, &seen);
        verdict.breaches.extend((self.check)(&bed, &seen).err());
        verdict
    }

    /// One import without the fault, one with it, and one after it. The second one closes nothing, and the
    /// third one has the findings of the first.
    async fn import(self, vendor: Vendor, tag: &str, lay: fn(&TestBed)) -> CheckResult {
        let bed = TestBed::start(vendor, tag).await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::connect(&format!("sqlite:{}", folder.path().join("findings.db").display()))
            .await
            .unwrap();
        let sound = bed.scanner(&ShortTimeouts::patient());
        let first = import(vendor, sound.clone(), &store).await;
        assert_eq!(check_import(&Truth::of(&bed), &first).ending, Ending::Complete, "{}", self.fault);

        let timeouts = (self.timeouts)(ShortTimeouts::new());
        let scanner = bed.try_scanner(&(self.reach)(&bed), &timeouts).unwrap();
        lay(&bed);
        let mut truth = Truth::of(&bed);
        (self.truth)(&mut truth);
        let mut verdict = check_import(&truth, &import(vendor, scanner, &store).await);

        bed.gateway.recover();
        bed.cancel_exports().await;
        let last = check_import(&truth, &import(vendor, sound, &store).await);
        if last.ending != Ending::Complete {
            verdict.breaches.push(format!("after the fault an import ends with {}", last.ending));
        }
        verdict.breaches.extend(last.breaches.into_iter().map(|breach| format!("after the fault: {breach}")));
        store.close().await;
        let file = std::fs::read(folder.path().join("findings.db")).unwrap();
        if let Some(leak) = proof::secrets::leak_in_bytes(&file) {
            verdict.breaches.push(format!("a secret is in the store's file: {leak:?}"));
        }
        verdict
    }
}

/// The result of one client, or of one import with it.
pub(crate) struct Cell {
    vendor: Vendor,
    imported: bool,
    skipped: Option<&'static str>,
    verdict: Option<CheckResult>,
    took: f64,
}

/// The results of a row.
pub(crate) struct Played {
    row: Row,
    cells: Vec<Cell>,
}

impl Played {
    /// The failures, with the names of row and cell.
    pub(crate) fn failures(&self) -> Vec<String> {
        let name = |cell: &Cell| {
            let what = if cell.imported { "import" } else { "client" };
            format!("{} {} ({} {what})", self.row.number, self.row.fault, cell.vendor)
        };
        let breaches =
            |cell: &Cell| cell.verdict.as_ref().map(|verdict| verdict.breaches.clone()).unwrap_or_default();
        self.cells
            .iter()
            .flat_map(|cell| {
                breaches(cell)
                    .into_iter()
                    .map(|breach| format!("{}: {breach}", name(cell)))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// The number of cells that ran.
pub(crate) fn cells(played: &[(usize, Played)]) -> usize {
    played.iter().flat_map(|(_, row)| &row.cells).filter(|cell| cell.verdict.is_some()).count()
}

/// Prints the names of the columns.
pub(crate) fn print_head() {
    println!("  # | fault | client: what happened | import over it | verdict");
    println!("---:|---|---|---|---");
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |vendor, imported| {
            self.cells.iter().find(|cell| cell.vendor == vendor && cell.imported == imported)
        };
        for (index, vendor) in Vendor::BOTH.into_iter().enumerate() {
            let (number, fault) = if index == 0 {
                (self.row.number.to_string(), self.row.fault)
            } else {
                f.write_str("\n")?;
                (String::new(), "")
            };
            let said = |cell: Option<&Cell>| match cell {
                Some(Cell { verdict: Some(verdict), took, .. }) => {
                    format!("{} ({took:.1} s)", verdict.ending)
                }
                Some(Cell { skipped: Some(why), .. }) => format!("n/a: {why}"),
                _ => "–".to_owned(),
            };
            let (client, imported) = (of(vendor, false), of(vendor, true));
            let holds = [client, imported]
                .into_iter()
                .flatten()
                .filter_map(|cell| cell.verdict.as_ref())
                .all(|verdict| verdict.breaches.is_empty());
            write!(
                f,
                "{number:>3} | {fault:<62} | {vendor:<7} {:<34} | {:<34} | {}",
                said(client),
                said(imported),
                if holds { "holds" } else { "BROKEN" }
            )?;
        }
        Ok(())
    }
}
