//! A fact as a fold looks at it: borrowed, from a decoded fact, or from the bytes of a record as they are.
//!
//! Nearly all records are orders that were placed. To decode one takes a piece of memory for each of its ten texts, of which
//! a fold looks at few; so these are read where they stand.

use prost::Message;
use smallvec::SmallVec;
use tiermesh_proto::v1::{Fact, Order, OrderLine, fact::Data};

use super::UnknownFact;
use crate::{
    hash::content_of,
    time::Millis,
    wire::{Field, Fields},
};

/// A fact, borrowed.
#[derive(Debug, Clone)]
pub struct FactView<'a> {
    /// Who tells.
    pub source: &'a str,
    /// The event's id.
    pub id: &'a str,
    /// The customer.
    pub subject: &'a str,
    /// When it happened.
    pub time_ms: Millis,
    data: Option<DataView<'a>>,
    whole: Whole<'a>,
}

/// What a fact says.
#[derive(Debug, Clone)]
pub enum DataView<'a> {
    /// An order was placed.
    OrderPlaced(OrderView<'a>),
    /// Something else.
    Other(&'a Data),
}

/// What folds look at of an order.
#[derive(Debug, Clone)]
pub struct OrderView<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// In minor units.
    pub amount_minor: i64,
    /// Of the amount.
    pub currency: &'a str,
    /// Its lines, in their order.
    pub lines: SmallVec<[LineView<'a>; 4]>,
}

/// What folds look at of an order's line.
#[derive(Debug, Clone, Copy)]
pub struct LineView<'a> {
    /// What kind of goods.
    pub category: &'a str,
    /// How many, in millionths.
    pub quantity_millionths: i64,
}

#[derive(Debug, Clone, Copy)]
enum Whole<'a> {
    Encoded(&'a [u8]),
    Decoded(&'a Fact),
}

/// The number of `traced` in `CustomerEvent`.
const TRACED: u64 = 15;

impl<'a> FactView<'a> {
    /// Of a record of `customer.events` that holds an order that was placed, as ingest writes it: each field once at most,
    /// in the order of their numbers. `None` of every other record: whoever wants to know what it holds has to decode it.
    pub fn of_order(record: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::of(record);
        let Field { number: 1, bytes: Some(whole), .. } = fields.next()? else { return None };
        // Behind it only the mark of a trace may stand, which no fold sees.
        if fields.any(|field| field.number != TRACED) {
            return None;
        }
        let mut fact = Self { source: "", id: "", subject: "", time_ms: 0, data: None, whole: Whole::Encoded(whole) };
        let mut last = 0;
        for field in Fields::of(whole) {
            match field.number {
                number if number <= last => return None,
                1 => fact.source = field.text()?,
                2 => fact.id = field.text()?,
                3 => fact.subject = field.text()?,
                4 => fact.time_ms = field.integer()?,
                10 => fact.data = Some(DataView::OrderPlaced(OrderView::read(field.bytes?)?)),
                _ => return None,
            }
            last = field.number;
        }
        fact.data.is_some().then_some(fact)
    }

    /// Of a fact at hand.
    pub fn of(fact: &'a Fact) -> Self {
        let Fact { source, id, subject, time_ms, data, .. } = fact;
        let data = data.as_ref().map(|data| match data {
            Data::OrderPlaced(order) => DataView::OrderPlaced(OrderView::of(order)),
            other => DataView::Other(other),
        });
        Self { source, id, subject, time_ms: *time_ms, data, whole: Whole::Decoded(fact) }
    }

    /// What it says.
    ///
    /// # Errors
    /// Nothing that this release knows: it was written by one that knows more types.
    pub(crate) fn data(&self) -> Result<&DataView<'a>, UnknownFact> {
        self.data.as_ref().ok_or_else(|| UnknownFact { id: self.id.to_owned() })
    }

    /// A check of its content. `scratch`: memory to work in.
    pub(crate) fn content(&self, scratch: &mut Vec<u8>) -> u64 {
        match self.whole {
            Whole::Encoded(bytes) => content_of(bytes),
            Whole::Decoded(fact) => {
                scratch.clear();
                fact.encode_raw(scratch);
                content_of(scratch)
            }
        }
    }

    /// All of it, encoded.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self.whole {
            Whole::Encoded(bytes) => bytes.to_vec(),
            Whole::Decoded(fact) => fact.encode_to_vec(),
        }
    }
}

impl<'a> OrderView<'a> {
    /// Of an order at hand.
    pub(crate) fn of(order: &'a Order) -> Self {
        let Order { order_id, amount_minor, currency, lines, .. } = order;
        Self { order_id, amount_minor: *amount_minor, currency, lines: LineView::all(lines).collect() }
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut order = Self { order_id: "", amount_minor: 0, currency: "", lines: SmallVec::new() };
        let mut last = 0;
        for field in Fields::of(bytes) {
            match field.number {
                6 => order.lines.push(LineView::read(field.bytes?)?),
                number if number <= last => return None,
                1 => order.order_id = field.text()?,
                2 => order.amount_minor = field.integer()?,
                3 => order.currency = field.text()?,
                // Costs and channel aren't looked at; they are checked, as decoding would.
                4 => _ = field.integer()?,
                5 => _ = field.text()?,
                _ => return None,
            }
            last = field.number;
        }
        Some(order)
    }
}

impl<'a> LineView<'a> {
    /// Of lines at hand.
    pub(crate) fn all(lines: &'a [OrderLine]) -> impl Iterator<Item = Self> {
        lines.iter().map(|line| Self { category: &line.category, quantity_millionths: line.quantity_millionths })
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut line = Self { category: "", quantity_millionths: 0 };
        let mut last = 0;
        for field in Fields::of(bytes) {
            match field.number {
                number if number <= last => return None,
                1 => _ = field.text()?,
                2 => line.category = field.text()?,
                3 => line.quantity_millionths = field.integer()?,
                4 => _ = field.integer()?,
                _ => return None,
            }
            last = field.number;
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tiermesh_proto::v1::{CustomerEvent, customer_event::Event};

    use super::*;

    fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
        let line = (".{0,4}", ".{0,4}", any::<i64>(), any::<i64>()).prop_map(
            |(sku, category, quantity_millionths, amount_minor)| OrderLine {
                sku,
                category,
                quantity_millionths,
                amount_minor,
            },
        );
        proptest::collection::vec(line, 0..6)
    }

    fn facts() -> impl Strategy<Value = Fact> {
        let order = (
            ".{0,9}",
            any::<i64>(),
            ".{0,3}",
            proptest::option::of(any::<i64>()),
            proptest::option::of(".{0,5}"),
            lines(),
        )
            .prop_map(|(order_id, amount_minor, currency, cost_minor, channel, lines)| Order {
                order_id,
                amount_minor,
                currency,
                cost_minor,
                channel,
                lines,
            });
        (".{0,9}", ".{0,200}", ".{0,9}", any::<i64>(), order).prop_map(|(source, id, subject, time_ms, order)| Fact {
            source,
            id,
            subject,
            time_ms,
            data: Some(Data::OrderPlaced(order)),
            ..Fact::default()
        })
    }

    fn encoded(fact: &Fact) -> Vec<u8> {
        CustomerEvent { event: Some(Event::Fact(fact.clone())) }.encode_to_vec()
    }

    fn shown(view: &FactView<'_>) -> String {
        format!("{:?}", (view.source, view.id, view.subject, view.time_ms, &view.data))
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_would_be_decoded(fact in facts(), traced: bool) {
            let mut record = encoded(&fact);
            record.extend_from_slice(if traced { &[0x78, 0x01] } else { &[] });
            let (read, of) = (FactView::of_order(&record).unwrap(), FactView::of(&fact));
            prop_assert_eq!(shown(&read), shown(&of));
            prop_assert_eq!(read.content(&mut Vec::new()), of.content(&mut vec![1]));
            prop_assert_eq!(read.to_bytes(), of.to_bytes());
        }

        /// Whatever the bytes are: what is read is what decoding gives, or nothing is read.
        #[test]
        fn what_is_damaged_is_not_read_as_something_else(fact in facts(), at: prop::sample::Index, byte: u8, cut: bool) {
            let mut record = encoded(&fact);
            let at = at.index(record.len());
            record[at] = byte;
            if cut {
                record.truncate(at);
            }
            if let Some(read) = FactView::of_order(&record) {
                let decoded = CustomerEvent::decode(&record[..]).unwrap();
                let Some(Event::Fact(decoded)) = decoded.event else { panic!("decoded as {decoded:?}") };
                prop_assert_eq!(shown(&read), shown(&FactView::of(&decoded)));
            }
        }
    }

    #[test]
    fn what_is_no_order_is_left_to_decoding() {
        let paid = Fact { data: Some(Data::OrderPaid(Default::default())), ..Fact::default() };
        let personal =
            Fact { sealed_personal: vec![1], data: Some(Data::OrderPlaced(Order::default())), ..Fact::default() };
        for fact in [paid, personal, Fact::default()] {
            assert!(FactView::of_order(&encoded(&fact)).is_none());
        }
        assert!(FactView::of_order(b"").is_none());
    }
}
