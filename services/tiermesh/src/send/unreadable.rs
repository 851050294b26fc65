//! Rows that gave no event: ingest keeps them as dead letters, so that nothing of a file is lost.

use serde_json::{Value, json};

use super::{
    patience::Patience,
    server::{Failure, Server},
};

/// A row that gave no event.
#[derive(Debug, Clone)]
pub(super) struct BadRow {
    /// `file:line`.
    pub(super) place: String,
    /// Why it gave none.
    pub(super) reason: String,
    /// What it holds, as far as that can be told.
    pub(super) row: Option<Value>,
}

/// Rows sent at once.
const AT_ONCE: usize = 1_000;
/// Bytes sent at once, roughly.
const MOST_BYTES: usize = 1 << 20;

impl BadRow {
    fn letter(&self) -> Value {
        let (file, line) = self.place.rsplit_once(':').unwrap_or((&self.place, "0"));
        // A mapping names the column first.
        let named = self
            .reason
            .split_once(": ")
            .filter(|(column, _)| self.row.as_ref().is_some_and(|row| row.get(column).is_some()));
        let (field, reason) = named.unwrap_or(("", &self.reason));
        json!({
            "file": file, "line": line.parse().unwrap_or(0_u64), "field": field, "reason": reason,
            "original": self.row,
        })
    }
}

/// Hands them to ingest.
pub(super) async fn keep(server: &Server, rows: &[BadRow], patience: &mut Patience) -> Result<(), Failure> {
    let mut letters = Vec::new();
    let mut bytes = 0;
    for (number, row) in (1..).zip(rows) {
        let letter = row.letter();
        bytes += letter.to_string().len();
        letters.push(letter);
        if letters.len() < AT_ONCE && bytes < MOST_BYTES && number < rows.len() {
            continue;
        }
        let body = json!({"letters": std::mem::take(&mut letters)}).to_string();
        bytes = 0;
        while let Err(failure) = server.post("v1/dead-letters", "application/json", body.clone()).await {
            patience.bear(failure).await?;
        }
        patience.restore();
    }
    Ok(())
}
