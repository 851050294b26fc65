//! Why a customer stands where it stands: folded when asked, by the code that scoring runs.
//!
//! From this customer's facts, what is in force and the last tick the fold tells score, parts, values and the tier they
//! reach. The tier held, and since when, is what scoring said: it depends on the way there, of which only the end is
//! folded here.

use prost::Message;
use serde_json::{Value, json};
use tiermesh_domain::{
    explain::CustomerFold, fold::FoldError, hash::partition_of, policy::Missing, time::format_instant,
};
use tiermesh_proto::v1::{Control, ControlCopy, CustomerEvent, Fact, Tick, customer_event::Event};
use tiermesh_store::{
    StoreError,
    read_model::{CustomerRow, ReadModel},
};

use crate::in_force::InForce;

/// So many facts are folded for an answer; of a customer with more, the newest.
const MOST_FACTS: u32 = 50_000;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error("the fold broke off")]
    Broken,
}

/// Where the customer stands under each policy, and why; and the tick that this is as of.
pub(crate) async fn explain(
    model: &ReadModel,
    customer: &CustomerRow,
    partitions: u32,
) -> Result<(Value, Vec<Value>), ExplainError> {
    let in_force = InForce::read(model).await?;
    let partition = partition_of(&customer.customer, partitions);
    let tick = model.ticks().await?.into_iter().find(|(ticked, _)| *ticked == partition).map(|(_, time_ms)| time_ms);
    let facts = model.facts(&customer.customer, MOST_FACTS).await?;
    let id = customer.customer.clone();
    let reweighed: Vec<String> = in_force
        .policies
        .values()
        .filter(|policy| policy.missing == Missing::Reweigh)
        .map(|it| it.name.clone())
        .collect();
    // A long history takes its time, which is not for the threads that serve everybody.
    let folding = tokio::task::spawn_blocking(move || fold(&id, partitions, in_force, &facts, tick));
    let mut explained = folding.await.map_err(|_| ExplainError::Broken)??;
    let standings = explained["standings"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let standings = standings.into_iter().map(|standing| as_held(standing, customer, &reweighed)).collect();
    Ok((explained["as_of"].take(), standings))
}

fn fold(
    customer: &str,
    partitions: u32,
    in_force: InForce,
    facts: &[Vec<u8>],
    tick: Option<i64>,
) -> Result<Value, FoldError> {
    let mut fold = CustomerFold::new(partitions, customer);
    let mut number = 0;
    let mut copy = |control: Control| {
        number += 1;
        CustomerEvent { event: Some(Event::Control(ControlCopy { number, control: Some(control) })) }
    };
    for word in in_force.words {
        fold.take(&copy(word))?;
    }
    for bytes in facts {
        // The read model wrote it: what it can't read any more is no fact of this release.
        let Ok(fact) = Fact::decode(bytes.as_slice()) else { continue };
        fold.take(&CustomerEvent { event: Some(Event::Fact(fact)) })?;
    }
    if let Some(time_ms) = tick {
        fold.take(&CustomerEvent { event: Some(Event::Tick(Tick { time_ms })) })?;
    }
    for word in in_force.cut_points {
        fold.take(&copy(word))?;
    }
    Ok(serde_json::to_value(fold.explanation()).unwrap_or_default())
}

/// The standing with the tier that scoring gave, and whether parts without data raise the weights of the others.
fn as_held(mut standing: Value, customer: &CustomerRow, reweighed: &[String]) -> Value {
    let policy = standing["policy"].as_str().unwrap_or_default().to_owned();
    standing["reweighed"] = json!(reweighed.contains(&policy) && standing["coverage"] != json!(1));
    if let Some(held) = customer.tiers.iter().find(|held| held.policy == policy) {
        standing["tier"] = json!(held.tier);
        standing["since"] = json!(format_instant(held.since_ms));
    }
    let waits = standing["tier"] != standing["reached"];
    if !waits {
        standing["review_at"] = Value::Null;
    }
    standing
}
