//! Stable hashes: the same on every machine, in every release.
//!
//! They decide which partition a customer lives in and by which number an event or order is known, so they can never
//! change: SipHash-1-3 with a fixed key of zeros.

use siphasher::{sip::SipHasher13, sip128};

/// The partition of a customer, of so many.
pub fn partition_of(customer: &str, partitions: u32) -> u32 {
    let hash = SipHasher13::new().hash(customer.as_bytes());
    (hash % u64::from(partitions.max(1))) as u32
}

/// What identifies a thing named by several texts. 128 bits: two of one customer's things never meet by chance.
pub fn identity_of(parts: &[&str]) -> u128 {
    identity_of_bytes(parts.iter().map(|part| part.as_bytes()))
}

/// The same of parts that need not be texts.
pub fn identity_of_bytes<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    use std::hash::Hasher;

    use sip128::Hasher128;
    let mut hasher = sip128::SipHasher13::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish128().as_u128()
}

/// The lower half of [`identity_of`]. `scratch`: memory to work in.
pub fn short_identity_of(parts: &[&str], scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    for part in parts {
        scratch.extend_from_slice(&(part.len() as u64).to_le_bytes());
        scratch.extend_from_slice(part.as_bytes());
    }
    sip128::SipHasher13::new().hash(scratch).h1
}

/// A check of content: equal bytes give equal numbers.
pub fn content_of(bytes: &[u8]) -> u64 {
    SipHasher13::new().hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_never_move() {
        // Pinned: a change here would move every customer of every mesh that exists.
        let partitions: Vec<u32> = ["17850", "13085", "", "客户-7"].iter().map(|c| partition_of(c, 16)).collect();
        assert_eq!(partitions, [14, 5, 12, 11]);
        assert_eq!(partition_of("17850", 0), 0);
    }

    #[test]
    fn identities_keep_parts_apart() {
        assert_ne!(identity_of(&["ab", "c"]), identity_of(&["a", "bc"]));
        assert_eq!(identity_of(&["a", "b"]), identity_of(&["a", "b"]));
        for parts in [&["a", "b"][..], &["erp/retail", "o-536365"], &[], &[""]] {
            assert_eq!(short_identity_of(parts, &mut vec![7]), identity_of(parts) as u64, "{parts:?}");
        }
    }
}
