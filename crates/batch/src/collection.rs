//! Collection rate: "payments applied to invoices due in w, each capped at its invoice (less credits), ÷ their
//! amounts. A payment that names none goes to the oldest due; overpayment carries on to the next oldest. Due is the end
//! of that day."

use tiermesh_domain::{exact::Fraction, policy::Policy, time::Millis};

use crate::{
    invoices::Account,
    window::{between, days},
};

/// An invoice in the policy's currency, and what was paid on it.
struct Owed<'a> {
    invoice_id: &'a str,
    /// The end of its due day.
    due: Millis,
    amount: i128,
    paid: i128,
}

impl Owed<'_> {
    /// Takes what it still can, and gives the rest back.
    fn take(&mut self, money: i128) -> i128 {
        let taken = money.min(self.amount - self.paid);
        self.paid += taken;
        money - taken
    }
}

/// The share of invoices due in the window that was paid, 0 to 1; `None`: none is due, or nothing is owed on them.
pub(crate) fn rate(account: &Account<'_>, policy: &Policy, tick: Option<Millis>, window_days: u32) -> Option<Fraction> {
    let tick = tick?;
    let owed = with_payments(account, policy);
    let due = owed.iter().filter(|owed| between(owed.due, tick - days(window_days), tick));
    let (paid, amount) = due.fold((0, 0), |(paid, amount), owed| (paid + owed.paid, amount + owed.amount));
    (amount > 0).then(|| Fraction::new(paid, amount))
}

fn with_payments<'a>(account: &Account<'a>, policy: &Policy) -> Vec<Owed<'a>> {
    let mut oldest_first: Vec<_> = account.invoices.iter().collect();
    oldest_first.sort_by_key(|invoice| (invoice.due, invoice.invoice_id));
    let owe = |invoice: &&crate::invoices::Invoice<'a>| {
        Some(Owed {
            invoice_id: invoice.invoice_id,
            due: policy.zone.start_of(invoice.due + 1),
            amount: policy.valuation.value(invoice.amount, invoice.currency)?.into(),
            paid: 0,
        })
    };
    let mut owed: Vec<Owed<'a>> = oldest_first.iter().filter_map(owe).collect();

    for payment in &account.payments {
        let Some(money) = policy.valuation.value(payment.amount, payment.currency) else { continue };
        let mut money = i128::from(money);
        if let Some(named) = owed.iter_mut().find(|owed| payment.invoice_id == Some(owed.invoice_id)) {
            money = named.take(money);
        }
        for open in &mut owed {
            money = open.take(money);
        }
    }
    owed
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tiermesh_proto::v1::Fact;

    use super::*;
    use crate::testing::{abc, at, book, of_c};

    fn invoice(invoice_id: &str, due: &str, amount: &str) -> Fact {
        let data = json!({"invoice_id": invoice_id, "amount": amount, "currency": "GBP", "due": due});
        of_c(&format!("i{invoice_id}"), "invoice.issued", "2010-01-01T00:00:00Z", data)
    }

    fn payment(id: &str, time: &str, invoice_id: Option<&str>, amount: &str) -> Fact {
        let data = json!({"payment_id": id, "invoice_id": invoice_id, "amount": amount, "currency": "GBP"});
        of_c(id, "payment.received", time, data)
    }

    const MARCH: &str = "2010-03-01T00:00:00Z";

    fn year_at(facts: &[Fact], tick: &str) -> Option<Fraction> {
        rate(&book(facts).account, &abc(), Some(at(tick)), 365)
    }

    fn of(paid: i128, amount: i128) -> Option<Fraction> {
        Some(Fraction::new(paid, amount))
    }

    #[test]
    fn due_is_the_end_of_the_day() {
        let facts = [invoice("1", "2010-01-31", "10.00")];
        assert_eq!(year_at(&facts, "2010-01-31T23:59:59.999Z"), None);
        assert_eq!(year_at(&facts, "2010-02-01T00:00:00Z"), of(0, 1));
        assert_eq!(year_at(&facts, "2011-01-31T23:59:59.999Z"), of(0, 1));
        assert_eq!(year_at(&facts, "2011-02-01T00:00:00Z"), None, "it has left the window");
        assert_eq!(rate(&book(&facts).account, &abc(), None, 365), None, "no tick yet: nothing is due");
        let mut new_york = abc();
        new_york.zone = tiermesh_domain::time::Zone::named("America/New_York").unwrap();
        let at_utc_midnight = rate(&book(&facts).account, &new_york, Some(at("2010-02-01T00:00:00Z")), 365);
        assert_eq!(at_utc_midnight, None, "the day ends five hours later there");
    }

    #[test]
    fn overpayment_carries_on_to_the_oldest_due() {
        let facts = [
            invoice("a", "2010-01-20", "10.00"),
            invoice("b", "2010-01-10", "10.00"),
            invoice("c", "2010-01-10", "10.00"),
            payment("p", "2010-01-05T00:00:00Z", Some("a"), "23.00"),
        ];
        let owed: Vec<_> =
            with_payments(&book(&facts).account, &abc()).iter().map(|owed| (owed.invoice_id, owed.paid)).collect();
        assert_eq!(owed, [("b", 1_000), ("c", 300), ("a", 1_000)]);
        assert_eq!(year_at(&facts, MARCH), of(23, 30));
    }

    #[test]
    fn a_payment_that_names_none_goes_to_the_oldest_due() {
        let facts = [
            invoice("old", "2009-01-10", "10.00"),
            invoice("new", "2010-01-10", "10.00"),
            payment("p", "2010-01-05T00:00:00Z", None, "15.00"),
        ];
        assert_eq!(year_at(&facts, MARCH), of(5, 10), "the old invoice takes part, though it isn't in the window");
        let unknown = [invoice("new", "2010-01-10", "10.00"), payment("p", "2010-01-05T00:00:00Z", Some("?"), "4.00")];
        assert_eq!(year_at(&unknown, MARCH), of(4, 10));
    }

    #[test]
    fn payments_are_taken_in_their_order_and_capped() {
        // The early payment takes the older invoice; the later one, that names it, carries on.
        let facts = [
            invoice("a", "2010-01-10", "10.00"),
            invoice("b", "2010-02-10", "10.00"),
            payment("2", "2010-01-06T00:00:00Z", Some("a"), "5.00"),
            payment("1", "2010-01-05T00:00:00Z", None, "8.00"),
        ];
        assert_eq!(year_at(&facts, "2010-02-01T00:00:00Z"), of(1, 1));
        assert_eq!(year_at(&facts, MARCH), of(13, 20));
        let over = [invoice("a", "2010-01-10", "10.00"), payment("1", "2010-01-05T00:00:00Z", None, "99.00")];
        assert_eq!(year_at(&over, MARCH), of(1, 1), "never above 1");
    }

    #[test]
    fn a_credit_frees_what_was_paid_for_the_next() {
        let facts = [
            invoice("a", "2010-01-10", "10.00"),
            invoice("b", "2010-01-20", "10.00"),
            payment("p", "2010-01-05T00:00:00Z", Some("a"), "10.00"),
            of_c("c", "invoice.credited", "2010-02-01T00:00:00Z", json!({"invoice_id": "a", "amount": "6.00"})),
        ];
        assert_eq!(year_at(&facts, MARCH), of(10, 14));
    }

    #[test]
    fn nothing_owed_is_missing() {
        assert_eq!(year_at(&[invoice("a", "2010-01-10", "0.00")], MARCH), None);
        assert_eq!(year_at(&[payment("p", "2010-01-05T00:00:00Z", None, "1.00")], MARCH), None);
    }
}
