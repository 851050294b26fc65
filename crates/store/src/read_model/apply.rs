//! A batch's rows and the consumer's place, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::ReadModel;
use super::rows::{CardUpdate, ChangeRow, DeliveryRow, DocumentRow, FactRow, Rows, SignalRow};
use super::statement::{Argument, Statement, Writing};
use crate::error::{Failure, StoreError};
use crate::place::{Advance, Step};

/// Rows to a statement: enough to make the way to the database cheap, few enough for its limit on arguments.
pub(super) const ROWS: usize = 500;

/// The first statement of every writer: it waits here for the one before, so that numbers are seen in their order.
const NUMBERS: &str = "UPDATE model SET number = number + ";

impl ReadModel {
    /// Stores what a batch comes to, and moves the consumer's place, or does neither.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] if the place is not where the step sets out from, [`StoreError::Unavailable`].
    pub async fn apply(&self, step: Step<'_>, rows: &Rows) -> Result<(), StoreError> {
        let what = format!("storing what topic `{}`, partition {} says", step.topic, step.partition);
        let _turn = self.turn.lock().await;
        self.store
            .during(&what, async {
                let mut writing = self.store.begin().await?;
                let taken = rows.numbered();
                let numbers = Statement::new(NUMBERS).argument(taken).sql(" RETURNING number");
                let numbers: Vec<(i64,)> = writing.query(numbers).await?;
                let mut next = numbers.first().map_or(0, |(last,)| last - taken) + 1;
                match &mut writing {
                    Writing::Postgres(transaction) => transaction.advance(step).await?,
                    Writing::Sqlite(transaction) => transaction.advance(step).await?,
                }
                writing.facts(&rows.facts, &mut next).await?;
                writing.changes(&rows.changes, &mut next).await?;
                writing.signals(&rows.signals, &mut next).await?;
                writing.deliveries(&rows.deliveries, &mut next).await?;
                writing.dead_letters(i64::from(step.partition), rows).await?;
                writing.documents(&rows.documents).await?;
                if let Some(tick_ms) = rows.tick_ms {
                    writing.tick(i64::from(step.partition), tick_ms).await?;
                }
                writing.commit().await
            })
            .await
    }
}

impl Rows {
    /// How many of them get a number.
    fn numbered(&self) -> i64 {
        let rows = self.facts.len() + self.changes.len() + self.signals.len() + self.deliveries.len();
        i64::try_from(rows).unwrap_or(i64::MAX)
    }
}

/// Hands out the next number.
fn number(next: &mut i64) -> Argument {
    *next += 1;
    (*next - 1).into()
}

impl Writing {
    async fn facts(&mut self, facts: &[FactRow], next: &mut i64) -> Result<(), Failure> {
        let mut first_of_their_names = Vec::with_capacity(facts.len());
        for facts in facts.chunks(ROWS) {
            let first = *next;
            let row = |fact: &FactRow| {
                let number = number(next);
                vec![
                    (&fact.customer).into(),
                    (&fact.source).into(),
                    (&fact.id).into(),
                    number,
                    fact.at_ms.into(),
                    (&fact.bytes).into(),
                ]
            };
            let insert = Statement::new("INSERT INTO model_facts (customer, source, id, number, at_ms, bytes) VALUES ")
                .rows(facts.iter().map(row))
                .sql(" ON CONFLICT (customer, source, id) DO NOTHING");
            if self.execute(insert).await? == facts.len() as u64 {
                first_of_their_names.extend(facts);
                continue;
            }
            // Only the first of its name counts, as in the fold.
            let name = |fact: &FactRow| vec![(&fact.customer).into(), (&fact.source).into(), (&fact.id).into()];
            let inserted = Statement::new("SELECT number FROM model_facts WHERE number >= ")
                .argument(first)
                .sql(" AND (customer, source, id) IN (VALUES ")
                .rows(facts.iter().map(name))
                .sql(")");
            let new: Vec<(i64,)> = self.query(inserted).await?;
            let new: BTreeSet<i64> = new.into_iter().map(|(number,)| number).collect();
            let new = (first..).zip(facts).filter(|(number, _)| new.contains(number)).map(|(_, fact)| fact);
            first_of_their_names.extend(new);
        }
        self.customers(&first_of_their_names).await
    }

    async fn customers(&mut self, facts: &[&FactRow]) -> Result<(), Failure> {
        struct Seen {
            first_ms: i64,
            last_ms: i64,
            facts: i64,
        }
        let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
        let mut cards: BTreeMap<&str, CardUpdate> = BTreeMap::new();
        for fact in facts {
            let new = || Seen { first_ms: fact.at_ms, last_ms: fact.at_ms, facts: 0 };
            let customer = seen.entry(&fact.customer).or_insert_with(new);
            customer.first_ms = customer.first_ms.min(fact.at_ms);
            customer.last_ms = customer.last_ms.max(fact.at_ms);
            customer.facts += 1;
            if fact.card != CardUpdate::default() {
                cards.entry(&fact.customer).or_default().then(&fact.card);
            }
        }
        let row = |(customer, seen): &(&str, Seen)| {
            vec![(*customer).into(), seen.first_ms.into(), seen.last_ms.into(), seen.facts.into()]
        };
        let seen: Vec<(&str, Seen)> = seen.into_iter().collect();
        for seen in seen.chunks(ROWS) {
            let upsert = Statement::new("INSERT INTO model_customers (customer, first_ms, last_ms, facts) VALUES ")
                .rows(seen.iter().map(row))
                .sql(
                    " ON CONFLICT (customer) DO UPDATE SET facts = model_customers.facts + excluded.facts,
                    first_ms = CASE WHEN excluded.first_ms < model_customers.first_ms THEN excluded.first_ms
                        ELSE model_customers.first_ms END,
                    last_ms = CASE WHEN excluded.last_ms > model_customers.last_ms THEN excluded.last_ms
                        ELSE model_customers.last_ms END",
                );
            self.execute(upsert).await?;
        }
        for (customer, card) in cards {
            let mut update = Statement::new("UPDATE model_customers SET customer = customer");
            let fields = [("owner", card.owner), ("region", card.region), ("language", card.language)];
            for (column, value) in fields.iter().filter_map(|(column, value)| value.as_ref().map(|it| (column, it))) {
                update = update.sql(&format!(", {column} = ")).argument(value);
            }
            self.execute(update.sql(" WHERE customer = ").argument(customer)).await?;
        }
        Ok(())
    }

    async fn changes(&mut self, changes: &[ChangeRow], next: &mut i64) -> Result<(), Failure> {
        for changes in changes.chunks(ROWS) {
            let row = |change: &ChangeRow| {
                let number = number(next);
                vec![
                    number,
                    (&change.customer).into(),
                    change.at_ms.into(),
                    (&change.policy).into(),
                    (&change.direction).into(),
                    (&change.bytes).into(),
                ]
            };
            let insert =
                Statement::new("INSERT INTO model_changes (number, customer, at_ms, policy, direction, bytes) VALUES ");
            self.execute(insert.rows(changes.iter().map(row))).await?;
        }
        // The last of each: one statement must not meet a row twice.
        let last: BTreeMap<(&str, &str), &ChangeRow> =
            changes.iter().map(|change| ((change.customer.as_str(), change.policy.as_str()), change)).collect();
        let last: Vec<&ChangeRow> = last.into_values().collect();
        for changes in last.chunks(ROWS) {
            let row = |change: &&ChangeRow| {
                vec![
                    (&change.customer).into(),
                    (&change.policy).into(),
                    change.version.into(),
                    (&change.tier).into(),
                    change.at_ms.into(),
                ]
            };
            let upsert = Statement::new(
                "INSERT INTO model_standings (customer, policy, version, tier, since_ms) VALUES ",
            )
            .rows(changes.iter().map(row))
            .sql(
                " ON CONFLICT (customer, policy) DO UPDATE SET version = excluded.version, tier = excluded.tier,
                since_ms = excluded.since_ms",
            );
            self.execute(upsert).await?;
        }
        Ok(())
    }

    async fn signals(&mut self, signals: &[SignalRow], next: &mut i64) -> Result<(), Failure> {
        for signals in signals.chunks(ROWS) {
            let row = |signal: &SignalRow| {
                vec![number(next), (&signal.customer).into(), signal.at_ms.into(), (&signal.bytes).into()]
            };
            let insert = Statement::new("INSERT INTO model_signals (number, customer, at_ms, bytes) VALUES ");
            self.execute(insert.rows(signals.iter().map(row))).await?;

            let last: BTreeMap<(&str, &str), &SignalRow> =
                signals.iter().map(|signal| ((signal.customer.as_str(), signal.detector.as_str()), signal)).collect();
            let (open, over): (Vec<&SignalRow>, Vec<_>) = last.into_values().partition(|signal| signal.is_open);
            if !over.is_empty() {
                let ended = over.iter().map(|signal| vec![(&signal.customer).into(), (&signal.detector).into()]);
                let delete = Statement::new("DELETE FROM model_open_signals WHERE (customer, detector) IN (VALUES ");
                self.execute(delete.rows(ended).sql(")")).await?;
            }
            if !open.is_empty() {
                let row = |signal: &&SignalRow| {
                    vec![
                        (&signal.customer).into(),
                        (&signal.detector).into(),
                        signal.at_stake_minor.into(),
                        (&signal.bytes).into(),
                    ]
                };
                let upsert = Statement::new(
                    "INSERT INTO model_open_signals (customer, detector, at_stake_minor, bytes) VALUES ",
                )
                .rows(open.iter().map(row))
                .sql(
                    " ON CONFLICT (customer, detector) DO UPDATE SET at_stake_minor = excluded.at_stake_minor,
                    bytes = excluded.bytes",
                );
                self.execute(upsert).await?;
            }
        }
        Ok(())
    }

    async fn deliveries(&mut self, deliveries: &[DeliveryRow], next: &mut i64) -> Result<(), Failure> {
        let numbered: Vec<(i64, &DeliveryRow)> = (*next..).zip(deliveries).collect();
        *next += numbered.len() as i64;
        for deliveries in numbered.chunks(ROWS) {
            let last: BTreeMap<&str, &(i64, &DeliveryRow)> =
                deliveries.iter().map(|numbered| (numbered.1.id.as_str(), numbered)).collect();
            let row = |(number, delivery): &(i64, &DeliveryRow)| {
                vec![
                    (&delivery.id).into(),
                    (*number).into(),
                    (&delivery.customer).into(),
                    delivery.at_ms.into(),
                    (&delivery.state).into(),
                    (&delivery.route).into(),
                    (&delivery.bytes).into(),
                ]
            };
            let upsert = Statement::new(
                "INSERT INTO model_deliveries (id, number, customer, at_ms, state, route, bytes) VALUES ",
            )
            .rows(last.into_values().map(row))
            .sql(
                " ON CONFLICT (id) DO UPDATE SET number = excluded.number, at_ms = excluded.at_ms,
                state = excluded.state, bytes = excluded.bytes",
            );
            self.execute(upsert).await?;
        }
        Ok(())
    }

    async fn documents(&mut self, documents: &[DocumentRow]) -> Result<(), Failure> {
        for document in documents {
            let statement = match &document.bytes {
                None => Statement::new("DELETE FROM model_documents WHERE name = ").argument(&document.name),
                Some(bytes) => {
                    let row = vec![(&document.name).into(), document.control_offset.cast_signed().into(), bytes.into()];
                    Statement::new("INSERT INTO model_documents (name, control_offset, bytes) VALUES ").rows([row]).sql(
                        " ON CONFLICT (name) DO UPDATE SET control_offset = excluded.control_offset,
                            bytes = excluded.bytes",
                    )
                }
            };
            self.execute(statement).await?;
        }
        Ok(())
    }

    async fn tick(&mut self, partition: i64, time_ms: i64) -> Result<(), Failure> {
        let upsert = Statement::new("INSERT INTO model_ticks (input_partition, time_ms) VALUES ")
            .rows([vec![partition.into(), time_ms.into()]])
            .sql(" ON CONFLICT (input_partition) DO UPDATE SET time_ms = excluded.time_ms");
        self.execute(upsert).await.map(drop)
    }
}

impl CardUpdate {
    /// What this and then the other say.
    fn then(&mut self, other: &Self) {
        for (this, other) in
            [(&mut self.owner, &other.owner), (&mut self.region, &other.region), (&mut self.language, &other.language)]
        {
            if other.is_some() {
                this.clone_from(other);
            }
        }
    }
}
