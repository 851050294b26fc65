//! The demo's present: events as a shop has them, about one a second, sent as anybody sends them.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tiermesh_domain::time::{Millis, format_instant};
use tokio::time::{MissedTickBehavior, interval};

use super::invoices::Shopper;
use crate::send::KeyArgs;

/// The same events in every demo, but for their times.
const SEED: u64 = 20_101_201;
/// Customers with reason to complain.
const TROUBLED: usize = 4;
/// They are among those who order often.
const OFTEN: usize = 15;
/// Orders that may still be sent back.
const LATEST_ORDERS: usize = 40;

/// Makes events.
pub struct Shop {
    dice: StdRng,
    /// Each as often as it ordered, so that whoever orders often does so on.
    orders: Vec<(usize, usize)>,
    shoppers: Vec<Shopper>,
    troubled: Vec<String>,
    latest: VecDeque<(String, String, String)>,
    made: usize,
}

impl Shop {
    /// A shop with these customers.
    pub fn with(shoppers: Vec<Shopper>) -> Self {
        let mut dice = StdRng::seed_from_u64(SEED);
        let often: Vec<&Shopper> = shoppers.iter().filter(|shopper| shopper.amounts.len() >= OFTEN).collect();
        let troubled = often.choose_multiple(&mut dice, TROUBLED).map(|shopper| shopper.customer.clone()).collect();
        let orders =
            shoppers.iter().enumerate().flat_map(|(at, of)| (0..of.amounts.len()).map(move |order| (at, order)));
        let orders = orders.collect();
        Self { dice, orders, shoppers, troubled, latest: VecDeque::new(), made: 0 }
    }

    /// The next event, which happens at `now`.
    pub fn event(&mut self, now: Millis) -> Value {
        let number = self.made;
        self.made += 1;
        let (source, kind, subject, data) = match number % 20 {
            6 => self.complaint(number),
            3 | 10 | 17 => self.interaction(),
            13 if !self.latest.is_empty() => self.refund(number),
            _ => self.order(number),
        };
        json!({
            "specversion": "1.0", "id": format!("demo-{number}"), "source": source, "type": format!("tiermesh.{kind}"),
            "subject": subject, "time": format_instant(now), "data": data,
        })
    }

    fn order(&mut self, number: usize) -> (&'static str, &'static str, String, Value) {
        let (at, order) = self.orders.choose(&mut self.dice).copied().unwrap_or_default();
        let Some(Shopper { customer, amounts }) = self.shoppers.get(at) else {
            return self.interaction();
        };
        let amount = amounts.get(order).cloned().unwrap_or_default();
        let id = format!("demo-{number}");
        let data = json!({"order_id": id, "currency": "GBP", "amount": amount});
        let customer = customer.clone();
        if self.latest.len() == LATEST_ORDERS {
            self.latest.pop_front();
        }
        self.latest.push_back((customer.clone(), id, amount));
        ("erp/retail", "order.placed", customer, data)
    }

    /// An earlier order comes back, all of it.
    fn refund(&mut self, number: usize) -> (&'static str, &'static str, String, Value) {
        let at = self.dice.random_range(0..self.latest.len());
        match self.latest.remove(at) {
            Some((customer, order, amount)) if amount.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => {
                let refund = format!("demo-{number}");
                let data = json!({"refund_id": refund, "order_id": order, "currency": "GBP", "amount": amount});
                ("erp/retail", "order.refunded", customer, data)
            }
            _ => self.interaction(),
        }
    }

    fn interaction(&mut self) -> (&'static str, &'static str, String, Value) {
        let customer = self.shoppers.choose(&mut self.dice).map(|shopper| shopper.customer.clone());
        let channel = ["call", "mail", "chat", "visit"].choose(&mut self.dice).copied().unwrap_or("mail");
        let minutes = self.dice.random_range(2..40);
        let data = json!({"channel": channel, "direction": "inbound", "minutes": minutes});
        ("crm/demo", "interaction.recorded", customer.unwrap_or_default(), data)
    }

    /// Two in a row of each who has reason to: one complaint is bad luck, two within a month are a sign.
    fn complaint(&mut self, number: usize) -> (&'static str, &'static str, String, Value) {
        let customer = self.troubled.get(number / 20 / 2 % self.troubled.len().max(1)).cloned();
        let category = ["logistics", "quality"].choose(&mut self.dice).copied().unwrap_or("other");
        let severity = self.dice.random_range(2..5);
        let data = json!({"complaint_id": format!("demo-{number}"), "category": category, "severity": severity});
        ("crm/demo", "complaint.opened", customer.unwrap_or_default(), data)
    }
}

/// Sends events to ingest at this pace, for ever.
pub async fn play(url: &str, key: &KeyArgs, mut shop: Shop, events_per_second: u32) {
    let client = reqwest::Client::new();
    let clock = tiermesh_ingest::Clock::system();
    let mut pace = interval(Duration::from_secs(1) / events_per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let event = shop.event(clock.now_ms()).to_string();
        let request = client.post(format!("{url}/v1/events")).header("content-type", "application/cloudevents+json");
        let answered = key.show(request).body(event.clone()).send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = answered {
            tracing::warn!("the demo's shop could not send {event}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shop() -> Shop {
        let shopper = |number: usize| Shopper {
            customer: format!("c{number}"),
            amounts: (1..=number).map(|amount| format!("{amount}.50")).collect(),
        };
        Shop::with((1..40).map(shopper).collect())
    }

    #[test]
    fn every_event_is_one_that_ingest_takes() {
        let mut shop = shop();
        for second in 0..500 {
            let event = shop.event(1_800_000_000_000 + second * 1_000).to_string();
            let parsed = tiermesh_domain::fact::parse_cloud_event(event.as_bytes());
            assert!(parsed.is_ok_and(|parsed| parsed.ignored.is_empty()), "{event}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_events() {
        let (mut one, mut other) = (shop(), shop());
        assert!((0..100).all(|_| one.event(0) == other.event(0)));
    }

    #[test]
    fn somebody_complains_twice_within_a_minute() {
        let mut shop = shop();
        let mut complaints: BTreeMap<String, usize> = BTreeMap::new();
        for event in (0..60).map(|_| shop.event(0)).filter(|event| event["type"] == "tiermesh.complaint.opened") {
            *complaints.entry(event["subject"].to_string()).or_default() += 1;
        }
        assert!(complaints.values().any(|count| *count >= 2), "{complaints:?}");
    }
}
