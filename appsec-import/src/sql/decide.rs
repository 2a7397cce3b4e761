//! What a person decided about a finding.

use appsec_core::{Error, ErrorKind, Fingerprint, Result, Timestamp};

use super::keys::fingerprint_key;
use super::rows::{by_key, kept, word};
use super::runs::{DONE, OPEN};
use super::{SqlStore, args};
use crate::binding::Binding;
use crate::judge::Decision;
use crate::reconcile::KnownFinding;

impl SqlStore {
    pub(super) async fn keep_decision(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding> {
        let mut tx = self.transaction().await?;
        // A verdict under way holds the run's row: it comes before the decision or after, and overwrites none.
        let wait = "UPDATE run SET lease_until = lease_until
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = $2";
        tx.run(wait, args![binding.key(), OPEN]).await?;
        let Some(row) = tx.row(&by_key(), args![binding.key(), fingerprint_key(*finding)]).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("the binding knows no finding {finding}"))
                .with_operation("decide"));
        };
        let known = kept(&row)?;
        let (id, mut finding) = (known.id, known.finding);
        finding.decide(decision);
        let decision = decision.map(|decision| word(&decision)).transpose()?;
        let state = word(&finding.state)?;
        let set = "UPDATE finding SET decision = $3, state = $4
                   WHERE binding = (SELECT id FROM binding WHERE key = $1) AND id = $2";
        tx.run(set, args![binding.key(), id, decision.clone(), state.as_str()]).await?;
        let note = "INSERT INTO decided (binding, finding, run, at, decision, state)
                    SELECT l.id, $2, COALESCE((SELECT MAX(number) FROM run r WHERE r.binding = l.id AND r.state = $3), 0), $4, $5, $6
                    FROM binding l WHERE l.key = $1";
        tx.run(note, args![binding.key(), id, DONE, Timestamp::now().to_string(), decision, state]).await?;
        tx.commit().await?;
        Ok(finding)
    }
}
