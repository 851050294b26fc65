//! Money that doesn't count: amounts held out for a currency without a rate, refunds above what their order came to.

use std::collections::{BTreeMap, HashMap, HashSet};

use tiermesh_domain::{exact::format_scaled, hash::identity_of, money::decimals_of, policy::Policy};
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_proto::v1::{Fact, customer_event::Event, fact::Data};

use super::Finding;
use crate::reading::each_record;

/// Orders with an excess that are named.
const NAMED: usize = 5;

pub(super) async fn findings(
    log: &dyn EventLog,
    policies: impl Iterator<Item = &Policy>,
) -> Result<Vec<Finding>, LogError> {
    let policies: Vec<&Policy> = policies.collect();
    let mut held_out = HeldOut::default();
    let mut excess = Vec::new();
    for partition in 0..log.partitions(CUSTOMER_EVENTS.name).await? {
        // A customer's facts stand in one partition.
        let mut orders = Orders::default();
        each_record(log, CUSTOMER_EVENTS.name, partition, |record| {
            if let Some(Event::Fact(fact)) = CUSTOMER_EVENTS.decode(&record)?.event
                && orders.is_new(&fact)
            {
                held_out.take(&fact, &policies);
                orders.take(&fact);
            }
            Ok(())
        })
        .await?;
        excess.extend(orders.excess());
    }
    let mut findings = held_out.findings();
    if findings.is_empty() {
        findings.push(Finding::well("money", "no amount is held out"));
    }
    if !excess.is_empty() {
        excess.sort();
        let named = excess.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        let what = format!("{} orders were refunded by more than they came to: {named}", excess.len());
        findings.push(Finding::note("money", what, "the excess is ignored; correct the order or the refund upstream"));
    }
    Ok(findings)
}

fn amount(minor: i128, currency: &str) -> String {
    format!("{} {currency}", format_scaled(minor, decimals_of(currency).unwrap_or(2)))
}

/// Amounts that a policy has no rate for.
#[derive(Default)]
struct HeldOut(BTreeMap<String, (usize, i128, Vec<String>)>);

impl HeldOut {
    fn take(&mut self, fact: &Fact, policies: &[&Policy]) {
        let (minor, currency) = match &fact.data {
            Some(Data::OrderPlaced(order) | Data::OrderCorrected(order)) => (order.amount_minor, &order.currency),
            Some(Data::OrderRefunded(refund)) => (-refund.amount_minor, &refund.currency),
            _ => return,
        };
        let without = policies.iter().filter(|policy| policy.valuation.value(minor, currency).is_none());
        let without: Vec<String> = without.map(|policy| policy.name.clone()).collect();
        if !without.is_empty() {
            let entry = self.0.entry(currency.clone()).or_insert_with(|| (0, 0, without));
            entry.0 += 1;
            entry.1 += i128::from(minor);
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let finding = |(currency, (count, sum, policies)): (&String, &(usize, i128, Vec<String>))| {
            let policies = policies.join(", ");
            Finding::wrong(
                "money",
                format!("{count} amounts in {currency}, {} in all, are held out by {policies}", amount(*sum, currency)),
                format!("add a rate for {currency} to these policies, raise their version and activate them"),
            )
        };
        self.0.iter().map(finding).collect()
    }
}

/// What orders came to, and what was given back.
#[derive(Default)]
struct Orders {
    seen: HashSet<u128>,
    orders: HashMap<(String, String), Order>,
}

#[derive(Default)]
struct Order {
    /// As of the latest of placed and corrected.
    amount: Option<((i64, String, String), i64, String)>,
    refunds: Vec<(i64, String)>,
}

impl Orders {
    /// Of several with one name the first stands.
    fn is_new(&mut self, fact: &Fact) -> bool {
        self.seen.insert(identity_of(&[&fact.source, &fact.id, &fact.subject]))
    }

    fn take(&mut self, fact: &Fact) {
        match &fact.data {
            Some(Data::OrderPlaced(order) | Data::OrderCorrected(order)) => {
                let known = self.orders.entry((fact.subject.clone(), order.order_id.clone())).or_default();
                let rank = (fact.time_ms, fact.source.clone(), fact.id.clone());
                if known.amount.as_ref().is_none_or(|(before, ..)| *before < rank) {
                    known.amount = Some((rank, order.amount_minor, order.currency.clone()));
                }
            }
            Some(Data::OrderRefunded(refund)) => {
                if let Some(order) = &refund.order_id {
                    let known = self.orders.entry((fact.subject.clone(), order.clone())).or_default();
                    known.refunds.push((refund.amount_minor, refund.currency.clone()));
                }
            }
            _ => {}
        }
    }

    fn excess(&self) -> Vec<String> {
        let excess = |((customer, id), order): (&(String, String), &Order)| {
            let (_, placed, currency) = order.amount.as_ref()?;
            let same = order.refunds.iter().filter(|(_, of)| of == currency);
            let over = same.map(|(minor, _)| i128::from(*minor)).sum::<i128>() - i128::from(*placed);
            (over > 0).then(|| format!("order {id} of {customer} by {}", amount(over, currency)))
        };
        self.orders.iter().filter_map(excess).collect()
    }
}
