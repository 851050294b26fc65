//! Taking in what happened to an order.

use std::cmp::Ordering;

use tiermesh_proto::v1::fact::Data;

use super::{
    Line, Orders, Touched,
    amendment::{Amendment, Version},
    entry::{AMENDED, Body, CANCELLED, Entry, FULFILLED, PAID, PLACED, REFUND},
};
use crate::{
    fact::{DataView, LineView, OrderView},
    ledger::{Moment, Stamp, known, tight},
    names::Names,
};

impl Orders {
    /// Takes in a fact about an order, or a refund.
    pub(in crate::ledger) fn take(
        &mut self,
        data: &DataView<'_>,
        touched: Touched,
        moment: Moment<'_>,
        names: &mut Names,
    ) {
        if !self.sources.contains(&moment.source) {
            self.sources.push(moment.source);
        }
        let place = touched.entry.0;
        if touched.is_new {
            self.bring(data, touched, moment, names);
        }
        let data = match data {
            DataView::OrderPlaced(_) if touched.is_new => return,
            DataView::OrderPlaced(order) => return self.placed(place, order, moment, names),
            DataView::Other(data) => data,
        };
        match data {
            Data::OrderCorrected(order) => {
                let version = version(&OrderView::of(order), moment, names);
                self.keep_latest(place, version, names);
            }
            Data::OrderPaid(_) => self.set(place, PAID),
            Data::OrderFulfilled(_) => self.set(place, FULFILLED),
            Data::OrderCancelled(_) => self.set(place, CANCELLED),
            Data::OrderRefunded(refund) if refund.order_id.is_some() => {
                let (currency, lines) = (names.id(&refund.currency), lines(LineView::all(&refund.lines), names));
                let amendment = self.amend(place);
                amendment.refund(currency, refund.amount_minor);
                amendment.refunded_lines.extend_from_slice(&lines);
            }
            _ => {}
        }
    }

    /// A new entry: an order as it is placed, a refund, or an order that others speak of before it is placed.
    fn bring(&mut self, data: &DataView<'_>, touched: Touched, moment: Moment<'_>, names: &mut Names) {
        let place = touched.entry.0;
        let entry = match data {
            DataView::OrderPlaced(order) => self.entry(PLACED, order, moment, names),
            DataView::Other(Data::OrderRefunded(refund)) if refund.order_id.is_none() => {
                let lines = LineView::all(&refund.lines).collect();
                let (amount_minor, currency) = (refund.amount_minor, &*refund.currency);
                let refund = OrderView { order_id: "", amount_minor, currency, lines };
                self.entry(REFUND, &refund, moment, names)
            }
            DataView::Other(_) => Entry::default(),
        };
        if !entry.has_time() && self.rare.as_ref().is_none_or(|rare| rare.times.is_none()) {
            self.list_times();
        }
        tight::push(&mut self.entries, entry);
        tight::push(&mut self.keys, touched.key);
        self.note_key();
        if entry.has_time() {
            self.add_to_times(place);
        }
    }

    /// An order that is known was placed: for the first time, or once more, which corrects it.
    fn placed(&mut self, place: u32, order: &OrderView<'_>, moment: Moment<'_>, names: &mut Names) {
        let known = self.entries[place as usize];
        if !known.is(PLACED) {
            self.put(place, order, moment, names);
            self.add_to_times(place);
            return;
        }
        let placing = Moment { time: known.time, source: known.source, id: known.id(&self.bodies) };
        let correction = if moment.order(&placing, names) == Ordering::Less {
            let placing = Version {
                stamp: Stamp::of(placing),
                minor: known.minor,
                currency: known.currency,
                lines: known.lines(&self.bodies).collect(),
            };
            self.remove_from_times(place);
            self.put(place, order, moment, names);
            self.add_to_times(place);
            placing
        } else {
            version(order, moment, names)
        };
        self.keep_latest(place, correction, names);
    }

    /// Writes an order's placing over what stands there.
    fn put(&mut self, place: u32, order: &OrderView<'_>, moment: Moment<'_>, names: &mut Names) {
        let flags = self.entries[place as usize].flags | PLACED;
        self.entries[place as usize] = self.entry(flags, order, moment, names);
    }

    /// An order or refund that happened; its body is kept from now on.
    fn entry(&mut self, flags: u8, order: &OrderView<'_>, moment: Moment<'_>, names: &mut Names) -> Entry {
        let body = Body::add(&mut self.bodies, moment.id, order.lines.iter().map(|it| line(*it, names)));
        let (minor, currency) = (order.amount_minor, names.id(order.currency));
        Entry { time: moment.time, minor, currency, source: moment.source, body, flags }
    }

    fn keep_latest(&mut self, place: u32, version: Version, names: &Names) {
        let correction = &mut self.amend(place).correction;
        let later =
            correction.as_ref().is_none_or(|known| version.stamp.order(&known.stamp, names) == Ordering::Greater);
        if later {
            *correction = Some(version);
        }
    }

    fn set(&mut self, place: u32, flag: u8) {
        self.entries[place as usize].flags |= flag;
    }

    pub(super) fn amend(&mut self, place: u32) -> &mut Amendment {
        self.set(place, AMENDED);
        self.rare.get_or_insert_default().amendments.entry(place).or_default()
    }

    /// The last key is new.
    fn note_key(&mut self) {
        let (keys, count) = (&self.keys, self.keys.len());
        if self.rare.is_some() || known::is_many(count) {
            self.rare.get_or_insert_default().index.added(count, |place| keys[place]);
        }
    }
}

fn version(order: &OrderView<'_>, moment: Moment<'_>, names: &mut Names) -> Version {
    let lines = lines(order.lines.iter().copied(), names);
    Version { stamp: Stamp::of(moment), minor: order.amount_minor, currency: names.id(order.currency), lines }
}

fn lines<'a>(lines: impl Iterator<Item = LineView<'a>>, names: &mut Names) -> Box<[Line]> {
    lines.map(|it| line(it, names)).collect()
}

fn line(line: LineView<'_>, names: &mut Names) -> Line {
    Line { category: names.id(line.category), quantity: line.quantity_millionths }
}
