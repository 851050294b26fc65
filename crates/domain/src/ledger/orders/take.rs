//! Taking in what happened to an order.

use std::cmp::Ordering;

use tiermesh_proto::v1::{self, fact::Data};

use super::{
    Line, Orders, Touched,
    amendment::{Amendment, Version},
    entry::{AMENDED, Body, CANCELLED, Entry, FULFILLED, PAID, PLACED, REFUND},
};
use crate::{
    ledger::{Moment, Stamp, known, tight},
    names::Names,
};

impl Orders {
    /// Takes in a fact about an order, or a refund.
    pub(in crate::ledger) fn take(&mut self, data: &Data, touched: Touched, moment: Moment<'_>, names: &mut Names) {
        if !self.sources.contains(&moment.source) {
            self.sources.push(moment.source);
        }
        let place = touched.entry.0;
        if touched.is_new {
            self.bring(data, touched, moment, names);
        }
        match data {
            Data::OrderPlaced(order) if !touched.is_new => self.placed(place, order, moment, names),
            Data::OrderCorrected(order) => {
                let version = version(order, moment, names);
                self.keep_latest(place, version, names);
            }
            Data::OrderPaid(_) => self.set(place, PAID),
            Data::OrderFulfilled(_) => self.set(place, FULFILLED),
            Data::OrderCancelled(_) => self.set(place, CANCELLED),
            Data::OrderRefunded(refund) if refund.order_id.is_some() => {
                let (currency, lines) = (names.id(&refund.currency), lines(&refund.lines, names));
                let amendment = self.amend(place);
                amendment.refund(currency, refund.amount_minor);
                amendment.refunded_lines.extend_from_slice(&lines);
            }
            _ => {}
        }
    }

    /// A new entry: an order as it is placed, a refund, or an order that others speak of before it is placed.
    fn bring(&mut self, data: &Data, touched: Touched, moment: Moment<'_>, names: &mut Names) {
        let place = touched.entry.0;
        let happened = match data {
            Data::OrderPlaced(order) => Some((PLACED, order.amount_minor, &order.currency, &order.lines)),
            Data::OrderRefunded(refund) if refund.order_id.is_none() => {
                Some((REFUND, refund.amount_minor, &refund.currency, &refund.lines))
            }
            _ => None,
        };
        let entry = match happened {
            None => Entry::default(),
            Some((flags, minor, currency, order_lines)) => {
                let lines = order_lines.iter().map(|line| self::line(line, names));
                let body = Body::add(&mut self.bodies, moment.id, lines);
                Entry { time: moment.time, minor, currency: names.id(currency), source: moment.source, body, flags }
            }
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
    fn placed(&mut self, place: u32, order: &v1::Order, moment: Moment<'_>, names: &mut Names) {
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
    fn put(&mut self, place: u32, order: &v1::Order, moment: Moment<'_>, names: &mut Names) {
        let body = Body::add(&mut self.bodies, moment.id, order.lines.iter().map(|it| line(it, names)));
        let known = &mut self.entries[place as usize];
        *known = Entry {
            time: moment.time,
            minor: order.amount_minor,
            currency: names.id(&order.currency),
            source: moment.source,
            body,
            flags: known.flags | PLACED,
        };
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

fn version(order: &v1::Order, moment: Moment<'_>, names: &mut Names) -> Version {
    let lines = lines(&order.lines, names);
    Version { stamp: Stamp::of(moment), minor: order.amount_minor, currency: names.id(&order.currency), lines }
}

fn lines(lines: &[v1::OrderLine], names: &mut Names) -> Box<[Line]> {
    lines.iter().map(|it| line(it, names)).collect()
}

fn line(line: &v1::OrderLine, names: &mut Names) -> Line {
    Line { category: names.id(&line.category), quantity: line.quantity_millionths }
}
