//! Histories that went wrong once, or nearly, each as a small list of operations that was found.
//!
//! Those named after a mutation are what showed it; the code as it is has to come through them.

use tiermesh_testkit::simulation::attempt;

use crate::{
    events::Kind::*,
    mesh::Mesh,
    operation::{Call::*, Operation, Operation::*},
};

#[track_caller]
fn holds(operations: &[Operation]) {
    assert_eq!(attempt(&Mesh, operations).verdict, Ok(()));
}

#[test]
fn both_stop_while_the_store_is_away() {
    holds(&[
        Away,
        Fact { door: 0, customer: 0, kind: Order(10), days_ago: 0 },
        Stop { instance: 0 },
        Stop { instance: 1 },
    ]);
}

#[test]
fn a_delivery_of_the_control_keeper_fails_half_way() {
    holds(&[
        Hold { instance: 0 },
        Fact { door: 1, customer: 0, kind: Order(200), days_ago: 0 },
        Thaw { instance: 2 },
        Fail { instance: 0, records: 1 },
    ]);
}

#[test]
fn save_before_acknowledgement() {
    holds(&[
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Activate { door: 0, document: 1 },
        Pass { ms: 1 },
        Hold { instance: 1 },
        Fact { door: 1, customer: 6, kind: Order(700), days_ago: 0 },
        Fact { door: 0, customer: 6, kind: Order(90), days_ago: 0 },
        Pass { ms: 1000 },
        Pass { ms: 1031 },
        Fact { door: 1, customer: 0, kind: Refunded(0), days_ago: 0 },
        Pass { ms: 968 },
        Lose { instance: 1 },
        Again { door: 0, back: 2 },
    ]);
}

#[test]
fn no_fence() {
    holds(&[
        FreezeAt { instance: 1, call: Send, nth: 1, after: false },
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Pass { ms: 1295 },
        Fact { door: 0, customer: 0, kind: Order(700), days_ago: 0 },
        Thaw { instance: 1 },
        CrashAt { instance: 0, call: Any, nth: 12, after: false },
        Pass { ms: 100 },
        Slow { instance: 1, ms: 2746 },
        Activate { door: 1, document: 3 },
        FreezeAt { instance: 1, call: Send, nth: 2, after: true },
        Fact { door: 1, customer: 4, kind: Order(700), days_ago: 0 },
        Pass { ms: 974 },
        Pass { ms: 556 },
        Start { instance: 2 },
        Pass { ms: 3500 },
        Pass { ms: 129 },
        Pass { ms: 871 },
    ]);
}

#[test]
fn no_mark_at_consumers() {
    holds(&[
        Fact { door: 2, customer: 0, kind: Order(700), days_ago: 0 },
        Start { instance: 2 },
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Pass { ms: 1 },
        CrashAt { instance: 0, call: Do, nth: 1, after: false },
        Activate { door: 0, document: 1 },
        Hold { instance: 1 },
        Fact { door: 2, customer: 0, kind: Order(90), days_ago: 0 },
        Fact { door: 2, customer: 6, kind: Order(200), days_ago: 0 },
        Lose { instance: 1 },
    ]);
}

#[test]
fn last_instead_of_maximum() {
    holds(&[
        Activate { door: 0, document: 0 },
        Activate { door: 1, document: 1 },
        Slow { instance: 1, ms: 1399 },
        Fact { door: 0, customer: 0, kind: Order(200), days_ago: 0 },
        Hold { instance: 0 },
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Lose { instance: 0 },
        Start { instance: 2 },
        Pass { ms: 1 },
        Lose { instance: 2 },
        Deliver { instance: 0, records: 1, answered: false },
        Pass { ms: 1 },
        Pass { ms: 198 },
    ]);
}

#[test]
fn finite_message_time_out() {
    holds(&[
        Activate { door: 1, document: 2 },
        Start { instance: 2 },
        Fact { door: 1, customer: 0, kind: Order(90), days_ago: 0 },
        Hold { instance: 1 },
        Fact { door: 2, customer: 5, kind: Order(700), days_ago: 0 },
        Pass { ms: 1 },
        CrashAt { instance: 1, call: Any, nth: 1, after: true },
        Fact { door: 2, customer: 6, kind: Order(700), days_ago: 0 },
    ]);
}

#[test]
fn effects_in_container_order() {
    holds(&[
        Fact { door: 0, customer: 0, kind: Order(700), days_ago: 0 },
        Fact { door: 2, customer: 3, kind: Order(700), days_ago: 0 },
        Activate { door: 0, document: 0 },
        Hold { instance: 0 },
    ]);
}

#[test]
fn state_kept_after_revoke() {
    holds(&[
        Fact { door: 0, customer: 0, kind: Order(700), days_ago: 0 },
        Thaw { instance: 2 },
        CrashAt { instance: 0, call: Any, nth: 10, after: false },
        Pass { ms: 1 },
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Pass { ms: 1000 },
    ]);
}

#[test]
fn tick_taken_twice() {
    holds(&[Fact { door: 1, customer: 0, kind: Refunded(0), days_ago: 0 }, Lose { instance: 1 }]);
}

#[test]
fn summary_counted_twice() {
    holds(&[
        Pass { ms: 497 },
        CrashAt { instance: 0, call: Broadcast, nth: 1, after: true },
        Pass { ms: 598 },
        Start { instance: 2 },
        Fact { door: 1, customer: 0, kind: Order(700), days_ago: 0 },
        Hold { instance: 1 },
        Activate { door: 0, document: 1 },
        Lose { instance: 1 },
        Pass { ms: 273 },
        Pass { ms: 1640 },
        Lose { instance: 1 },
    ]);
}

#[test]
fn cut_points_before_all_reported() {
    holds(&[Fact { door: 2, customer: 0, kind: Order(700), days_ago: 0 }, Activate { door: 0, document: 0 }]);
}
