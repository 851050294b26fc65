//! Orders for all benchmarks: generated, the same for the same seed, in the order of their time, evenly spread.
//!
//! Customers differ in size as businesses do (log-normal), and in how often they order: all alike, or by Zipf's law.

use clap::ValueEnum;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal, Zipf};
use serde::{Deserialize, Serialize};
use tiermesh_domain::time::{DAY_MS, Millis};
use tiermesh_proto::v1::{Fact, Order, OrderLine, fact::Data};

/// 2024-01-01T00:00:00Z: the first day.
pub const START: Millis = 1_704_067_200_000;

/// How often each customer orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Skew {
    /// All alike.
    Uniform,
    /// The n-th customer 1/n as often as the first.
    Zipf,
}

impl Skew {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "Zipf",
        }
    }
}

/// Which orders.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many.
    pub orders: u64,
    /// Of how many customers.
    pub customers: u32,
    /// How often each orders.
    pub skew: Skew,
    /// The days that they are spread over.
    pub days: u32,
}

/// With the same seed come the same orders.
const SEED: u64 = 20_260_101;
/// What an order of a customer of middling size comes to, in minor units. With customers as different in size as this,
/// about a fourth of the orders lead to another tier: under the score card, or among the others.
const USUAL_AMOUNT: f64 = 500_000.0;

const CATEGORIES: [&str; 8] = ["home", "garden", "kitchen", "lighting", "textiles", "toys", "stationery", "seasonal"];
/// Where an order comes from, and through which channel.
const CHANNELS: [(&str, &str); 3] = [("shop/web", "web"), ("shop/app", "app"), ("erp/retail", "store")];

/// The orders of a plan, one after the other.
pub struct Orders {
    plan: Plan,
    random: StdRng,
    /// Of each customer, how its orders compare with the usual.
    sizes: Vec<f32>,
    zipf: Zipf<f64>,
    spread: LogNormal<f64>,
    next: u64,
}

impl Orders {
    /// The orders of this plan, which has customers.
    pub fn new(plan: Plan) -> Self {
        let mut random = StdRng::seed_from_u64(SEED);
        let expectation = "its parameters are finite and in range";
        let size = LogNormal::new(0.0, 1.4).expect(expectation);
        let sizes = (0..plan.customers).map(|_| size.sample(&mut random) as f32).collect();
        let zipf = Zipf::new(f64::from(plan.customers.max(1)), 1.0).expect(expectation);
        Self { plan, random, sizes, zipf, spread: LogNormal::new(0.0, 0.4).expect(expectation), next: 0 }
    }

    fn customer(&mut self) -> u32 {
        match self.plan.skew {
            Skew::Uniform => self.random.random_range(0..self.plan.customers),
            Skew::Zipf => self.zipf.sample(&mut self.random) as u32 - 1,
        }
    }
}

/// The id of a customer, by number.
pub fn customer_id(number: u32) -> String {
    format!("C{number:07}")
}

/// One order of one line, for whoever needs a particular one.
pub fn order(customer: &str, number: u64, time_ms: Millis, amount_minor: i64) -> Fact {
    let line = OrderLine {
        sku: "22000A".to_owned(),
        category: CATEGORIES[0].to_owned(),
        quantity_millionths: 1_000_000,
        amount_minor,
    };
    fact(customer.to_owned(), number, time_ms, CHANNELS[0], vec![line])
}

fn fact(subject: String, number: u64, time_ms: Millis, from: (&str, &str), lines: Vec<OrderLine>) -> Fact {
    let (source, channel) = from;
    Fact {
        source: source.to_owned(),
        id: format!("o-{number:09}"),
        subject,
        time_ms,
        data: Some(Data::OrderPlaced(Order {
            order_id: format!("{number:09}"),
            amount_minor: lines.iter().map(|line| line.amount_minor).sum(),
            currency: "GBP".to_owned(),
            cost_minor: None,
            channel: Some(channel.to_owned()),
            lines,
        })),
        ..Fact::default()
    }
}

impl Iterator for Orders {
    type Item = Fact;

    fn next(&mut self) -> Option<Fact> {
        let number = self.next;
        if number >= self.plan.orders {
            return None;
        }
        self.next += 1;
        let customer = self.customer();
        let size = f64::from(self.sizes[customer as usize]);
        let amount = (USUAL_AMOUNT * size * self.spread.sample(&mut self.random)).max(100.0);
        let lines = self.random.random_range(1..=3_u32);
        let line = |_| OrderLine {
            sku: format!(
                "{}{}",
                self.random.random_range(20_000..24_000),
                char::from(self.random.random_range(b'A'..b'E'))
            ),
            category: CATEGORIES[self.random.random_range(0..CATEGORIES.len())].to_owned(),
            quantity_millionths: self.random.random_range(1..=24_i64) * 1_000_000,
            amount_minor: (amount / f64::from(lines)) as i64,
        };
        let lines = (0..lines).map(line).collect();
        let span = i128::from(self.plan.days) * i128::from(DAY_MS);
        let time = START + (span * i128::from(number) / i128::from(self.plan.orders)) as i64;
        let from = CHANNELS[self.random.random_range(0..CHANNELS.len())];
        Some(fact(customer_id(customer), number, time, from, lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(skew: Skew) -> Vec<Fact> {
        Orders::new(Plan { orders: 4_000, customers: 500, skew, days: 10 }).collect()
    }

    #[test]
    fn the_same_plan_gives_the_same_orders_in_the_order_of_time() {
        let orders = of(Skew::Uniform);
        assert_eq!(orders, of(Skew::Uniform));
        assert_eq!(orders.len(), 4_000);
        assert!(orders.is_sorted_by_key(|fact| fact.time_ms));
        assert!(orders[0].time_ms == START && orders[3_999].time_ms < START + 10 * DAY_MS);
        assert!(
            orders.iter().all(|fact| matches!(&fact.data, Some(Data::OrderPlaced(order)) if order.amount_minor > 0))
        );
    }

    #[test]
    fn by_zipf_the_first_customer_orders_most() {
        let share = |skew, number| {
            let orders = of(skew);
            orders.iter().filter(|fact| fact.subject == customer_id(number)).count() as f64 / orders.len() as f64
        };
        // 1 / (1 + 1/2 + … + 1/500) = 0.147.
        assert!((0.12..0.18).contains(&share(Skew::Zipf, 0)));
        assert!(share(Skew::Zipf, 1) < share(Skew::Zipf, 0) && share(Skew::Uniform, 0) < 0.01);
    }
}
