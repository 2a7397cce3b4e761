//! Users' decisions about findings.

use appsec_core::{Error, ErrorKind, Fingerprint, Result, Timestamp};

use super::finding_key::fingerprint_key;
use super::finding_row::{StoredRow, finding_by_key};
use super::runs::{CONCLUDED, OPEN};
use super::sql_store::SqlStore;
use super::transaction::{args, to_name};
use crate::binding::Binding;
use crate::decision::Decision;
use crate::reconcile::KnownFinding;

impl SqlStore {
    pub(super) async fn write_decision(
        &self,
        binding: &Binding,
        finding: &Fingerprint,
        decision: Option<Decision>,
    ) -> Result<KnownFinding> {
        let mut tx = self.begin().await?;
        // A run that is being concluded holds its row: the decision is written before or after, and neither
        // overwrites the other.
        let wait = "UPDATE run SET lease_until = lease_until
                    WHERE binding = (SELECT id FROM binding WHERE key = $1) AND state = $2";
        tx.execute(wait, args![binding.key(), OPEN]).await?;
        let select = finding_by_key(self.dialect);
        let Some(row) = tx.row(&select, args![binding.key(), fingerprint_key(*finding)]).await? else {
            let message = format!("the binding has no finding {finding}");
            return Err(Error::new(ErrorKind::NotFound, message).with_operation("set decision"));
        };
        let StoredRow { id, mut finding, .. } = StoredRow::new(&row)?;
        finding.set_decision(decision);
        let decision = decision.map(|decision| to_name(&decision)).transpose()?;
        let state = to_name(&finding.state)?;
        let update = "UPDATE finding SET decision = $3, state = $4
                      WHERE binding = (SELECT id FROM binding WHERE key = $1) AND id = $2";
        tx.execute(update, args![binding.key(), id, decision.clone(), state.as_str()]).await?;
        let insert = "INSERT INTO decision (binding, finding, run, at, decision, state)
                      SELECT b.id, $2, COALESCE((SELECT MAX(number) FROM run r WHERE r.binding = b.id AND r.state = $3), 0), $4, $5, $6
                      FROM binding b WHERE b.key = $1";
        let now = Timestamp::now().to_string();
        tx.execute(insert, args![binding.key(), id, CONCLUDED, now, decision, state]).await?;
        tx.commit().await?;
        Ok(finding)
    }
}
