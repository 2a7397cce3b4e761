//! The bindings that the store knows, and how one gets another identity.

use appsec_core::{Error, ErrorKind, ErrorOrigin, Result, Timestamp};
use sqlx::any::AnyRow;

use super::errors::binding_held;
use super::runs::{CONCLUDED, OPEN};
use super::sql_store::SqlStore;
use super::transaction::{Transaction, args, from_json, from_millis, get, parse_time, to_json, to_millis};
use crate::binding::Binding;
use crate::store::known_binding::KnownBinding;

impl SqlStore {
    pub(super) async fn read_bindings(&self) -> Result<Vec<KnownBinding>> {
        // A dry run leaves the row of its binding, and nothing else.
        let text = "SELECT identity, target_name, connection,
                        (SELECT MAX(ended_at) FROM run WHERE binding = b.id AND state = $1) AS last_run_at
                    FROM binding b
                    WHERE EXISTS (SELECT 1 FROM run WHERE binding = b.id AND state <> 'dry_run') ORDER BY id";
        self.rows(text, args![CONCLUDED]).await?.iter().map(known_binding).collect()
    }

    pub(super) async fn give_identity(&self, from: &Binding, to: &Binding) -> Result<()> {
        let mut tx = self.begin().await?;
        let Some(id) = tx.locked_id(from).await? else {
            return Err(refused(ErrorKind::NotFound, "the store does not know the binding"));
        };
        if from.key() == to.key() {
            return Ok(());
        }
        let (now, held) = (
            Timestamp::now(),
            "SELECT lease_until, renewed_at FROM run WHERE binding = $1 AND state = $2 AND lease_until > $3",
        );
        if let Some(row) = tx.row(held, args![id, OPEN, to_millis(now)]).await? {
            let time = |column| from_millis(get(&row, column)?);
            return Err(binding_held(time("lease_until")?, time("renewed_at")?, now));
        }
        if let Some(other) = tx.locked_id(to).await? {
            let runs = "SELECT 1 AS runs FROM run WHERE binding = $1 AND state <> 'dry_run'";
            if tx.row(runs, args![other]).await?.is_some() {
                let message = "the binding has a history of its own under the new identity";
                return Err(refused(ErrorKind::Conflict, message));
            }
            for (table, column) in [("run", "binding"), ("binding", "id")] {
                tx.execute(&format!("DELETE FROM {table} WHERE {column} = $1"), args![other]).await?;
            }
        }
        let mut identity = to.clone();
        identity.configuration.scan_tag = None;
        let same_target = from.configuration.bind_target == to.configuration.bind_target;
        let update = "UPDATE binding SET key = $2, identity = $3,
                          target_name = CASE WHEN $4 = 1 THEN target_name END WHERE id = $1";
        tx.execute(update, args![id, to.key(), to_json(&identity)?, i64::from(same_target)]).await?;
        tx.commit().await
    }
}

impl Transaction {
    /// Returns the id of the binding where the store knows it, and locks its row until the transaction ends.
    async fn locked_id(&mut self, binding: &Binding) -> Result<Option<i64>> {
        let key = binding.key();
        self.execute("UPDATE binding SET identity = identity WHERE key = $1", args![key.as_str()]).await?;
        let row = self.row("SELECT id FROM binding WHERE key = $1", args![key]).await?;
        row.map(|row| get(&row, "id")).transpose()
    }
}

fn known_binding(row: &AnyRow) -> Result<KnownBinding> {
    let last_run_at = get::<Option<String>>(row, "last_run_at")?;
    Ok(KnownBinding::new(from_json(&get::<String>(row, "identity")?, "a binding")?)
        .with_target_name(get::<Option<String>>(row, "target_name")?)
        .with_connection(get::<Option<String>>(row, "connection")?)
        .with_last_run_at(last_run_at.map(|at| parse_time(&at)).transpose()?))
}

fn refused(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, message).with_operation("move binding").with_origin(ErrorOrigin::Store)
}
