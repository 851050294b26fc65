//! Invoices and payments of one customer, and which payment settles which invoice.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1;

use super::stamp::Stamp;
use crate::{
    money::decimals_of,
    names::{NameId, Names},
    policy::Valuation,
    time::{DAY_MS, Day, Millis, Zone, parse_date},
};

/// Invoices and payments of one customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Receivables {
    /// By invoice id.
    invoices: BTreeMap<Box<str>, Invoice>,
    /// By payment id.
    payments: BTreeMap<Box<str>, Payment>,
}

/// What was due, and what of it was paid, in minor units of the valuation's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Payments applied to the invoices due.
    pub paid: i128,
    /// Amounts of the invoices due, less credits.
    pub due: i128,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Invoice {
    issued: Option<Issued>,
    /// Ten-thousandths of a unit, by currency; `None`: that of the invoice.
    credits: Vec<(Option<NameId>, i64)>,
    cancelled: bool,
}

impl Invoice {
    /// The amount less credits in the invoice's currency, not below 0.
    fn net(&self, issued: &Issued, decimals: u32) -> i64 {
        let same = |currency: Option<NameId>| currency.is_none_or(|currency| currency == issued.currency);
        let e4: i128 = self.credits.iter().filter(|(currency, _)| same(*currency)).map(|(_, e4)| i128::from(*e4)).sum();
        let credited = e4 / 10_i128.pow(4_u32.saturating_sub(decimals));
        (i128::from(issued.minor) - credited).max(0) as i64
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Issued {
    stamp: Stamp,
    minor: i64,
    currency: NameId,
    due: Day,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Payment {
    /// Each receipt under this id, in the total order.
    received: Vec<Receipt>,
    /// What was taken back, by currency.
    reversed: Vec<(NameId, i64)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Receipt {
    stamp: Stamp,
    invoice_id: Option<Box<str>>,
    minor: i64,
    currency: NameId,
}

impl Receivables {
    pub(super) const fn none() -> Self {
        Self { invoices: BTreeMap::new(), payments: BTreeMap::new() }
    }

    /// Whether there are no invoices: then nothing is ever due.
    pub fn has_no_invoices(&self) -> bool {
        self.invoices.is_empty()
    }

    pub(super) fn issued(&mut self, invoice: &v1::InvoiceIssued, stamp: Stamp, names: &mut Names) {
        let Some(due) = parse_date(&invoice.due) else { return };
        let currency = names.id(&invoice.currency);
        let known = self.invoices.entry(invoice.invoice_id.as_str().into()).or_default();
        let later = known.issued.as_ref().is_none_or(|issued| stamp.order(&issued.stamp, names) == Ordering::Greater);
        if later {
            known.issued = Some(Issued { stamp, minor: invoice.amount_minor, currency, due });
        }
    }

    pub(super) fn credited(&mut self, credit: &v1::InvoiceAmount, names: &mut Names) {
        let currency = (!credit.currency.is_empty()).then(|| names.id(&credit.currency));
        let invoice = self.invoices.entry(credit.invoice_id.as_str().into()).or_default();
        invoice.credits.push((currency, credit.amount_e4));
    }

    pub(super) fn cancelled(&mut self, invoice_id: &str) {
        self.invoices.entry(invoice_id.into()).or_default().cancelled = true;
    }

    pub(super) fn received(&mut self, payment: &v1::Payment, stamp: Stamp, names: &mut Names) {
        let currency = names.id(&payment.currency);
        let known = self.payments.entry(payment.payment_id.as_str().into()).or_default();
        let at = known.received.partition_point(|receipt| receipt.stamp.order(&stamp, names) == Ordering::Less);
        let invoice_id = payment.invoice_id.as_deref().map(Into::into);
        known.received.insert(at, Receipt { stamp, invoice_id, minor: payment.amount_minor, currency });
    }

    pub(super) fn reversed(&mut self, payment: &v1::Payment, names: &mut Names) {
        let currency = names.id(&payment.currency);
        let known = self.payments.entry(payment.payment_id.as_str().into()).or_default();
        known.reversed.push((currency, payment.amount_minor));
    }

    /// What was collected of the invoices due after `start` up to and including `end`; `None` if nothing was due.
    pub fn collection(
        &self,
        start: Millis,
        end: Millis,
        zone: &Zone,
        valuation: &Valuation,
        names: &Names,
    ) -> Option<Collection> {
        let mut open = self.open_invoices(zone, valuation, names);
        if !open.iter().any(|invoice| invoice.due_at > start && invoice.due_at <= end) {
            return None;
        }
        for (invoice_id, minor) in self.payments_in_order(valuation, names) {
            let mut rest = minor;
            let named = invoice_id.and_then(|id| open.iter().position(|invoice| invoice.id == id));
            for at in named.into_iter().chain(0..open.len()) {
                if rest == 0 {
                    break;
                }
                let invoice = &mut open[at];
                let taken = rest.min(invoice.amount - invoice.paid);
                invoice.paid += taken;
                rest -= taken;
            }
        }
        let mut collection = Collection { paid: 0, due: 0 };
        for invoice in open.iter().filter(|invoice| invoice.due_at > start && invoice.due_at <= end) {
            collection.paid += i128::from(invoice.paid);
            collection.due += i128::from(invoice.amount);
        }
        (collection.due > 0).then_some(collection)
    }

    /// The first instant after `now` at which an invoice becomes due, or is due for longer than `days`.
    pub fn next_change(&self, now: Millis, days: u32, zone: &Zone) -> Option<Millis> {
        let dues = self.invoices.values().filter_map(|invoice| invoice.issued.as_ref());
        dues.map(|issued| due_instant(issued.due, zone))
            .flat_map(|due| [due, due + i64::from(days) * DAY_MS])
            .filter(|at| *at > now)
            .min()
    }

    /// Every invoice that stands, oldest due first.
    fn open_invoices(&self, zone: &Zone, valuation: &Valuation, names: &Names) -> Vec<OpenInvoice<'_>> {
        let mut open: Vec<OpenInvoice<'_>> = self
            .invoices
            .iter()
            .filter(|(_, invoice)| !invoice.cancelled)
            .filter_map(|(id, invoice)| {
                let issued = invoice.issued.as_ref()?;
                let currency = names.text(issued.currency);
                let amount = valuation.value(invoice.net(issued, decimals_of(currency)?), currency)?;
                Some(OpenInvoice { id, due: issued.due, due_at: due_instant(issued.due, zone), amount, paid: 0 })
            })
            .collect();
        open.sort_by(|a, b| (a.due, a.id).cmp(&(b.due, b.id)));
        open
    }

    /// Each payment less its reversals, in the total order: which invoice it names, and how much.
    fn payments_in_order(&self, valuation: &Valuation, names: &Names) -> Vec<(Option<&str>, i64)> {
        let mut payments: Vec<(&Stamp, Option<&str>, i64)> = Vec::new();
        for payment in self.payments.values() {
            let mut reversed = payment.reversed.clone();
            for receipt in &payment.received {
                let mut taken_back = 0;
                for (_, rest) in reversed.iter_mut().filter(|(currency, _)| *currency == receipt.currency) {
                    let taken = (*rest).min(receipt.minor - taken_back);
                    taken_back += taken;
                    *rest -= taken;
                }
                let value = valuation.value(receipt.minor - taken_back, names.text(receipt.currency));
                payments.push((&receipt.stamp, receipt.invoice_id.as_deref(), value.unwrap_or(0)));
            }
        }
        payments.sort_by(|a, b| a.0.order(b.0, names));
        payments.into_iter().map(|(_, invoice_id, minor)| (invoice_id, minor)).collect()
    }
}

struct OpenInvoice<'a> {
    id: &'a str,
    due: Day,
    due_at: Millis,
    amount: i64,
    paid: i64,
}

/// Due is the end of that day.
fn due_instant(due: Day, zone: &Zone) -> Millis {
    zone.start_of(due + 1)
}
