//! The ledger: every fact of one customer, packed, in a form that doesn't depend on the order they came in.

mod complaints;
mod form_2;
mod known;
mod orders;
mod receivables;
mod rest;
mod save;
mod stamp;
mod tight;

pub use complaints::{Complaint, Complaints};
pub(crate) use form_2::LedgerOfForm2;
pub use known::Admission;
use known::KnownFacts;
pub use orders::{Contribution, EntryRef, Line, Orders, Touched};
pub use receivables::{Collection, Receivables};
use rest::Rest;
pub(crate) use save::Extent;
pub use stamp::{Moment, Stamp};
use tiermesh_proto::v1::{CustomerCard, fact::Data};

use crate::{
    fact::{DataView, FactView, UnknownFact},
    hash::short_identity_of,
    names::{NameId, Names},
    time::Millis,
};

/// The mesh's own events begin with this source; they don't count as interactions.
pub const OWN_SOURCE: &str = "tiermesh/";

/// Every fact of one customer.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    known: KnownFacts,
    /// Orders and refunds.
    pub orders: Orders,
    rest: Option<Box<Rest>>,
    /// The greatest time of any fact.
    pub latest: Millis,
    /// How far it was packed when it was last saved; `None`: not only its end has changed since.
    pub(crate) packed: Option<Extent>,
}

/// Of a customer who has neither invoices nor payments.
static NO_RECEIVABLES: Receivables = Receivables::none();
/// Of a customer who never complained.
static NO_COMPLAINTS: Complaints = Complaints::none();

impl Ledger {
    /// Whether the fact is new; if it is, its name is kept from now on. `scratch`: memory to work in.
    pub fn admit(&mut self, fact: &FactView<'_>, scratch: &mut Vec<u8>) -> Admission {
        let name = short_identity_of(&[fact.source, fact.id], scratch);
        // Half of the check's bits: a name tells facts apart, its content only whether one came twice.
        self.known.admit(name, fact.content(scratch) as u32)
    }

    /// The order or refund whose contribution to sales the fact may change, if any. `scratch`: memory to work in.
    pub fn touches(&self, fact: &FactView<'_>, scratch: &mut Vec<u8>) -> Option<Touched> {
        let order_id = match fact.data().ok()? {
            DataView::OrderPlaced(order) => Some(order.order_id),
            DataView::Other(data) => match data {
                Data::OrderPlaced(order) | Data::OrderCorrected(order) => Some(&*order.order_id),
                Data::OrderPaid(order) | Data::OrderFulfilled(order) | Data::OrderCancelled(order) => {
                    Some(&*order.order_id)
                }
                Data::OrderRefunded(refund) => refund.order_id.as_deref(),
                _ => return None,
            },
        };
        Some(match order_id {
            Some(order_id) => self.orders.order(short_identity_of(&[order_id], scratch)),
            None => self.orders.refund_without_order(),
        })
    }

    /// Some of each place that the next fact looks at: touched beforehand, they are near by then.
    pub(crate) fn touched(&self) -> u64 {
        self.known.touched() ^ self.orders.touched()
    }

    /// Takes in a fact that was admitted; `touched` is what it touches.
    ///
    /// # Errors
    /// [`UnknownFact`] if its type is of a later release.
    pub fn apply(
        &mut self,
        fact: &FactView<'_>,
        touched: Option<Touched>,
        names: &mut Names,
    ) -> Result<(), UnknownFact> {
        self.latest = if self.known.len() == 1 { fact.time_ms } else { self.latest.max(fact.time_ms) };
        let moment = Moment { time: fact.time_ms, source: names.id(fact.source), id: fact.id };
        match (fact.data()?, touched) {
            (data, Some(touched)) => {
                // A new order stands at the end; whatever concerns a known one changes what was packed.
                if !touched.is_new || !matches!(data, DataView::OrderPlaced(_)) {
                    self.packed = None;
                }
                self.orders.take(data, touched, moment, names);
            }
            (DataView::Other(data), None) => self.take_other(data, moment, names),
            // It touches sales: it never comes without what it touches.
            (DataView::OrderPlaced(_), None) => {}
        }
        Ok(())
    }

    fn take_other(&mut self, data: &Data, moment: Moment<'_>, names: &mut Names) {
        let stamp = || Stamp::of(moment);
        match data {
            Data::InvoiceIssued(invoice) => self.changed_rest().receivables.issued(invoice, stamp(), names),
            Data::InvoiceCredited(credit) => self.changed_rest().receivables.credited(credit, names),
            Data::InvoiceCancelled(invoice) => self.changed_rest().receivables.cancelled(&invoice.invoice_id),
            Data::PaymentReceived(payment) => self.changed_rest().receivables.received(payment, stamp(), names),
            Data::PaymentReversed(payment) => self.changed_rest().receivables.reversed(payment, names),
            Data::InteractionRecorded(interaction) => {
                let bulk = interaction.bulk && interaction.direction.as_deref() == Some("outbound");
                if !bulk && !names.text(moment.source).starts_with(OWN_SOURCE) {
                    self.changed_rest().interaction(moment.time);
                }
            }
            Data::ComplaintOpened(complaint) => self.changed_rest().complaints.opened(complaint, stamp(), names),
            Data::ComplaintClosed(step) => self.changed_rest().complaints.closed(&step.complaint_id, moment.time),
            Data::ProfileUpdated(profile) => self.changed_rest().profile(profile),
            // Kept in the log and passed on; nothing in force counts them yet.
            _ => {}
        }
    }

    fn changed_rest(&mut self) -> &mut Rest {
        self.packed = None;
        self.rest.get_or_insert_default()
    }

    /// Invoices and payments.
    pub fn receivables(&self) -> &Receivables {
        self.rest.as_ref().map_or(&NO_RECEIVABLES, |rest| &rest.receivables)
    }

    /// Complaints and their ends.
    pub fn complaints(&self) -> &Complaints {
        self.rest.as_ref().map_or(&NO_COMPLAINTS, |rest| &rest.complaints)
    }

    /// Interactions after `start`.
    pub fn interactions_after(&self, start: Millis) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.interactions_after(start).len())
    }

    /// The first interaction after `start`.
    pub fn first_interaction_after(&self, start: Millis) -> Option<Millis> {
        self.rest.as_ref()?.interactions_after(start).first().copied()
    }

    /// The sources that said something of the customer's orders, by their numbers.
    pub fn order_sources(&self) -> &[NameId] {
        self.orders.sources()
    }

    /// Who the customer is to the business.
    pub fn card(&self) -> CustomerCard {
        self.rest.as_ref().map(|rest| rest.card()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
