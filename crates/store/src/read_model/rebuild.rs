//! Dropping the read model, so that it is built again from the topics.

use super::statement::{Statement, Writing};
use super::{READ_MODEL_CONSUMER, ReadModel};
use crate::error::StoreError;

const TABLES: [&str; 11] = [
    "model_customers",
    "model_facts",
    "model_standings",
    "model_changes",
    "model_signals",
    "model_open_signals",
    "model_deliveries",
    "model_documents",
    "model_ticks",
    "model_dead_letters",
    "model_dead_letter_places",
];

impl ReadModel {
    /// Drops all rows and the consumer's places, in one transaction. A consumer that runs finds its place gone, and
    /// begins anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn rebuild(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.store
            .during("dropping the read model", async {
                let mut writing = self.store.begin().await?;
                // First, as everybody who writes: none of them is under way from here on.
                let generation = "UPDATE model SET generation = generation + 1, number = 0";
                writing.execute(Statement::new(generation)).await?;
                let places = Statement::new("DELETE FROM consumer_places WHERE consumer = ");
                writing.execute(places.argument(READ_MODEL_CONSUMER)).await?;
                match &writing {
                    // Row by row, a large one would meet the time-out of statements.
                    Writing::Postgres(_) => {
                        let truncate = format!("TRUNCATE {}", TABLES.join(", "));
                        writing.execute(Statement::new(&truncate)).await?;
                    }
                    // SQLite drops a table's pages whole if all of it is to go.
                    Writing::Sqlite(_) => {
                        for table in TABLES {
                            writing.execute(Statement::new(&format!("DELETE FROM {table}"))).await?;
                        }
                    }
                }
                writing.commit().await
            })
            .await
    }
}
