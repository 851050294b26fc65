//! Bad inputs at every door: each gets an error that names what is wrong and what would be right, and its good
//! neighbours go through.

mod commands;
mod events;
mod records;
mod requests;

use serde_json::{Value, json};

use crate::{data::now, running::Mesh};

/// A mesh in one process, ready.
fn mesh() -> Mesh {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    mesh
}

/// An order that nothing is wrong with.
fn good(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "erp/retail", "type": "tiermesh.order.placed", "subject": "c1",
        "time": tiermesh_domain::time::format_instant(now() - 60_000),
        "data": {"order_id": id, "currency": "GBP", "amount": "10.00", "lines": [{"sku": "a", "category": "home",
            "quantity": 1, "amount": "10.00"}]},
    })
}

/// What a table finds, told at its end: all rows are tried.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    /// An error has to name all of these.
    fn tells(&mut self, what: &str, told: &str, words: &[&str]) {
        for word in words {
            self.check(told.contains(word), || format!("{what}: {word:?} is not in: {told}"));
        }
    }

    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n\n"));
    }
}
