//! The ledger: every fact of one customer, packed, in a form that doesn't depend on the order they came in.

mod complaints;
mod orders;
mod receivables;
mod stamp;

pub use complaints::{Complaint, Complaints};
use indexmap::IndexMap;
pub use orders::{Contribution, EntryRef, Orders};
use prost::Message;
pub use receivables::{Collection, Receivables};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
pub use stamp::Stamp;
use tiermesh_proto::v1::{CustomerCard, Fact, fact::Data};

use crate::{
    fact::{UnknownFact, data},
    hash::{content_of, identity_of},
    names::{NameId, Names},
    time::Millis,
};

/// The mesh's own events begin with this source; they don't count as interactions.
pub const OWN_SOURCE: &str = "tiermesh/";

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is new, and counts.
    New,
    /// It was known already, to the letter.
    Duplicate,
    /// Its name was known, with other content: the first stands.
    Conflict,
}

/// Every fact of one customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Name of each fact (of source and id) and a check of its content.
    seen: IndexMap<u128, u64, FxBuildHasher>,
    /// Orders and refunds.
    pub orders: Orders,
    /// The sources that said something of orders, by their numbers.
    order_sources: Vec<NameId>,
    /// Invoices and payments.
    pub receivables: Receivables,
    /// Instants of the interactions that count, ascending.
    interactions: Vec<Millis>,
    /// Complaints and their ends.
    pub complaints: Complaints,
    owner: Option<Box<str>>,
    region: Option<Box<str>>,
    language: Option<Box<str>>,
    /// The greatest time of any fact.
    pub latest: Millis,
}

impl Ledger {
    /// Whether the fact is new; if it is, its name is kept from now on.
    pub fn admit(&mut self, fact: &Fact) -> Admission {
        let content = content_of(&fact.encode_to_vec());
        match self.seen.entry(identity_of(&[&fact.source, &fact.id])) {
            indexmap::map::Entry::Occupied(known) if *known.get() == content => Admission::Duplicate,
            indexmap::map::Entry::Occupied(_) => Admission::Conflict,
            indexmap::map::Entry::Vacant(vacant) => {
                vacant.insert(content);
                Admission::New
            }
        }
    }

    /// The order or refund whose contribution to sales the fact may change, if any.
    pub fn touches(&self, fact: &Fact) -> Option<EntryRef> {
        match fact.data.as_ref()? {
            Data::OrderPlaced(order) | Data::OrderCorrected(order) => Some(self.orders.entry_of(&order.order_id)),
            Data::OrderPaid(order) | Data::OrderFulfilled(order) | Data::OrderCancelled(order) => {
                Some(self.orders.entry_of(&order.order_id))
            }
            Data::OrderRefunded(refund) => Some(match &refund.order_id {
                Some(order_id) => self.orders.entry_of(order_id),
                None => self.orders.next_loose_refund(),
            }),
            _ => None,
        }
    }

    /// Takes in a fact that was admitted.
    ///
    /// # Errors
    /// [`UnknownFact`] if its type is of a later release.
    pub fn apply(&mut self, fact: &Fact, names: &mut Names) -> Result<(), UnknownFact> {
        self.latest = if self.seen.len() == 1 { fact.time_ms } else { self.latest.max(fact.time_ms) };
        let stamp = Stamp { time: fact.time_ms, source: names.id(&fact.source), id: fact.id.as_str().into() };
        let data = data(fact)?;
        if is_order(data) && !self.order_sources.contains(&stamp.source) {
            self.order_sources.push(stamp.source);
        }
        match data {
            Data::OrderPlaced(order) => self.orders.placed(order, stamp, names),
            Data::OrderCorrected(order) => self.orders.corrected(order, stamp, names),
            Data::OrderPaid(order) => self.orders.paid(&order.order_id),
            Data::OrderFulfilled(order) => self.orders.fulfilled(&order.order_id),
            Data::OrderCancelled(order) => self.orders.cancelled(&order.order_id),
            Data::OrderRefunded(refund) => self.orders.refunded(refund, stamp, names),
            Data::InvoiceIssued(invoice) => self.receivables.issued(invoice, stamp, names),
            Data::InvoiceCredited(credit) => self.receivables.credited(credit, names),
            Data::InvoiceCancelled(invoice) => self.receivables.cancelled(&invoice.invoice_id),
            Data::PaymentReceived(payment) => self.receivables.received(payment, stamp, names),
            Data::PaymentReversed(payment) => self.receivables.reversed(payment, names),
            Data::InteractionRecorded(interaction) => {
                let bulk = interaction.bulk && interaction.direction.as_deref() == Some("outbound");
                if !bulk && !fact.source.starts_with(OWN_SOURCE) {
                    let at = self.interactions.partition_point(|time| *time <= fact.time_ms);
                    self.interactions.insert(at, fact.time_ms);
                }
            }
            Data::ComplaintOpened(complaint) => self.complaints.opened(complaint, stamp, names),
            Data::ComplaintClosed(step) => self.complaints.closed(&step.complaint_id, fact.time_ms),
            Data::ProfileUpdated(profile) => self.profile(profile),
            // Kept in the log and passed on; nothing in force counts them yet.
            _ => {}
        }
        Ok(())
    }

    /// Interactions after `start`.
    pub fn interactions_after(&self, start: Millis) -> usize {
        self.interactions.len() - self.interactions.partition_point(|time| *time <= start)
    }

    /// The first interaction after `start`.
    pub fn first_interaction_after(&self, start: Millis) -> Option<Millis> {
        self.interactions.get(self.interactions.partition_point(|time| *time <= start)).copied()
    }

    /// The sources that said something of the customer's orders, by their numbers.
    pub fn order_sources(&self) -> &[NameId] {
        &self.order_sources
    }

    /// Who the customer is to the business.
    pub fn card(&self) -> CustomerCard {
        let text = |field: &Option<Box<str>>| field.as_deref().map(str::to_owned);
        CustomerCard { owner: text(&self.owner), region: text(&self.region), language: text(&self.language) }
    }

    fn profile(&mut self, profile: &tiermesh_proto::v1::ProfileUpdated) {
        for (name, given, into) in [
            ("owner", &profile.owner, &mut self.owner),
            ("region", &profile.region, &mut self.region),
            ("language", &profile.language, &mut self.language),
        ] {
            if let Some(text) = given {
                *into = Some(text.as_str().into());
            } else if profile.removed.iter().any(|removed| removed == name) {
                *into = None;
            }
        }
    }
}

fn is_order(data: &Data) -> bool {
    matches!(
        data,
        Data::OrderPlaced(_)
            | Data::OrderPaid(_)
            | Data::OrderFulfilled(_)
            | Data::OrderCorrected(_)
            | Data::OrderCancelled(_)
            | Data::OrderRefunded(_)
    )
}
