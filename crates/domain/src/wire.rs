//! The fields of an encoded protobuf message, one by one, borrowed.

/// Walks over a message's fields; ends early, with a field of number 0, where the bytes can't be read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    left: &'a [u8],
}

/// One field, as it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Its number; 0: what follows can't be read.
    pub(crate) number: u64,
    /// The value of one of wire type 0.
    varint: Option<u64>,
    /// The value of one of wire type 2.
    pub(crate) bytes: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    const UNREADABLE: Self = Self { number: 0, varint: None, bytes: None };

    /// As a text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes?).ok()
    }

    /// As an `int64`.
    pub(crate) fn integer(&self) -> Option<i64> {
        self.varint.map(|value| value as i64)
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { left: message }
    }

    fn varint(&mut self) -> Option<u64> {
        let (first, rest) = self.left.split_first()?;
        if *first < 0x80 {
            self.left = rest;
            return Some(u64::from(*first));
        }
        let mut value = 0;
        for (nth, byte) in self.left.iter().enumerate().take(10) {
            if nth == 9 && *byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * nth);
            if *byte < 0x80 {
                self.left = &self.left[nth + 1..];
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let key = self.varint()?;
        // A number has 29 bits.
        let number = (u32::try_from(key).ok()? >> 3).into();
        match key & 7 {
            0 => Some(Field { number, varint: Some(self.varint()?), bytes: None }),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.left.split_at_checked(length)?;
                self.left = rest;
                Some(Field { number, varint: None, bytes: Some(bytes) })
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.left.is_empty() {
            return None;
        }
        Some(self.field().unwrap_or_else(|| {
            self.left = &[];
            Field::UNREADABLE
        }))
    }
}
