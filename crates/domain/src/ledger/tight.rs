//! Vectors that stay close to what they hold: there is one of each kind for every customer.

/// Room is made for this many bytes at least: what an allocation itself costs is about as much.
const LEAST_BYTES: usize = 64;

/// Adds an item; a full vector grows by half, not to the double.
pub(super) fn push<T>(items: &mut Vec<T>, item: T) {
    make_room(items, 1);
    items.push(item);
}

/// Makes room for more.
pub(super) fn make_room<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        let least = (LEAST_BYTES / size_of::<T>().max(1)).max(4);
        items.reserve_exact(more.max(items.len() / 2).max(least));
    }
}
