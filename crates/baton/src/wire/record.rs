//! Messages of `c1.connector.v2` to records of `c1.storage.v3` and back (c1z-v3.md §4). Fields are copied, not decoded:
//! annotations and profiles stay byte for byte what they were. Fields ascend and defaults are left out, as Go writes them.

use super::fields::{Malformed, Value, fields, put_bytes, put_message, put_number, put_text, put_value};
use crate::proto::c1::connector::v2 as pb;

/// Prefix of the names of traits, which records leave out.
const TRAIT: &str = "TRAIT_";
/// The same of purposes.
const PURPOSE: &str = "PURPOSE_VALUE_";

/// A `Timestamp` message.
pub(crate) fn timestamp(at: jiff::Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, u64::try_from(at.as_second()).unwrap_or(0));
    put_number(&mut out, 2, u64::try_from(at.subsec_nanosecond()).unwrap_or(0));
    out
}

/// The time of a `Timestamp` message.
pub(crate) fn time(message: &[u8]) -> Result<jiff::Timestamp, Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in fields(message) {
        match field? {
            (1, value) => seconds = i64::try_from(value.number()?).map_err(|_| Malformed)?,
            (2, value) => nanos = i32::try_from(value.number()?).map_err(|_| Malformed)?,
            _ => {}
        }
    }
    jiff::Timestamp::new(seconds, nanos).map_err(|_| Malformed)
}

/// `ResourceRef`, and the first two fields of `EntitlementRef` and `PrincipalRef`.
fn reference(out: &mut Vec<u8>, resource_type: &str, id: &str) {
    put_text(out, 1, resource_type);
    put_text(out, 2, id);
}

/// The two texts of a reference.
fn texts(message: &[u8], first: u32) -> Result<(&str, &str), Malformed> {
    let (mut one, mut other) = ("", "");
    for field in fields(message) {
        let (tag, value) = field?;
        if tag == first {
            one = value.text()?;
        } else if tag == first + 1 {
            other = value.text()?;
        }
    }
    Ok((one, other))
}

/// Fields of a message by number: single ones, and those that repeat.
struct Collected<'a> {
    single: [Option<Value<'a>>; 16],
    repeated: Vec<Value<'a>>,
    others: Vec<Value<'a>>,
}

impl<'a> Collected<'a> {
    /// `repeated` is the number of the annotations, `other` of one more list.
    fn of(message: &'a [u8], repeated: u32, other: u32) -> Result<Self, Malformed> {
        let mut collected = Self {
            single: [None; 16],
            repeated: Vec::new(),
            others: Vec::new(),
        };
        for field in fields(message) {
            let (tag, value) = field?;
            if tag == repeated {
                collected.repeated.push(value);
            } else if tag == other {
                collected.others.push(value);
            } else if let Some(slot) = usize::try_from(tag).ok().and_then(|tag| collected.single.get_mut(tag)) {
                *slot = Some(value);
            }
        }
        Ok(collected)
    }

    fn get(&self, tag: usize) -> Option<Value<'a>> {
        self.single.get(tag).copied().flatten()
    }

    fn copy(&self, from: usize, out: &mut Vec<u8>, to: u32) {
        if let Some(value) = self.get(from) {
            put_value(out, to, value);
        }
    }

    fn copy_annotations(&self, out: &mut Vec<u8>, to: u32) {
        for value in &self.repeated {
            put_value(out, to, *value);
        }
    }

    fn message(&self, tag: usize) -> Result<&'a [u8], Malformed> {
        self.get(tag).map_or(Ok(&[][..]), Value::bytes)
    }

    fn text(&self, tag: usize) -> Result<&'a str, Malformed> {
        self.get(tag).map_or(Ok(""), Value::text)
    }
}

/// `ResourceType` to `ResourceTypeRecord`.
pub(crate) fn resource_type(id: &str, data: &[u8], discovered_at: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let message = Collected::of(data, 4, 3)?;
    put_text(out, 2, id);
    message.copy(2, out, 3);
    for value in &message.others {
        match value {
            Value::Number(number) => put_trait(out, *number)?,
            // Packed.
            value => {
                let mut rest = value.bytes()?;
                while !rest.is_empty() {
                    put_trait(out, prost::encoding::decode_varint(&mut rest).map_err(|_| Malformed)?)?;
                }
            }
        }
    }
    message.copy_annotations(out, 5);
    put_bytes(out, 6, discovered_at);
    message.copy(5, out, 7);
    message.copy(6, out, 8);
    Ok(())
}

fn put_trait(out: &mut Vec<u8>, number: u64) -> Result<(), Malformed> {
    let name = i32::try_from(number)
        .ok()
        .and_then(|number| pb::resource_type::Trait::try_from(number).ok())
        .ok_or(Malformed)?
        .as_str_name();
    put_text(out, 4, name.strip_prefix(TRAIT).unwrap_or(name));
    Ok(())
}

/// `ResourceTypeRecord` to `ResourceType`.
pub(crate) fn to_resource_type(record: &[u8]) -> Result<Vec<u8>, Malformed> {
    let record = Collected::of(record, 5, 4)?;
    let mut out = Vec::new();
    record.copy(2, &mut out, 1);
    record.copy(3, &mut out, 2);
    for value in &record.others {
        let known = pb::resource_type::Trait::from_str_name(&format!("{TRAIT}{}", value.text()?));
        let known = known.unwrap_or(pb::resource_type::Trait::Unspecified);
        let number = u64::try_from(i32::from(known)).unwrap_or(0);
        put_value(&mut out, 3, Value::Number(number));
    }
    record.copy_annotations(&mut out, 4);
    record.copy(7, &mut out, 5);
    record.copy(8, &mut out, 6);
    Ok(out)
}

/// `Resource` to `ResourceRecord`.
pub(crate) fn resource(
    (resource_type, id): (&str, &str),
    parent: Option<(&str, &str)>,
    data: &[u8],
    discovered_at: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let message = Collected::of(data, 4, 0)?;
    put_text(out, 2, resource_type);
    put_text(out, 3, id);
    message.copy(3, out, 4);
    message.copy(5, out, 5);
    if let Some((resource_type, id)) = parent.filter(|(_, id)| !id.is_empty()) {
        put_message(out, 6, |out| reference(out, resource_type, id));
    }
    message.copy_annotations(out, 7);
    put_bytes(out, 8, discovered_at);
    message.copy(9, out, 9);
    message.copy(11, out, 10);
    message.copy(12, out, 11);
    let (icon, _) = texts(message.message(10)?, 1)?;
    put_text(out, 13, icon);
    Ok(())
}

/// `ResourceRecord` to `Resource`.
pub(crate) fn to_resource(record: &[u8]) -> Result<Vec<u8>, Malformed> {
    let record = Collected::of(record, 7, 0)?;
    let mut out = Vec::new();
    let (resource_type, id) = (record.text(2)?, record.text(3)?);
    put_message(&mut out, 1, |out| reference(out, resource_type, id));
    record.copy(6, &mut out, 2);
    record.copy(4, &mut out, 3);
    record.copy_annotations(&mut out, 4);
    record.copy(5, &mut out, 5);
    record.copy(9, &mut out, 9);
    let icon = record.text(13)?;
    if !icon.is_empty() {
        put_message(&mut out, 10, |out| put_text(out, 1, icon));
    }
    record.copy(10, &mut out, 11);
    record.copy(11, &mut out, 12);
    Ok(out)
}

/// `Entitlement` to `EntitlementRecord`.
pub(crate) fn entitlement(
    (resource_type, resource_id, id): (&str, &str, &str),
    data: &[u8],
    discovered_at: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let message = Collected::of(data, 6, 5)?;
    put_text(out, 2, id);
    put_message(out, 3, |out| reference(out, resource_type, resource_id));
    message.copy(3, out, 4);
    message.copy(4, out, 5);
    let purpose = message.get(7).map_or(Ok(0), Value::number)?;
    if purpose != 0 {
        let name = i32::try_from(purpose)
            .ok()
            .and_then(|number| pb::entitlement::PurposeValue::try_from(number).ok())
            .ok_or(Malformed)?
            .as_str_name();
        put_text(out, 6, name.strip_prefix(PURPOSE).unwrap_or(name));
    }
    message.copy_annotations(out, 7);
    put_bytes(out, 8, discovered_at);
    message.copy(8, out, 9);
    for kind in &message.others {
        let (id, _) = texts(kind.bytes()?, 1)?;
        put_text(out, 10, id);
    }
    Ok(())
}

/// `EntitlementRecord` to `Entitlement`.
pub(crate) fn to_entitlement(record: &[u8]) -> Result<Vec<u8>, Malformed> {
    let record = Collected::of(record, 7, 10)?;
    let mut out = Vec::new();
    let resource = record.message(3)?;
    put_message(&mut out, 1, |out| put_bytes(out, 1, resource));
    record.copy(2, &mut out, 2);
    record.copy(4, &mut out, 3);
    record.copy(5, &mut out, 4);
    for kind in &record.others {
        let kind = kind.text()?;
        put_message(&mut out, 5, |out| put_text(out, 1, kind));
    }
    record.copy_annotations(&mut out, 6);
    let purpose = pb::entitlement::PurposeValue::from_str_name(&format!("{PURPOSE}{}", record.text(6)?));
    let purpose = purpose.map_or(0, i32::from);
    put_number(&mut out, 7, u64::try_from(purpose).unwrap_or(0));
    record.copy(9, &mut out, 8);
    Ok(out)
}

/// The parts of a `GrantRecord` that its entitlement and its principal do not give.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct GrantExtra {
    /// The id, where it is not made of the entitlement's and the principal's.
    pub(crate) id: Option<String>,
    /// Fields of `PrincipalRef` that name the parent.
    pub(crate) parent: Vec<u8>,
    /// `GrantExpandable`, which is also `GrantExpandableRecord`.
    pub(crate) expansion: Option<Vec<u8>>,
    /// Fields of the record that carry annotations.
    pub(crate) annotations: Vec<u8>,
    /// Sources, and whether they are direct.
    pub(crate) sources: Vec<(String, bool)>,
}

impl GrantExtra {
    /// What a `Grant` says beside its references.
    pub(crate) fn of(data: &[u8], id: Option<&str>, expansion: Option<&[u8]>) -> Result<Self, Malformed> {
        let mut extra = Self {
            id: id.map(str::to_owned),
            expansion: expansion.map(<[u8]>::to_vec),
            ..Self::default()
        };
        for field in fields(data) {
            match field? {
                (2, principal) => {
                    for field in fields(principal.bytes()?) {
                        if let (2, parent) = field? {
                            let (resource_type, id) = texts(parent.bytes()?, 1)?;
                            put_text(&mut extra.parent, 3, resource_type);
                            put_text(&mut extra.parent, 4, id);
                        }
                    }
                }
                (4, annotation) => put_value(&mut extra.annotations, 8, annotation),
                (5, sources) => {
                    for field in fields(sources.bytes()?) {
                        if let (1, entry) = field? {
                            extra.sources.push(source(entry.bytes()?, 1)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(extra)
    }

    /// Nothing beside the references.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As bytes of ours; they only live as long as the sync.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, 1, self.id.as_deref().unwrap_or_default());
        put_bytes(out, 2, &self.parent);
        if let Some(expansion) = &self.expansion {
            put_bytes(out, 3, expansion);
        }
        put_bytes(out, 4, &self.annotations);
        for (id, direct) in &self.sources {
            put_message(out, 5, |out| {
                put_text(out, 1, id);
                put_number(out, 2, u64::from(*direct));
            });
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut extra = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, id) => extra.id = Some(id.text()?.to_owned()),
                (2, parent) => parent.bytes()?.clone_into(&mut extra.parent),
                (3, expansion) => extra.expansion = Some(expansion.bytes()?.to_owned()),
                (4, annotations) => annotations.bytes()?.clone_into(&mut extra.annotations),
                (5, entry) => {
                    let (mut id, mut direct) = ("", false);
                    for field in fields(entry.bytes()?) {
                        match field? {
                            (1, value) => id = value.text()?,
                            (2, value) => direct = value.number()? != 0,
                            _ => {}
                        }
                    }
                    extra.sources.push((id.to_owned(), direct));
                }
                _ => {}
            }
        }
        Ok(extra)
    }
}

/// An entry of a map of sources; `direct` is the number of the flag in its value.
fn source(entry: &[u8], direct: u32) -> Result<(String, bool), Malformed> {
    let (mut id, mut is_direct) = ("", false);
    for field in fields(entry) {
        match field? {
            (1, key) => id = key.text()?,
            (2, value) => {
                for field in fields(value.bytes()?) {
                    let (tag, value) = field?;
                    if tag == direct {
                        is_direct = value.number()? != 0;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((id.to_owned(), is_direct))
}

/// One entry of the sources of a `GrantRecord`. Both fields of the entry are always there.
pub(crate) fn put_source(out: &mut Vec<u8>, id: &str, direct: bool) {
    put_message(out, 9, |out| {
        put_bytes(out, 1, id.as_bytes());
        put_bytes(out, 2, if direct { &[0x20, 1] } else { &[] });
    });
}

/// The annotations of a grant that expansion makes: one empty `GrantImmutable`.
pub(crate) fn immutable_annotation(out: &mut Vec<u8>) {
    put_message(out, 8, |out| {
        put_text(out, 1, "type.googleapis.com/c1.connector.v2.GrantImmutable");
    });
}

/// `EntitlementRef`
pub(crate) fn entitlement_reference(resource_type: &str, resource_id: &str, id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    reference(&mut out, resource_type, resource_id);
    put_text(&mut out, 3, id);
    out
}

/// `GrantRecord` to `Grant`, without `GrantExpandable`, which a v1 reader does not show either.
pub(crate) fn to_grant(record: &[u8]) -> Result<Vec<u8>, Malformed> {
    let record = Collected::of(record, 8, 9)?;
    let mut out = Vec::new();
    let (entitlement, principal) = (record.message(3)?, record.message(4)?);
    let (resource_type, resource_id) = texts(entitlement, 1)?;
    let (_, entitlement_id) = texts(entitlement, 2)?;
    put_message(&mut out, 1, |out| {
        put_message(out, 1, |out| {
            put_message(out, 1, |out| reference(out, resource_type, resource_id));
        });
        put_text(out, 2, entitlement_id);
    });
    let (principal_type, principal_id) = texts(principal, 1)?;
    let (parent_type, parent_id) = texts(principal, 3)?;
    put_message(&mut out, 2, |out| {
        put_message(out, 1, |out| reference(out, principal_type, principal_id));
        if !parent_id.is_empty() {
            put_message(out, 2, |out| reference(out, parent_type, parent_id));
        }
    });
    match record.text(2)? {
        "" => put_text(
            &mut out,
            3,
            &crate::model::grant_id(entitlement_id, principal_type, principal_id),
        ),
        id => put_text(&mut out, 3, id),
    }
    record.copy_annotations(&mut out, 4);
    if !record.others.is_empty() {
        let mut sources = Vec::new();
        for entry in &record.others {
            let (id, direct) = source(entry.bytes()?, 4)?;
            put_message(&mut sources, 1, |out| {
                put_text(out, 1, &id);
                put_message(out, 2, |out| put_number(out, 1, u64::from(direct)));
            });
        }
        put_bytes(&mut out, 5, &sources);
    }
    Ok(out)
}
