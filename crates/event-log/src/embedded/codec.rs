//! How records become bytes: in a row of theirs, compressed and with a checksum.
//!
//! A record is its key, its value and its headers, each preceded by its length as a varint. A row holds the records of
//! one batch one after the other, so that what was encoded by several senders is joined by appending.

use bytes::{Buf, Bytes};
use prost::encoding::{decode_varint, encode_varint};

use crate::{
    headers::{self, Headers},
    record::{NewRecord, Record, may_be_traced},
};

/// Smaller batches are not worth compressing.
const COMPRESS_FROM: usize = 512;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Form and checksum.
const PREFIX: usize = 1 + 4;

/// The records, ready to be joined with others of the same partition.
pub(super) fn encode(records: &[NewRecord]) -> Vec<u8> {
    let payload: usize = records.iter().map(|record| record.key.len() + record.value.len() + 64).sum();
    let mut raw = Vec::with_capacity(payload);
    for record in records {
        put(&mut raw, &record.key);
        put(&mut raw, &record.value);
        encode_varint(record.headers.len() as u64, &mut raw);
        for (name, value) in record.headers.iter() {
            put(&mut raw, name.as_bytes());
            put(&mut raw, value.as_bytes());
        }
    }
    raw
}

fn put(raw: &mut Vec<u8>, bytes: &[u8]) {
    encode_varint(bytes.len() as u64, raw);
    raw.extend_from_slice(bytes);
}

/// Takes one record off the front; its headers only if they are wanted, or it may be traced. Key and value share the memory
/// of `raw`.
pub(super) fn decode(raw: &mut Bytes, offset: u64, headers: bool) -> Result<Record, String> {
    let (key, value) = (take(raw)?, take(raw)?);
    let count = varint(raw)?;
    if !headers && !may_be_traced(&value) {
        for _ in 0..count {
            skip(raw)?;
            skip(raw)?;
        }
        return Ok(Record { offset, key, value, headers: Headers::new() });
    }
    let mut packed = Vec::with_capacity(headers::USUAL);
    for _ in 0..count {
        let (name, value) = (take(raw)?, take(raw)?);
        headers::put(&mut packed, text(&name)?, text(&value)?);
    }
    Ok(Record { offset, key, value, headers: Headers::packed(packed.into()) })
}

fn varint(raw: &mut Bytes) -> Result<usize, String> {
    let number = decode_varint(raw).map_err(|error| error.to_string())?;
    usize::try_from(number).map_err(|error| error.to_string())
}

/// The length of what comes next, all of which is there.
fn length(raw: &mut Bytes) -> Result<usize, String> {
    let length = varint(raw)?;
    if length > raw.remaining() {
        return Err("a record is longer than its batch".to_owned());
    }
    Ok(length)
}

fn take(raw: &mut Bytes) -> Result<Bytes, String> {
    let length = length(raw)?;
    Ok(raw.split_to(length))
}

fn skip(raw: &mut Bytes) -> Result<(), String> {
    let length = length(raw)?;
    raw.advance(length);
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The bytes of a row: the batch's form, a checksum over its place and its body, the body.
pub(super) fn seal(base: u64, count: u64, raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut row = vec![PLAIN; PREFIX];
    if raw.len() < COMPRESS_FROM {
        row.extend_from_slice(raw);
    } else {
        row[0] = ZSTD;
        encode_varint(raw.len() as u64, &mut row);
        row.extend_from_slice(&zstd::bulk::compress(raw, 1)?);
    }
    let sum = checksum(base, count, row[0], &row[PREFIX..]);
    row[1..PREFIX].copy_from_slice(&sum.to_le_bytes());
    Ok(row)
}

/// The encoded records of a row, if it is what was stored in this place.
pub(super) fn unseal(base: u64, count: u64, row: &[u8]) -> Result<Bytes, String> {
    let (Some(&[form, a, b, c, d]), Some(body)) = (row.first_chunk(), row.get(PREFIX..)) else {
        return Err("a batch is cut short".to_owned());
    };
    if checksum(base, count, form, body) != u32::from_le_bytes([a, b, c, d]) {
        return Err("a batch's checksum is wrong".to_owned());
    }
    match form {
        PLAIN => Ok(Bytes::copy_from_slice(body)),
        ZSTD => {
            let mut body = body;
            let length = decode_varint(&mut body).map_err(|error| error.to_string())?;
            let length = usize::try_from(length).map_err(|error| error.to_string())?;
            zstd::bulk::decompress(body, length).map(Bytes::from).map_err(|error| error.to_string())
        }
        other => Err(format!("a batch has the unknown form {other}")),
    }
}

fn checksum(base: u64, count: u64, form: u8, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&base.to_le_bytes());
    sum.update(&count.to_le_bytes());
    sum.update(&[form]);
    sum.update(body);
    sum.finalize()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test's error report is its panic")]
mod tests {
    use bytes::Bytes;

    use super::{decode, encode, seal, unseal};
    use crate::record::NewRecord;

    fn record(size: usize) -> NewRecord {
        NewRecord {
            key: Bytes::from_static(b"k"),
            value: vec![7; size].into(),
            headers: [("ce_id", "1"), ("ce_type", "ü")].into_iter().collect(),
        }
    }

    #[test]
    fn records_come_back_from_plain_and_compressed_rows() {
        for size in [0, 5, 100_000] {
            let records = [record(size), NewRecord::default(), record(1)];
            let row = seal(10, 3, &encode(&records)).unwrap();
            let mut raw = unseal(10, 3, &row).unwrap();
            for (offset, record) in (10..).zip(&records) {
                let read = decode(&mut raw, offset, true).unwrap();
                assert_eq!((read.offset, &read.key, &read.value), (offset, &record.key, &record.value));
                assert_eq!(read.headers, record.headers);
            }
            assert!(raw.is_empty());
        }
    }

    #[test]
    fn records_without_their_headers_are_the_same_otherwise() {
        let records = [record(3), NewRecord::default(), record(1)];
        let mut raw = Bytes::from(encode(&records));
        for (offset, record) in (10..).zip(&records) {
            let read = decode(&mut raw, offset, false).unwrap();
            assert_eq!((read.offset, &read.key, &read.value), (offset, &record.key, &record.value));
            assert!(read.headers.is_empty());
        }
        assert!(raw.is_empty());
    }

    #[test]
    fn a_changed_or_misplaced_row_is_refused() {
        let row = seal(10, 1, &encode(&[record(2_000)])).unwrap();
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 1;
            assert!(unseal(10, 1, &changed).is_err(), "byte {at} may change");
            assert!(unseal(10, 1, &row[..at]).is_err(), "may end at byte {at}");
        }
        assert!(unseal(11, 1, &row).is_err());
        assert!(unseal(10, 2, &row).is_err());
    }

    #[test]
    fn a_record_that_claims_too_much_is_refused() {
        for headers in [true, false] {
            assert!(decode(&mut Bytes::from_static(&[9, 1]), 1, headers).is_err());
            assert!(decode(&mut Bytes::from_static(&[0, 0, 1, 1, b'n', 9, b'v']), 1, headers).is_err());
            assert!(decode(&mut Bytes::new(), 1, headers).is_err());
        }
    }
}
