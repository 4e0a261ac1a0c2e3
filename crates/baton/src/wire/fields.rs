//! Protobuf messages field by field, for what is copied from one message into another without building either.

use prost::encoding::{decode_varint, encode_varint};

/// Bytes that are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no protobuf message")]
pub(crate) struct Malformed;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(crate) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(number) => Ok(number),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message, in their order.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = decode_varint(&mut self.rest).map_err(|_| Malformed)?;
        let tag = u32::try_from(key >> 3).ok().filter(|tag| *tag > 0).ok_or(Malformed)?;
        let value = match key & 7 {
            0 => Value::Number(decode_varint(&mut self.rest).map_err(|_| Malformed)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = decode_varint(&mut self.rest).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok((tag, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A number as a varint. Nearly all of them are one byte.
pub(crate) fn put_varint(out: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        Ok(byte @ ..0x80) => out.push(byte),
        _ => encode_varint(number, out),
    }
}

fn put_key(out: &mut Vec<u8>, tag: u32, wire_type: u64) {
    put_varint(out, u64::from(tag) << 3 | wire_type);
}

/// A number; 0 is left out.
pub(crate) fn put_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    if number != 0 {
        put_key(out, tag, 0);
        put_varint(out, number);
    }
}

/// A number of fixed size; written even if it is 0.
pub(crate) fn put_fixed64(out: &mut Vec<u8>, tag: u32, number: u64) {
    put_key(out, tag, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Bytes or a message; written even if they are empty.
pub(crate) fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_head(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

/// What stands before so many bytes, which follow.
pub(crate) fn put_head(out: &mut Vec<u8>, tag: u32, length: usize) {
    put_key(out, tag, 2);
    put_varint(out, u64::try_from(length).unwrap_or(u64::MAX));
}

/// A text; an empty one is left out.
pub(crate) fn put_text(out: &mut Vec<u8>, tag: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, tag, text.as_bytes());
    }
}

/// A message that `fill` makes; written even if it is empty.
pub(crate) fn put_message(out: &mut Vec<u8>, tag: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    fill(&mut message);
    put_bytes(out, tag, &message);
}

/// A field as it was.
pub(crate) fn put_value(out: &mut Vec<u8>, tag: u32, value: Value<'_>) {
    match value {
        Value::Number(number) => {
            put_key(out, tag, 0);
            put_varint(out, number);
        }
        Value::Fixed64(number) => put_fixed64(out, tag, number),
        Value::Fixed32(number) => {
            put_key(out, tag, 5);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Bytes(bytes) => put_bytes(out, tag, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read() {
        let mut message = Vec::new();
        put_number(&mut message, 1, 0);
        put_number(&mut message, 2, 300);
        put_text(&mut message, 3, "");
        put_text(&mut message, 100, "a");
        put_fixed64(&mut message, 5, 0);
        put_message(&mut message, 6, |_| {});
        let read: Vec<_> = fields(&message).map(Result::unwrap).collect();
        let expected = [
            (2, Value::Number(300)),
            (100, Value::Bytes(b"a")),
            (5, Value::Fixed64(0)),
            (6, Value::Bytes(b"")),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_message_ends_with_an_error() {
        for bytes in [
            &b"\x0a\x05abc"[..], // longer than what is there
            b"\x02a",            // tag 0
            b"\x0b",             // a group
            b"\x08",             // no number
            b"\x09\x01",         // half a fixed number
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let read: Vec<_> = fields(bytes).collect();
            assert_eq!(read.last(), Some(&Err(Malformed)), "{bytes:?}");
        }
    }
}
