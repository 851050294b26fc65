//! Invoices and payments, before anybody says which payment is for which invoice.

use std::collections::{BTreeMap, BTreeSet};

use tiermesh_domain::time::{Day, parse_date};
use tiermesh_proto::v1::{Fact, InvoiceIssued, fact::Data};

/// A customer's invoices and payments.
pub(crate) struct Account<'a> {
    /// What was issued and not cancelled, less credits.
    pub(crate) invoices: Vec<Invoice<'a>>,
    /// What was received, less reversals, by (time, source, id).
    pub(crate) payments: Vec<Payment<'a>>,
}

/// An invoice.
pub(crate) struct Invoice<'a> {
    pub(crate) invoice_id: &'a str,
    /// The last day on which it can be paid in time.
    pub(crate) due: Day,
    /// Less credits, not below 0, in minor units of its currency.
    pub(crate) amount: i64,
    pub(crate) currency: &'a str,
}

/// A payment.
pub(crate) struct Payment<'a> {
    /// The invoice that it names.
    pub(crate) invoice_id: Option<&'a str>,
    /// Less reversals, not below 0, in minor units of its currency.
    pub(crate) amount: i64,
    pub(crate) currency: &'a str,
}

impl<'a> Account<'a> {
    /// `facts`: one customer's, sorted by (time, source, id).
    pub(crate) fn of(facts: &[&'a Fact]) -> Self {
        Self { invoices: invoices(facts), payments: payments(facts) }
    }
}

fn invoices<'a>(facts: &[&'a Fact]) -> Vec<Invoice<'a>> {
    let mut issued: BTreeMap<&str, &'a InvoiceIssued> = BTreeMap::new();
    let mut cancelled: BTreeSet<&str> = BTreeSet::new();
    for fact in facts {
        match &fact.data {
            // The latest of an id stands.
            Some(Data::InvoiceIssued(invoice)) => _ = issued.insert(&invoice.invoice_id, invoice),
            Some(Data::InvoiceCancelled(invoice)) => _ = cancelled.insert(&invoice.invoice_id),
            _ => {}
        }
    }
    let standing = issued.into_values().filter(|invoice| !cancelled.contains(invoice.invoice_id.as_str()));
    standing.filter_map(|invoice| less_credits(invoice, facts)).collect()
}

fn less_credits<'a>(invoice: &'a InvoiceIssued, facts: &[&'a Fact]) -> Option<Invoice<'a>> {
    let credit = |fact: &&Fact| match &fact.data {
        Some(Data::InvoiceCredited(credit)) if credit.invoice_id == invoice.invoice_id => {
            let same_currency = credit.currency.is_empty() || credit.currency == invoice.currency;
            same_currency.then_some(i128::from(credit.amount_e4))
        }
        _ => None,
    };
    let decimals = tiermesh_domain::money::decimals_of(&invoice.currency)?;
    let ten_thousandths: i128 = facts.iter().filter_map(credit).sum();
    let credited = ten_thousandths / 10_i128.pow(4 - decimals);
    Some(Invoice {
        invoice_id: &invoice.invoice_id,
        due: parse_date(&invoice.due)?,
        amount: (i128::from(invoice.amount_minor) - credited).max(0) as i64,
        currency: &invoice.currency,
    })
}

fn payments<'a>(facts: &[&'a Fact]) -> Vec<Payment<'a>> {
    let mut reversed: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for fact in facts {
        if let Some(Data::PaymentReversed(reversal)) = &fact.data {
            *reversed.entry((&reversal.payment_id, &reversal.currency)).or_default() +=
                i128::from(reversal.amount_minor);
        }
    }
    let mut payments = Vec::new();
    for fact in facts {
        if let Some(Data::PaymentReceived(payment)) = &fact.data {
            let received = i128::from(payment.amount_minor);
            let still_reversed = reversed.entry((&payment.payment_id, &payment.currency)).or_default();
            let taken_back = received.min(*still_reversed);
            *still_reversed -= taken_back;
            payments.push(Payment {
                invoice_id: payment.invoice_id.as_deref(),
                amount: (received - taken_back) as i64,
                currency: &payment.currency,
            });
        }
    }
    payments
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{book, of_c};

    const NOON: &str = "2010-01-01T12:00:00Z";

    fn issued(id: &str, time: &str, amount: &str) -> Fact {
        let data = json!({"invoice_id": "i", "amount": amount, "currency": "GBP", "due": "2010-01-31"});
        of_c(id, "invoice.issued", time, data)
    }

    fn credited(id: &str, amount: &str) -> Fact {
        of_c(id, "invoice.credited", NOON, json!({"invoice_id": "i", "amount": amount}))
    }

    fn payment(id: &str, kind: &str, payment_id: &str, amount: &str) -> Fact {
        let data = json!({"payment_id": payment_id, "amount": amount, "currency": "GBP"});
        of_c(id, &format!("payment.{kind}"), NOON, data)
    }

    fn invoiced(facts: &[Fact]) -> Vec<i64> {
        book(facts).account.invoices.iter().map(|invoice| invoice.amount).collect()
    }

    fn paid(facts: &[Fact]) -> Vec<i64> {
        book(facts).account.payments.iter().map(|payment| payment.amount).collect()
    }

    #[test]
    fn credits_lower_an_invoice_not_below_0() {
        assert_eq!(invoiced(&[credited("0", "4.00"), issued("1", NOON, "10.00")]), [600]);
        assert_eq!(invoiced(&[issued("1", NOON, "10.00"), credited("2", "7.00"), credited("3", "7.00")]), [0]);
        let mut foreign = credited("2", "7.00");
        if let Some(Data::InvoiceCredited(credit)) = &mut foreign.data {
            credit.currency = "EUR".to_owned();
        }
        assert_eq!(invoiced(&[issued("1", NOON, "10.00"), foreign]), [1_000]);
    }

    #[test]
    fn the_latest_issue_stands_and_a_cancelled_invoice_is_gone() {
        let both = [issued("2", "2010-01-02T00:00:00Z", "20.00"), issued("1", NOON, "10.00")];
        assert_eq!(invoiced(&both), [2_000]);
        let cancelled = of_c("0", "invoice.cancelled", "2009-01-01T00:00:00Z", json!({"invoice_id": "i"}));
        assert_eq!(invoiced(&[cancelled, issued("1", NOON, "10.00")]), [0; 0]);
    }

    #[test]
    fn reversals_lower_their_payment_whatever_their_order() {
        let received = payment("5", "received", "p", "10.00");
        assert_eq!(paid(&[payment("1", "reversed", "p", "4.00"), received.clone()]), [600]);
        assert_eq!(paid(&[received.clone(), payment("6", "reversed", "p", "14.00")]), [0]);
        assert_eq!(paid(&[received.clone(), payment("6", "reversed", "q", "4.00")]), [1_000]);
        let twice = [received, payment("6", "received", "p", "10.00"), payment("7", "reversed", "p", "14.00")];
        assert_eq!(paid(&twice), [0, 600], "each received event is a payment; the earliest is reversed first");
    }
}
