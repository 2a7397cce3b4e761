//! Writing a gap's status back. That Salt takes one, and where, is confirmed; the body and the answer are a guess, which is why
//! the body can be replaced, the answer is kept as it came, and the gap is read again.

use std::fmt;

use appsec_core::{Error, ErrorKind, FindingStatus, Result, StatusChange};
use appsec_http::{Request, Response};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::client::SaltClient;
use crate::model::{GapStatus, PostureGap, present};
use crate::request::{GAPS, GapsQuery, WRITE_STATUS};

/// The new status of a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapChange {
    /// The gap's id.
    pub id: String,
    /// Its new status.
    pub status: GapStatus,
    /// Why. No body of [`SpeculativeBody`] has a place for it; one of your own may.
    pub comment: Option<String>,
}

impl GapChange {
    /// Gives the gap of that id a status.
    pub fn new(id: impl Into<String>, status: GapStatus) -> Self {
        Self { id: id.into(), status, comment: None }
    }

    /// Says why.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// Makes the body of a status change. **Speculative**: implement it where your tenant's own documentation says how the body is.
///
/// ```
/// use salt_client::{GapChange, WriteBack};
/// use serde_json::{Value, json};
///
/// #[derive(Debug)]
/// struct AsMyPortalSays;
///
/// impl WriteBack for AsMyPortalSays {
///     fn body(&self, change: &GapChange) -> Value {
///         json!({"gap": change.id, "newStatus": change.status, "note": change.comment})
///     }
/// }
/// ```
pub trait WriteBack: fmt::Debug + Send + Sync {
    /// The body that asks for this change.
    fn body(&self, change: &GapChange) -> Value;
}

/// The bodies that a status change may have. **Speculative**: no body has been published; these use the names that gaps are read
/// with, and nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpeculativeBody {
    /// `{"postureGapId": "…", "status": "Resolved"}`, the likeliest.
    #[default]
    Object,
    /// `[{"postureGapId": "…", "status": "Resolved"}]`
    List,
    /// `{"postureGapIds": ["…"], "status": "Resolved"}`
    Ids,
}

impl WriteBack for SpeculativeBody {
    fn body(&self, change: &GapChange) -> Value {
        let GapChange { id, status, .. } = change;
        match self {
            Self::Object => json!({"postureGapId": id, "status": status}),
            Self::List => json!([{"postureGapId": id, "status": status}]),
            Self::Ids => json!({"postureGapIds": [id], "status": status}),
        }
    }
}

/// A status change that the service has answered with 2xx. **Speculative**: what such an answer means is unknown, so the change
/// is not a fact before [`verify`](Self::verify) says so.
#[derive(Debug, Clone)]
#[must_use = "an answer does not prove the change; verify it"]
pub struct UnverifiedChange {
    client: SaltClient,
    change: GapChange,
    answer: Response,
}

impl UnverifiedChange {
    /// What was asked for.
    pub fn change(&self) -> &GapChange {
        &self.change
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.answer.status()
    }

    /// The answer's body as it came; it may be empty.
    pub fn body(&self) -> &[u8] {
        self.answer.body()
    }

    /// The answer's body as JSON, where it is any.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body()).ok()
    }

    /// Reads the gap again: [`SaltClient::verify_gap_status`].
    ///
    /// # Errors
    /// As [`SaltClient::list_gaps`].
    pub async fn verify(&self) -> Result<Verification> {
        self.client.verify_gap_status(&self.change).await
    }
}

/// How a gap stands after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// It has the new status.
    Changed,
    /// It has another one; `None` where the record has none.
    Unchanged(Option<GapStatus>),
    /// No gap of that id is listed under any of the four statuses.
    NotListed,
}

pub(crate) fn request(change: &GapChange, body: &dyn WriteBack) -> Result<Request> {
    if present(Some(&change.id)).is_none() {
        return Err(
            Error::new(ErrorKind::InvalidRequest, "a change names a gap's id").with_operation(WRITE_STATUS)
        );
    }
    Request::post(WRITE_STATUS, GAPS).with_json(&body.body(change))
}

pub(crate) async fn write(
    client: &SaltClient,
    change: &GapChange,
    body: &dyn WriteBack,
) -> Result<UnverifiedChange> {
    let answer = client.http().send(&request(change, body)?).await?;
    if answer.is_html() {
        let message = "an HTML page came instead of an answer to the change";
        return Err(Error::new(ErrorKind::Decode, message)
            .with_operation(WRITE_STATUS)
            .with_status(answer.status())
            .with_outcome_unknown(true));
    }
    Ok(UnverifiedChange { client: client.clone(), change: change.clone(), answer })
}

/// Looks where the gap should be now, then everywhere else: together never more than one walk over all gaps.
pub(crate) async fn verify(client: &SaltClient, change: &GapChange) -> Result<Verification> {
    let all = [GapStatus::Open, GapStatus::InProcess, GapStatus::Resolved, GapStatus::Ignored];
    let (now, before): (Vec<_>, Vec<_>) = all.into_iter().partition(|status| *status == change.status);
    for statuses in [now, before] {
        if let Some(gap) = find(client, &change.id, statuses).await? {
            let status = gap.status.map(|word| word.value().clone());
            return Ok(if status.as_ref() == Some(&change.status) {
                Verification::Changed
            } else {
                Verification::Unchanged(status)
            });
        }
    }
    Ok(Verification::NotListed)
}

async fn find(client: &SaltClient, id: &str, statuses: Vec<GapStatus>) -> Result<Option<PostureGap>> {
    if statuses.is_empty() {
        return Ok(None);
    }
    let settings = client.settings();
    let query = GapsQuery::new().with_limit(settings.page_size).with_statuses(statuses);
    let query =
        settings.parameters.iter().fold(query, |query, (name, value)| query.with_parameter(name, value));
    let mut pages = client.gaps(query);
    while let Some(page) = pages.try_next().await? {
        let found = page.records.into_iter().find(|gap| gap.posture_gap_id.as_deref() == Some(id));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The trait's write-back: only a change that was read again is a success.
pub(crate) async fn set(client: &SaltClient, change: &StatusChange) -> Result<()> {
    let Some(body) = &client.settings().write_back else {
        return Err(Error::unsupported("set_finding_status"));
    };
    let mut asked = GapChange::new(&change.finding, word(&change.status)?);
    asked.comment.clone_from(&change.comment);
    let verified = write(client, &asked, &**body).await?.verify().await;
    let (kind, message) = match verified.map_err(|error| error.with_outcome_unknown(true))? {
        Verification::Changed => return Ok(()),
        Verification::Unchanged(status) => {
            let status = status.map_or("none".to_owned(), |status| status.to_string());
            (ErrorKind::Unexpected, format!("the service took the change, and the gap's status is {status}"))
        }
        Verification::NotListed => {
            (ErrorKind::NotFound, "the service took the change, and lists no gap of that id".to_owned())
        }
    };
    Err(Error::new(kind, message).with_operation(WRITE_STATUS).with_outcome_unknown(true))
}

/// Salt's word for a status. Only words that are read back as the same status: an accepted risk would come back as ignored.
fn word(status: &FindingStatus) -> Result<GapStatus> {
    Ok(match status {
        FindingStatus::Open => GapStatus::Open,
        FindingStatus::InProgress => GapStatus::InProcess,
        FindingStatus::Fixed => GapStatus::Resolved,
        FindingStatus::Ignored => GapStatus::Ignored,
        other => {
            let message =
                format!("Salt has no status {other}; there are open, in_progress, fixed and ignored");
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(WRITE_STATUS));
        }
    })
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;

    use super::*;

    #[test]
    fn each_body_holds_the_id_and_the_status() {
        let change = GapChange::new("6810", GapStatus::InProcess).with_comment("why");
        for (body, expected) in [
            (SpeculativeBody::Object, json!({"postureGapId": "6810", "status": "InProcess"})),
            (SpeculativeBody::List, json!([{"postureGapId": "6810", "status": "InProcess"}])),
            (SpeculativeBody::Ids, json!({"postureGapIds": ["6810"], "status": "InProcess"})),
        ] {
            let request = request(&change, &body).unwrap();
            assert_eq!(request.method().as_str(), "POST");
            assert_eq!(request.path().as_str(), "/v1/apigovern/posture/gaps");
            assert_eq!(serde_json::from_slice::<Value>(request.body().unwrap()).unwrap(), expected);
            assert_eq!(
                request.repeat(),
                RetrySafety::IfUnsent,
                "never again after an answer that is missing"
            );
        }
        assert_eq!(
            request(&GapChange::new(" ", GapStatus::Open), &SpeculativeBody::Object).unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
    }

    #[test]
    fn only_words_that_come_back_as_the_same_are_written() {
        for known in FindingStatus::KNOWN {
            let status = FindingStatus::from(*known);
            match word(&status) {
                Ok(word) => assert!(["open", "in_progress", "fixed", "ignored"].contains(known), "{word}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{known}"),
            }
        }
        assert!(word(&FindingStatus::Unknown("Snoozed".into())).is_err());
    }
}
