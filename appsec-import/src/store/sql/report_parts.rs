//! Reads and writes how many parts the SARIF reports of a binding have had.

use appsec_core::Result;

use super::sql_store::SqlStore;
use super::transaction::{args, get};
use crate::binding::Binding;
use crate::store::report_parts::ReportParts;

impl SqlStore {
    pub(super) async fn read_report_parts(&self, binding: &Binding) -> Result<ReportParts> {
        let text = "SELECT whole_parts, partial_parts FROM report_parts
                    WHERE binding = (SELECT id FROM binding WHERE key = $1)";
        let rows = self.rows(text, args![binding.key()]).await?;
        let Some(row) = rows.first() else { return Ok(ReportParts::default()) };
        let count = |column| get::<i64>(row, column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Ok(ReportParts::new(count("whole_parts")?, count("partial_parts")?))
    }

    pub(super) async fn write_report_parts(&self, binding: &Binding, parts: ReportParts) -> Result<()> {
        let raise = "INSERT INTO report_parts (binding, whole_parts, partial_parts)
                     SELECT id, $2, $3 FROM binding WHERE key = $1
                     ON CONFLICT (binding) DO UPDATE SET
                        whole_parts = CASE WHEN excluded.whole_parts > report_parts.whole_parts
                            THEN excluded.whole_parts ELSE report_parts.whole_parts END,
                        partial_parts = CASE WHEN excluded.partial_parts > report_parts.partial_parts
                            THEN excluded.partial_parts ELSE report_parts.partial_parts END";
        let mut tx = self.begin().await?;
        tx.execute(raise, args![binding.key(), i64::from(parts.whole), i64::from(parts.partial)]).await?;
        tx.commit().await
    }
}
