//! Orders as a sender writes them: CloudEvents in JSON, a line each, rendered once. Each sending sets the digits that make
//! them events of its own, so that the generator takes little of what it measures.

use bytes::Bytes;
use tiermesh_domain::{
    exact::format_scaled,
    time::{Millis, format_instant},
};
use tiermesh_proto::v1::{Fact, Order, fact::Data};

use crate::{
    Failure,
    orders::{Orders, Plan, Skew, customer_id},
};

/// How many digits ids and customers have.
const ID_DIGITS: usize = 9;
const CUSTOMER_DIGITS: usize = 7;
/// Whole seconds: always as long.
const TIME_LENGTH: usize = "2026-11-22T08:26:00Z".len();

/// So many orders, to be sent together.
pub struct Template {
    bytes: Vec<u8>,
    orders: Vec<Places>,
}

/// Where an order's digits stand.
struct Places {
    id: usize,
    customer: usize,
    time: usize,
    order_id: usize,
}

impl Template {
    /// Orders of one to three lines; `count` of them.
    ///
    /// # Errors
    /// If what is generated is no order.
    pub fn new(count: u64) -> Result<Self, Failure> {
        let plan = Plan { orders: count, customers: 1_000, skew: Skew::Uniform, days: 1 };
        let mut template = Self { bytes: Vec::new(), orders: Vec::new() };
        for fact in Orders::new(plan) {
            template.add(&fact)?;
        }
        Ok(template)
    }

    fn add(&mut self, fact: &Fact) -> Result<(), Failure> {
        let Some(Data::OrderPlaced(order)) = &fact.data else { return Err("not an order".into()) };
        let mut put = |text: &str| {
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.len()
        };
        let (id, customer, time) = ("0".repeat(ID_DIGITS), customer_id(0), "2026-11-22T08:26:00Z");
        let id_end = put(&format!(r#"{{"specversion":"1.0","id":"o-{id}"#));
        let customer_end =
            put(&format!(r#"","source":"{}","type":"tiermesh.order.placed","subject":"{customer}"#, fact.source));
        let time_end = put(&format!(r#"","time":"{time}"#));
        let order_end = put(&format!(r#"","data":{{"order_id":"{id}"#));
        put(&rest(order));
        self.orders.push(Places {
            id: id_end - ID_DIGITS,
            customer: customer_end - CUSTOMER_DIGITS,
            time: time_end - TIME_LENGTH,
            order_id: order_end - ID_DIGITS,
        });
        Ok(())
    }

    /// How many orders it has.
    pub fn count(&self) -> u64 {
        self.orders.len() as u64
    }

    /// The orders numbered from `first` on, each of the customer that its number leads to.
    pub fn body(&self, first: u64, time_ms: Millis, customer_of: impl Fn(u64) -> u32) -> Bytes {
        let mut bytes = self.bytes.clone();
        let time = format_instant(time_ms - time_ms.rem_euclid(1_000));
        for (number, places) in (first..).zip(&self.orders) {
            digits(&mut bytes[places.id..][..ID_DIGITS], number);
            digits(&mut bytes[places.order_id..][..ID_DIGITS], number);
            digits(&mut bytes[places.customer..][..CUSTOMER_DIGITS], u64::from(customer_of(number)));
            bytes[places.time..][..TIME_LENGTH].copy_from_slice(time.as_bytes());
        }
        bytes.into()
    }
}

/// An order from behind its id on.
fn rest(order: &Order) -> String {
    let amount = |minor: i64| format_scaled(i128::from(minor), 2);
    let line = |line: &tiermesh_proto::v1::OrderLine| {
        format!(
            r#"{{"sku":"{}","category":"{}","quantity":{},"amount":"{}"}}"#,
            line.sku,
            line.category,
            line.quantity_millionths / 1_000_000,
            amount(line.amount_minor)
        )
    };
    let lines: Vec<String> = order.lines.iter().map(line).collect();
    format!(
        "\",\"currency\":\"{}\",\"amount\":\"{}\",\"channel\":\"{}\",\"lines\":[{}]}}}}\n",
        order.currency,
        amount(order.amount_minor),
        order.channel.as_deref().unwrap_or("web"),
        lines.join(",")
    )
}

/// Writes a number into all of the place that it has.
fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Customers in no order, each as often as the others.
pub fn scattered(number: u64, customers: u32) -> u32 {
    // Weyl's sequence by the golden ratio.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((spread * u64::from(customers)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use tiermesh_domain::fact::parse_cloud_event;

    use super::*;

    #[test]
    fn what_is_sent_are_orders_of_their_own() {
        let template = Template::new(3).unwrap();
        let body = template.body(41, 1_700_000_000_123, |number| number as u32 * 2);
        let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let facts: Vec<Fact> = lines.iter().map(|line| parse_cloud_event(line).unwrap().fact).collect();
        let ids: Vec<&str> = facts.iter().map(|fact| fact.id.as_str()).collect();
        assert_eq!(ids, ["o-000000041", "o-000000042", "o-000000043"]);
        assert_eq!((facts[1].subject.as_str(), facts[1].time_ms), ("C0000084", 1_700_000_000_000));
        let Some(Data::OrderPlaced(order)) = &facts[2].data else { panic!("{:?}", facts[2]) };
        assert_eq!(order.order_id, "000000043");
        assert!(!order.lines.is_empty() && order.amount_minor > 0);
    }

    #[test]
    fn customers_come_about_equally_often() {
        let mut counts = [0_u32; 10];
        (0..10_000).for_each(|number| counts[scattered(number, 10) as usize] += 1);
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
