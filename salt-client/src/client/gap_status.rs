//! The status of a gap: writing it, and reading it again.
//!
//! That Salt accepts a status, and at which path, is confirmed. The request body and the meaning of the
//! response are guesses. So the body can be replaced, the response is kept verbatim, and the gap is read
//! again.

use appsec_core::{CoverageGap, Error, ErrorKind, Result};
use appsec_http::{Request, Response};
use futures_util::TryStreamExt;
use serde_json::Value;

use super::gaps::{GAPS_PATH, GapsQuery};
use super::salt_client::SaltClient;
use crate::model::{GapChange, GapStatus, PostureGap, WriteBack, present};

pub(crate) const WRITE_STATUS: &str = "salt: write gap status";

/// A status change to which the service has responded with 2xx. **Speculative**: the meaning of such a
/// response is unknown, so the change has not taken effect until [`verify`](Self::verify) returns
/// [`Verification::Changed`].
#[derive(Debug, Clone)]
#[must_use = "a response does not prove the change; verify it"]
pub struct UnverifiedChange {
    client: SaltClient,
    change: GapChange,
    response: Response,
}

impl UnverifiedChange {
    /// Returns the change that was asked for.
    pub fn change(&self) -> &GapChange {
        &self.change
    }

    /// Returns the HTTP status of the response.
    pub fn status(&self) -> u16 {
        self.response.status()
    }

    /// Returns the body of the response verbatim; it may be empty.
    pub fn body(&self) -> &[u8] {
        self.response.body()
    }

    /// Returns the body of the response as JSON; `None` if it is not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body()).ok()
    }

    /// Reads the gap again; see [`SaltClient::verify_gap_status`].
    ///
    /// # Errors
    /// As [`SaltClient::list_gaps`].
    pub async fn verify(&self) -> Result<Verification> {
        self.client.verify_gap_status(&self.change).await
    }
}

/// The status of a gap after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// The gap has the new status.
    Changed,
    /// The gap has another status; `None` if the record has no status.
    Unchanged(Option<GapStatus>),
    /// No gap of that id is listed under any of the four known statuses.
    NotListed,
    /// No gap of that id was found, in a list that could not be read completely: what is missing.
    Unproven(CoverageGap),
}

impl SaltClient {
    /// Asks for a new status of a gap. The token needs the scope `perm-executor`.
    ///
    /// **Confirmed**: path and method, the four statuses. **Speculative**: request body and response. So
    /// the caller chooses the body ([`SpeculativeBody`](crate::SpeculativeBody) holds guesses), the
    /// response is kept verbatim, and only [`verify`](UnverifiedChange::verify) shows whether the
    /// status has changed.
    ///
    /// The request is not repeated, unless it was never sent or the service refused it with 429.
    ///
    /// ```no_run
    /// use salt_client::{GapChange, GapStatus, SpeculativeBody, Verification};
    ///
    /// # async fn example(salt: salt_client::SaltClient) -> salt_client::Result<()> {
    /// let change = GapChange::new("6810f2c4a1b2c3d4e5f60718", GapStatus::Ignored);
    /// let unverified = salt.write_gap_status(&change, &SpeculativeBody::Object).await?;
    /// let changed = unverified.verify().await? == Verification::Changed;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps), with the scope `perm-executor`; `InvalidRequest` for a change
    /// without an id. If [`outcome_unknown`](Error::outcome_unknown) is true, the change may have been
    /// made: verify it.
    pub async fn write_gap_status(
        &self,
        change: &GapChange,
        body: &dyn WriteBack,
    ) -> Result<UnverifiedChange> {
        let response = self.http().send(&status_request(change, body)?).await?;
        if response.is_html() {
            let message = "the response to the change is an HTML page";
            return Err(Error::new(ErrorKind::Decode, message)
                .with_operation(WRITE_STATUS)
                .with_status(response.status())
                .with_html(true)
                .with_outcome_unknown(true));
        }
        Ok(UnverifiedChange { client: self.clone(), change: change.clone(), response })
    }

    /// Reads a gap again and returns whether it has the status. No way to read a single gap is known, so
    /// this reads the list until it finds the gap: first the gaps with the new status, then the others.
    /// It never reads more than the whole list once.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps).
    pub async fn verify_gap_status(&self, change: &GapChange) -> Result<Verification> {
        let all = [GapStatus::Open, GapStatus::InProcess, GapStatus::Resolved, GapStatus::Ignored];
        let (new, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|status| *status == change.status);
        let mut missing = None;
        for statuses in [new, others] {
            if let Some(gap) = find_gap(self, &change.id, statuses, &mut missing).await? {
                let status = gap.status.map(|status| status.value().clone());
                return Ok(if status.as_ref() == Some(&change.status) {
                    Verification::Changed
                } else {
                    Verification::Unchanged(status)
                });
            }
        }
        Ok(missing.map_or(Verification::NotListed, Verification::Unproven))
    }
}

fn status_request(change: &GapChange, body: &dyn WriteBack) -> Result<Request> {
    if present(Some(&change.id)).is_none() {
        let message = "the change has no gap id";
        return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(WRITE_STATUS));
    }
    Request::post(WRITE_STATUS, GAPS_PATH).with_json(&body.body(change))
}

/// Reads the gaps with these statuses until one has the id. What could not be read goes into `missing`.
async fn find_gap(
    client: &SaltClient,
    id: &str,
    statuses: Vec<GapStatus>,
    missing: &mut Option<CoverageGap>,
) -> Result<Option<PostureGap>> {
    if statuses.is_empty() {
        return Ok(None);
    }
    let settings = client.settings();
    let query = GapsQuery::new().with_limit(settings.page_size).with_statuses(statuses);
    let query =
        settings.parameters.iter().fold(query, |query, (name, value)| query.with_parameter(name, value));
    let mut pages = client.gaps(query);
    while let Some(page) = pages.try_next().await? {
        let bad = page.bad.into_iter().map(|bad| bad.into_gap("a posture gap"));
        if let Some(gap) = page.gaps.into_iter().chain(bad).next() {
            missing.get_or_insert(gap);
        }
        let found = page.records.into_iter().find(|gap| gap.posture_gap_id.as_deref() == Some(id));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;
    use serde_json::json;

    use super::*;
    use crate::model::SpeculativeBody;

    #[test]
    fn each_body_holds_the_id_and_the_status() {
        let change = GapChange::new("6810", GapStatus::InProcess).with_comment("why");
        for (body, expected) in [
            (SpeculativeBody::Object, json!({"postureGapId": "6810", "status": "InProcess"})),
            (SpeculativeBody::List, json!([{"postureGapId": "6810", "status": "InProcess"}])),
            (SpeculativeBody::Ids, json!({"postureGapIds": ["6810"], "status": "InProcess"})),
        ] {
            let request = status_request(&change, &body).unwrap();
            assert_eq!(request.method().as_str(), "POST");
            assert_eq!(request.path().as_str(), "/v1/apigovern/posture/gaps");
            assert_eq!(serde_json::from_slice::<Value>(request.body().unwrap()).unwrap(), expected);
            assert_eq!(
                request.retry_safety(),
                RetrySafety::IfUnsent,
                "a request whose response is missing is not sent again"
            );
        }
        let nameless = status_request(&GapChange::new(" ", GapStatus::Open), &SpeculativeBody::Object);
        assert_eq!(nameless.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
