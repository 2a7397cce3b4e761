//! Findings, in batches, ended by what their walk can prove.
//!
//! What is sent: every page of the gaps with `details=true` and all four statuses by name. By name, since what the service
//! leaves out when it is asked for none is unknown, and a resolved gap that is left out would look like one that is gone. At the
//! end one request without statuses looks for a gap beyond the number read: where there is one, it has a status that nobody
//! knows yet, and the list is walked once more without the names. Where there is none, the last gap is read once more: had the
//! list become shorter before that request, a gap would have hidden behind the number.
//!
//! No severity is sent, and a narrower query sends nothing else: its filters are applied here, so that words nobody knows pass
//! them and every walk counts the same offsets.

use std::collections::{BTreeSet, HashMap, VecDeque};

use appsec_core::{
    Batcher, BoxStream, Coverage, CoverageGap, Error, ErrorKind, Finding, FindingBatch, FindingEvent,
    FindingQuery, FindingScope, FindingStatus, GapKind, Progress, Result, ResumePoint,
};
use appsec_http::{MAX_PAGES, Request};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::SaltClient;
use crate::cursor::{Cursor, Mark, Place, Step};
use crate::inventory::Inventory;
use crate::map::{self, Identity, Mapper, host_key, partition};
use crate::model::{GapStatus, PostureGap, kind_of, present};
use crate::request::{GapsQuery, LIST_GAPS};
use crate::scanner::KEY;
use crate::scope::Scope;

/// Pages in a row that may bring nothing but records read before, in a walk over a list that moves. A service that goes on like
/// that does not page at all.
const MAX_IDLE_PAGES: u32 = 3;

/// Said where nobody knows whether there was something to read.
const JUMPED: &str =
    "the service's end offset lies beyond the records that it sent; what lies between was not seen";

/// The statuses that are asked for by name: all that are known.
const STATUSES: [GapStatus; 4] =
    [GapStatus::Open, GapStatus::InProcess, GapStatus::Resolved, GapStatus::Ignored];

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pass {
    /// The gaps whose status is known.
    #[default]
    Named,
    /// Those of any status.
    Any,
}

/// Where a walk can be taken up again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Resume {
    place: Place,
    pass: Pass,
}

/// That a record was seen.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The number of the page that showed it last.
    page: u32,
    /// Its finding was delivered: what was unreadable or not wanted may come in another form yet.
    delivered: bool,
    /// It was delivered as fixed. What is open when it is seen again comes again: the more open word counts.
    fixed: bool,
}

/// One import's walk over the gaps.
pub(crate) struct Walk {
    client: SaltClient,
    query: FindingQuery,
    scope: Scope,
    inventory: Option<Inventory>,
    mapper: Mapper,
    cursor: Cursor,
    pass: Pass,
    limit: u32,
    /// The records seen. Their findings are delivered once.
    seen: HashMap<Mark, Sighting>,
    page: u32,
    /// The first page of the walk under way: there are two when the list moves.
    first_page: u32,
    restarted: bool,
    /// How many records the list is known to have had.
    least: u64,
    idle_pages: u32,
    hosts: BTreeSet<String>,
    labels: BTreeSet<String>,
    foreign: bool,
    gaps: Vec<CoverageGap>,
    done: u64,
    ready: VecDeque<FindingEvent>,
    ended: bool,
}

impl Walk {
    /// A walk that has sent nothing yet.
    ///
    /// # Errors
    /// `InvalidRequest` for a scope that is none, `Unsupported` for a scan, `ResumeExpired` for another scanner's resume point.
    pub(crate) fn new(client: SaltClient, query: FindingQuery) -> Result<Self> {
        query.check()?;
        let scope = Scope::new(&query.scope)?;
        let resume: Resume =
            query.resume.as_ref().map(|point| point.state(KEY)).transpose()?.unwrap_or_default();
        Ok(Self {
            limit: client.settings().page_size,
            mapper: Mapper::new(query.unmasked),
            cursor: Cursor::at(resume.place),
            pass: resume.pass,
            client,
            query,
            scope,
            inventory: None,
            seen: HashMap::new(),
            page: 0,
            first_page: 1,
            restarted: false,
            least: 0,
            idle_pages: 0,
            hosts: BTreeSet::new(),
            labels: BTreeSet::new(),
            foreign: false,
            gaps: Vec::new(),
            done: 0,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<FindingEvent>> {
        stream::try_unfold(self, |mut walk| async move { Ok(walk.next().await?.map(|event| (event, walk))) })
            .boxed()
    }

    async fn next(&mut self) -> Result<Option<FindingEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if self.inventory.is_none() {
                self.inventory = Some(self.load_inventory().await?);
            }
            self.read_page().await?;
        }
    }

    /// The inventory, where it decides anything: whether silence speaks, whether a target exists, which labels its host has.
    async fn load_inventory(&self) -> Result<Inventory> {
        if self.query.silence().is_some() && matches!(self.query.scope, FindingScope::All) {
            return Ok(Inventory::default());
        }
        Inventory::load(&self.client).await
    }

    fn request(&self, limit: u32, offset: u64, pass: Pass) -> Request {
        let mut query = GapsQuery::new().with_limit(limit).with_offset(offset).with_details(true);
        if pass == Pass::Named {
            query = query.with_statuses(STATUSES);
        }
        if let Some(host) = self.host_parameter() {
            query = query.with_host(host);
        }
        for (name, value) in &self.client.settings().parameters {
            query = query.with_parameter(name, value);
        }
        query.to_request()
    }

    /// The host to ask the service for; only a query about one host can.
    fn host_parameter(&self) -> Option<&str> {
        self.scope.single_host().filter(|_| self.client.settings().host_parameter)
    }

    async fn read_page(&mut self) -> Result<()> {
        let mut limit = self.limit;
        let offset = self.cursor.offset();
        let request = |limit| self.request(limit, offset, self.pass);
        let page = self.client.page_within(&mut limit, request).await?;
        self.limit = limit;
        self.page += 1;
        if self.page > MAX_PAGES {
            return Err(endless(format!("the list goes on after {MAX_PAGES} pages")));
        }
        let list = page.list;
        let step = self.cursor.take(page);
        let marks: Vec<_> = step.records.iter().map(Mark::of).collect();
        // A gap that a page before has shown stands in two places: another one may have slipped from after to before.
        let of_this_walk = self.first_page..self.page;
        let again = |mark: &&Mark| self.seen.get(*mark).is_some_and(|seen| of_this_walk.contains(&seen.page));
        let known = marks.iter().filter(again).count();
        let twice = marks.iter().filter(again).any(Mark::is_id);
        // Nothing of a page that moved is delivered: its resume points would pass over what has moved.
        if (step.moved || twice) && self.begins_again() {
            return Ok(());
        }
        self.idle_pages = if known == marks.len() && known > 0 { self.idle_pages + 1 } else { 0 };
        if self.idle_pages >= MAX_IDLE_PAGES {
            return Err(endless(format!("{MAX_IDLE_PAGES} pages in a row bring nothing new")));
        }
        let end = step.end;
        self.take(step, marks, list)?;
        if !end {
            return Ok(());
        }
        if self.pass == Pass::Named {
            if self.has_unknown_statuses().await? {
                tracing::warn!(
                    "some posture gaps have a status that is not known; reading the list without statuses"
                );
                self.pass = Pass::Any;
                self.least = self.cursor.place().offset + 1;
                self.start_over();
                return Ok(());
            }
            if self.has_moved().await? && self.begins_again() {
                return Ok(());
            }
        } else if self.cursor.place().offset < self.least && self.begins_again() {
            // Records were there a moment ago: this list or that look was wrong.
            return Ok(());
        }
        if self.restarted && self.cursor.place().offset == 0 && !self.seen.is_empty() {
            // A token that loses its scope sees empty lists, as a tenant without gaps has them.
            let message = "the list of posture gaps had records, and none when it was read once more; the token may have lost the scope perm-viewer";
            self.note(CoverageGap::new(GapKind::Shifted, message));
        }
        let end = self.coverage();
        self.ready.push_back(FindingEvent::End(end));
        self.ended = true;
        Ok(())
    }

    /// True where the list is longer when no status is named.
    async fn has_unknown_statuses(&self) -> Result<bool> {
        let request = self.request(1, self.cursor.place().offset, Pass::Any);
        Ok(!self.client.page(&request).await?.is_empty())
    }

    /// True where the last record does not stand where it stood.
    async fn has_moved(&self) -> Result<bool> {
        let Place { offset, last } = self.cursor.place();
        let (Some(before), Some(last)) = (offset.checked_sub(1), last) else { return Ok(false) };
        let page = self.client.page(&self.request(1, before, self.pass)).await?;
        Ok(page.records.first().map(Mark::of).as_ref() != Some(last))
    }

    /// What a list that moved leads to: a second walk, and true; where this is the second one, a gap.
    fn begins_again(&mut self) -> bool {
        if self.restarted {
            self.note_shift();
            return false;
        }
        tracing::warn!(
            page = self.page,
            "the list of posture gaps moved while it was read; reading it once more"
        );
        self.restarted = true;
        self.gaps.clear();
        self.start_over();
        true
    }

    /// Goes back to the start of the list. What was delivered stays so.
    fn start_over(&mut self) {
        self.cursor.start_over();
        self.first_page = self.page + 1;
        self.idle_pages = 0;
    }

    fn note_shift(&mut self) {
        let message =
            "the list of posture gaps moved twice while it was read; some may have been passed over";
        if self.note(CoverageGap::new(GapKind::Shifted, message)) {
            tracing::warn!(page = self.page, "{message}");
        }
    }

    /// Keeps a gap; false where it is known.
    fn note(&mut self, gap: CoverageGap) -> bool {
        // One more than is told apart, so that the coverage knows of the others.
        let new = self.gaps.len() <= Coverage::MAX_GAPS && !self.gaps.contains(&gap);
        if new {
            self.gaps.push(gap);
        }
        new
    }

    /// Turns what a page brought into events.
    fn take(&mut self, step: Step, marks: Vec<Mark>, list: &'static str) -> Result<()> {
        self.done = self.done.max(self.cursor.place().offset);
        let mut batch = Batcher::new();
        let mut before = None;
        let read = !step.records.is_empty();
        for (index, (record, mark)) in step.records.into_iter().zip(marks).enumerate() {
            let offset = step.offset.saturating_add(index as u64);
            let before_this = self.seen.get(&mark).copied().filter(|seen| seen.delivered);
            let path = format!("{list}[{}]", step.index + index);
            let finding = self.finding(record, before_this, &path, offset);
            let fixed = match &finding {
                Ok(Some(finding)) => finding.status == Some(FindingStatus::Fixed),
                _ => before_this.is_some_and(|seen| seen.fixed),
            };
            let delivered = before_this.is_some() || matches!(finding, Ok(Some(_)));
            self.seen.insert(mark.clone(), Sighting { page: self.page, delivered, fixed });
            match finding {
                Ok(Some(finding)) => {
                    if batch.is_full_for(&finding) {
                        self.deliver(&mut batch, Place { offset, last: before })?;
                    }
                    batch.push(finding);
                }
                Ok(None) => {}
                Err(gap) => {
                    self.note(gap);
                }
            }
            before = Some(mark);
        }
        if read {
            let place = self.cursor.place().clone();
            self.deliver(&mut batch, place)?;
        }
        Ok(())
    }

    fn deliver(&mut self, batch: &mut Batcher, place: Place) -> Result<()> {
        let resume = Resume { place, pass: self.pass };
        let event = FindingBatch::new(batch.take(), ResumePoint::new(KEY, &resume)?)
            .with_gaps(self.gaps.clone())
            .with_progress(Progress::new(self.done, None));
        self.ready.push_back(FindingEvent::Batch(event));
        Ok(())
    }

    /// The finding in a record, where it is of the scope, new, and wanted; a gap where it cannot be read.
    fn finding(
        &mut self,
        record: Value,
        known: Option<Sighting>,
        path: &str,
        offset: u64,
    ) -> Result<Option<Finding>, CoverageGap> {
        let bad = |what: &str, path: String| {
            CoverageGap::new(GapKind::Record, format!("{what}, at offset {offset}")).with_path(path)
        };
        let raw = self.query.raw.then(|| record.clone());
        let Value::Object(map) = record else {
            return Err(bad(&format!("{} where a posture gap belongs", kind_of(&record)), path.to_owned()));
        };
        let gap = PostureGap::from(map);
        // A filler is kept as a name here: what stands under it is still a finding.
        let Some(host) = gap.host.as_deref().map(str::trim).filter(|host| !host.is_empty()) else {
            return Err(bad("a posture gap without a host", format!("{path}.host")));
        };
        let key = host_key(host);
        let mut labels = gap.labels();
        for label in self.inventory.as_ref().map_or(&[][..], |inventory| inventory.labels_of(&key)) {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        if !self.scope.contains(&key, &labels) {
            self.note_foreign();
            return Ok(None);
        }
        self.labels.extend(labels.iter().filter(|label| self.scope.labels.contains(*label)).cloned());
        let Some(id) = present(gap.posture_gap_id.as_deref()) else {
            let gap = bad("a posture gap without an id", format!("{path}.postureGapId"));
            return Err(gap.with_partition(partition(&key)));
        };
        self.hosts.insert(key);
        let fixed = gap.status.as_ref().is_some_and(|word| map::status(word) == FindingStatus::Fixed);
        if known.is_some_and(|known| fixed || !known.fixed) {
            return Ok(None);
        }
        let finding = self.mapper.finding(&gap, Identity { id, host, labels: &labels }, raw);
        Ok(self.query.admits(&finding).then_some(finding))
    }

    /// Notes that the service does not do what its host parameter was guessed to do.
    fn note_foreign(&mut self) {
        if self.host_parameter().is_some() && !self.foreign {
            self.foreign = true;
            tracing::warn!(
                "the service ignores the parameter host; gaps of other hosts are read and dropped"
            );
            self.mapper.unknown_mut().word("parameter host", "ignored");
        }
    }

    /// What the walk can say now that it has ended.
    fn coverage(&mut self) -> Coverage {
        let mut inventory = self.inventory.take().unwrap_or_default();
        let silence = self.silence();
        let mut coverage = Coverage::new();
        let asked = |(host, labels): &(&String, &Vec<String>)| self.scope.contains(host, labels);
        let listed = inventory.hosts.iter().filter(asked).map(|(host, _)| host);
        for host in self.hosts.iter().chain(listed) {
            if silence.is_some() || inventory.hosts.contains_key(host) {
                coverage.mark_conclusive(partition(host));
            } else {
                coverage.mark_inconclusive(partition(host), "the inventory does not list the host");
            }
        }
        if let Some(reason) = silence {
            coverage.mark_all_inconclusive(reason);
        }
        for gap in std::mem::take(&mut self.gaps) {
            coverage.add_gap(gap);
        }
        // Before what follows from it: the first gap is the reason that people read.
        if let Some(problem) = inventory.problem.take() {
            coverage.add_gap(CoverageGap::new(GapKind::NotInInventory, problem));
        }
        for host in self.scope.hosts.iter().filter(|host| !inventory.hosts.contains_key(*host)) {
            if !self.hosts.contains(host) {
                let message = format!("neither the inventory nor any posture gap names the host {host}");
                coverage.add_gap(
                    CoverageGap::new(GapKind::TargetMissing, message).with_partition(partition(host)),
                );
            }
        }
        let listed: BTreeSet<_> = inventory.hosts.values().flatten().collect();
        for label in self.scope.labels.iter().filter(|label| !listed.contains(label)) {
            if !self.labels.contains(label) {
                let message = format!("neither a host nor any posture gap has the label {label}");
                coverage.add_gap(CoverageGap::new(GapKind::TargetMissing, message));
            }
        }
        if self.cursor.has_jumped() {
            coverage.add_gap(CoverageGap::new(GapKind::Shifted, JUMPED));
        }
        coverage.with_unknown(std::mem::take(self.mapper.unknown_mut()))
    }

    /// Why silence proves nothing anywhere, where it does not.
    fn silence(&self) -> Option<&'static str> {
        if let Some(reason) = self.query.silence() {
            Some(reason)
        } else if !self.scope.labels.is_empty() {
            Some("a label was asked for, and a gap whose label was taken off is not gone")
        } else if self.host_parameter().is_some() {
            Some("the service was asked for one host by a parameter that is a guess")
        } else if !self.client.settings().parameters.is_empty() {
            Some("the service was asked with parameters whose effect is unknown")
        } else if self.seen.is_empty() {
            // What is resolved stays in the list. One without a record is what a token without sight of them sees, and has no total to
            // check it by.
            Some(
                "the service lists no posture gap of any status, and a token without the scope perm-viewer would be shown as much",
            )
        } else {
            None
        }
    }
}

fn endless(message: String) -> Error {
    Error::new(ErrorKind::Unexpected, message).with_operation(LIST_GAPS)
}
