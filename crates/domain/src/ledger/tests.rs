//! The packed ledger against a plain list of facts, looked through anew for every answer.

use std::{cmp::Ordering, collections::BTreeMap};

use proptest::prelude::*;
use tiermesh_proto::v1::{Fact, Interaction, Order, OrderLine, OrderRef, Refund};

use super::*;
use crate::{
    packing::{Reader, Writer},
    policy::{CountsWhen, Valuation},
};

fn valuation() -> Valuation {
    let rates_millionths = [("USD".to_owned(), 500_000)].into();
    Valuation { currency: "GBP".to_owned(), decimals: 2, rates_millionths }
}

/// What happens, to which order, when, with which small numbers.
type Happening = (u8, u8, i64, i64, u8);

fn fact(number: usize, (kind, order, time_ms, amount_minor, small): Happening) -> Fact {
    let order_id = format!("order-{order}");
    let currency = ["GBP", "USD", "JPY"][usize::from(small % 3)].to_owned();
    let line = |nth: u8| OrderLine {
        category: format!("category-{}", (small + nth) % 4),
        quantity_millionths: i64::from(small) - 2,
        ..OrderLine::default()
    };
    let lines: Vec<OrderLine> = (0..small % 3).map(line).collect();
    let placed = |order_id| Order {
        order_id,
        amount_minor,
        currency: currency.clone(),
        lines: lines.clone(),
        ..Order::default()
    };
    let refund = |order_id| Refund {
        order_id,
        amount_minor,
        currency: currency.clone(),
        lines: lines.clone(),
        ..Refund::default()
    };
    let data = match kind {
        0..=3 => Data::OrderPlaced(placed(format!("own-{number}"))),
        4 | 5 => Data::OrderPlaced(placed(order_id)),
        6 => Data::OrderCorrected(placed(order_id)),
        7 => Data::OrderPaid(OrderRef { order_id }),
        8 => Data::OrderCancelled(OrderRef { order_id }),
        9 => Data::OrderRefunded(refund(Some(order_id))),
        10 => Data::OrderRefunded(refund(None)),
        _ => Data::InteractionRecorded(Interaction::default()),
    };
    let source = if small % 2 == 0 { "erp" } else { "shop" }.to_owned();
    // Some share a name: repeats where all else is the same, conflicts where it isn't.
    Fact {
        source,
        id: format!("e-{}", number / 2 * 2 + usize::from(small > 1)),
        time_ms,
        data: Some(data),
        ..Fact::default()
    }
}

/// Value and number of orders, if it counts.
type Contributed = Option<(i64, i64)>;

/// Orders and refunds as a plain list tells them: by the id of the event that placed them, with what they contribute.
#[derive(Debug, Default, PartialEq)]
struct Told {
    in_time: Vec<(Millis, String, Contributed)>,
    categories: BTreeMap<String, i64>,
    counting_with_lines: usize,
}

fn of_list(facts: &[Fact], counts_when: CountsWhen) -> Told {
    let stamp = |fact: &&Fact| (fact.time_ms, fact.source.clone(), fact.id.clone());
    let mut told = Told::default();
    let mut add = |lines: &[OrderLine], sign: i64| {
        for line in lines {
            *told.categories.entry(line.category.clone()).or_default() += sign * line.quantity_millionths;
        }
    };
    // Time, whether it is a refund, since when it was heard of: the order they are told in.
    let mut entries: Vec<((Millis, bool, usize), String, Contributed)> = Vec::new();
    let mut heard: Vec<&str> = Vec::new();
    for fact in facts {
        let id = match fact.data.as_ref().unwrap() {
            Data::OrderPlaced(order) | Data::OrderCorrected(order) => &order.order_id,
            Data::OrderPaid(order) | Data::OrderCancelled(order) => &order.order_id,
            Data::OrderRefunded(Refund { order_id: Some(id), .. }) => id,
            _ => continue,
        };
        if !heard.contains(&id.as_str()) {
            heard.push(id);
        }
    }
    for (nth, id) in heard.iter().enumerate() {
        let is = |order_id: &str| order_id == *id;
        let versions = |fact: &&Fact| matches!(&fact.data, Some(Data::OrderPlaced(order)) if is(&order.order_id));
        let Some(placing) = facts.iter().filter(versions).min_by_key(stamp) else { continue };
        let corrects = |fact: &&Fact| match &fact.data {
            Some(Data::OrderPlaced(order)) => is(&order.order_id) && stamp(fact) != stamp(&placing),
            Some(Data::OrderCorrected(order)) => is(&order.order_id),
            _ => false,
        };
        let standing = facts.iter().filter(corrects).max_by_key(stamp).unwrap_or(placing);
        let (Some(Data::OrderPlaced(order)) | Some(Data::OrderCorrected(order))) = &standing.data else { panic!() };
        let any = |wanted: fn(&Data) -> Option<&OrderRef>| {
            facts.iter().filter_map(|fact| wanted(fact.data.as_ref()?)).any(|order| is(&order.order_id))
        };
        let cancelled = any(|data| if let Data::OrderCancelled(order) = data { Some(order) } else { None });
        let paid = any(|data| if let Data::OrderPaid(order) = data { Some(order) } else { None });
        let refunds: Vec<&Refund> = facts
            .iter()
            .filter_map(|fact| match fact.data.as_ref()? {
                Data::OrderRefunded(refund) if refund.order_id.as_deref() == Some(id) => Some(refund),
                _ => None,
            })
            .collect();
        let refunded: i64 =
            refunds.iter().filter(|refund| refund.currency == order.currency).map(|refund| refund.amount_minor).sum();
        let net = (order.amount_minor - refunded).max(0);
        let reached = counts_when == CountsWhen::Placed || paid;
        let counts = !cancelled && reached && (net > 0 || order.amount_minor == 0);
        if counts {
            add(&order.lines, 1);
            refunds.iter().for_each(|refund| add(&refund.lines, -1));
            told.counting_with_lines += usize::from(!order.lines.is_empty());
        }
        let value = valuation().value(net, &order.currency).unwrap_or(0);
        entries.push(((placing.time_ms, false, nth), placing.id.clone(), counts.then_some((value, 1))));
    }
    for (nth, fact) in facts.iter().enumerate() {
        if let Some(Data::OrderRefunded(refund @ Refund { order_id: None, .. })) = &fact.data {
            add(&refund.lines, -1);
            let value = -valuation().value(refund.amount_minor, &refund.currency).unwrap_or(0);
            entries.push(((fact.time_ms, true, nth), fact.id.clone(), Some((value, 0))));
        }
    }
    entries.sort_by_key(|(place, ..)| *place);
    told.in_time = entries.into_iter().map(|((time, ..), id, value)| (time, id, value)).collect();
    told.categories.retain(|_, quantity| *quantity != 0);
    told
}

fn of_ledger(ledger: &Ledger, names: &Names, counts_when: CountsWhen) -> Told {
    let orders = &ledger.orders;
    let mut told = Told::default();
    for entry in orders.entries() {
        let contribution = orders.contribution(entry, counts_when, &valuation(), names);
        let id = orders.event_id(entry).unwrap().to_owned();
        told.in_time.push((orders.time(entry).unwrap(), id, contribution.map(|it| (it.value, it.orders))));
        let add = |line: Line, sign: i64| {
            *told.categories.entry(names.text(line.category).to_owned()).or_default() += sign * line.quantity;
        };
        told.counting_with_lines += usize::from(orders.breadth(entry, counts_when, add) == Some(true));
        assert_eq!(orders.counting_time(entry, counts_when).is_some(), contribution.is_some_and(|it| it.orders > 0));
    }
    told.categories.retain(|_, quantity| *quantity != 0);
    told
}

fn packed(ledger: &Ledger) -> Vec<u8> {
    let mut into = Writer::default();
    ledger.pack_whole(&mut into);
    into.bytes
}

fn unpacked(segments: &[(bool, Vec<u8>)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (whole, bytes) in segments {
        let mut from = Reader::new(bytes);
        if *whole {
            ledger = Ledger::unpack_whole(&mut from).unwrap();
        } else {
            ledger.unpack_added(&mut from).unwrap();
        }
        assert!(from.is_empty());
    }
    ledger.derive().unwrap();
    ledger
}

proptest! {
    #[test]
    fn it_tells_what_a_plain_list_tells_also_after_being_packed(
        happenings in proptest::collection::vec((0_u8..12, 0_u8..6, 0_i64..40, 0_i64..500, 0_u8..5), 1..70),
        saves in proptest::collection::vec(proptest::bool::weighted(0.2), 70),
    ) {
        let (mut ledger, mut names, mut scratch) = (Ledger::default(), Names::default(), Vec::new());
        let mut facts: Vec<Fact> = Vec::new();
        let mut segments: Vec<(bool, Vec<u8>)> = Vec::new();
        for (number, (happening, save)) in happenings.into_iter().zip(saves).enumerate() {
            let fact = fact(number, happening);
            let known = facts.iter().find(|known| (&known.source, &known.id) == (&fact.source, &fact.id));
            let expected = match known {
                None => Admission::New,
                Some(known) if *known == fact => Admission::Duplicate,
                Some(_) => Admission::Conflict,
            };
            let view = FactView::of(&fact);
            prop_assert_eq!(ledger.admit(&view, &mut scratch), expected);
            if expected == Admission::New {
                let touched = ledger.touches(&view, &mut scratch);
                ledger.apply(&view, touched, &mut names).unwrap();
                facts.push(fact.clone());
            }
            if save {
                let mut into = Writer::default();
                match ledger.packed {
                    Some(since) => ledger.pack_added(since, &mut into),
                    None => ledger.pack_whole(&mut into),
                }
                segments.push((ledger.packed.is_none(), into.bytes));
                ledger.packed = Some(ledger.extent());
                let loaded = unpacked(&segments);
                prop_assert_eq!(packed(&loaded), packed(&ledger));
            }
        }
        let loaded = unpacked(&[(true, packed(&ledger))]);
        for counts_when in [CountsWhen::Placed, CountsWhen::Paid] {
            let expected = of_list(&facts, counts_when);
            prop_assert_eq!(&of_ledger(&ledger, &names, counts_when), &expected);
            prop_assert_eq!(&of_ledger(&loaded, &names, counts_when), &expected);
            for time in -1..42 {
                let after = expected.in_time.iter().filter(|(at, ..)| *at > time);
                prop_assert_eq!(ledger.orders.first_after(time), after.clone().map(|(at, ..)| *at).min());
                prop_assert_eq!(ledger.orders.between(time, Millis::MAX).count(), after.count());
            }
            let last = expected.in_time.last().map(|(_, id, _)| id.as_str());
            prop_assert_eq!(ledger.orders.last_event_id(), last);
        }
    }
}

#[test]
fn many_orders_are_found_as_few_are() {
    let (mut ledger, mut names, mut scratch) = (Ledger::default(), Names::default(), Vec::new());
    let placed = |number: usize| fact(number * 2, (0, 0, number as i64, 100, 0));
    for number in 0..1_000 {
        let fact = placed(number);
        let view = FactView::of(&fact);
        assert_eq!(ledger.admit(&view, &mut scratch), Admission::New);
        let touched = ledger.touches(&view, &mut scratch);
        assert!(touched.is_some_and(|touched| touched.is_new));
        ledger.apply(&view, touched, &mut names).unwrap();
    }
    for ledger in [&mut unpacked(&[(true, packed(&ledger))]), &mut ledger] {
        for number in 0..1_000 {
            let fact = placed(number);
            let view = FactView::of(&fact);
            assert_eq!(ledger.admit(&view, &mut scratch), Admission::Duplicate);
            let touched = ledger.touches(&view, &mut scratch).unwrap();
            assert_eq!(ledger.orders.time(touched.entry), Some(number as i64));
        }
    }
}

#[test]
fn a_stamp_is_compared_by_the_text_of_its_source() {
    let mut names = Names::default();
    let (shop, erp) = (names.id("shop"), names.id("erp"));
    let moment = |source| Moment { time: 1, source, id: "e" };
    assert_eq!(moment(erp).order(&moment(shop), &names), Ordering::Less);
}
