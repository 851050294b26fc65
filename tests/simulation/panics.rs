//! Panics in tasks: a runtime catches them, and the services start anew; here they are wrong all the same.

use std::{
    cell::RefCell,
    panic::{set_hook, take_hook},
    sync::Once,
};

thread_local! {
    static MET: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics of this thread since a moment.
pub(crate) struct Panics(());

impl Panics {
    pub(crate) fn watch() -> Self {
        static HOOKED: Once = Once::new();
        HOOKED.call_once(|| {
            let before = take_hook();
            set_hook(Box::new(move |panic| {
                MET.with_borrow_mut(|met| met.push(panic.to_string()));
                before(panic);
            }));
        });
        MET.with_borrow_mut(Vec::clear);
        Self(())
    }

    /// An error if there were any.
    pub(crate) fn none(&self) -> Result<(), String> {
        MET.with_borrow(|met| met.first().map_or(Ok(()), |first| Err(format!("a task panicked: {first}"))))
    }
}
