//! The compiled descriptors against the table that the .proto files were written from, row by row and both ways.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

use std::collections::BTreeSet;
use std::path::Path;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// A row: message, enum or service; its full name; the member; its number; its type.
type Row = (String, String, String, String, String);

fn table(text: &str, files: &BTreeSet<String>) -> BTreeSet<Row> {
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| files.contains(columns[7]) && columns[3] != "(message options)")
        .map(|columns| {
            let cell = |at: usize| columns[at].to_owned();
            (cell(1), cell(2), cell(3), cell(4), cell(5))
        })
        .collect()
}

fn rows(set: &FileDescriptorSet) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for file in set
        .file
        .iter()
        .filter(|file| !file.name().starts_with("google/protobuf/"))
    {
        for message in &file.message_type {
            message_rows(message, file.package(), &mut rows);
        }
        for item in &file.enum_type {
            enum_rows(item, file.package(), &mut rows);
        }
        service_rows(file, &mut rows);
    }
    rows
}

fn message_rows(message: &DescriptorProto, scope: &str, rows: &mut BTreeSet<Row>) {
    let name = format!("{scope}.{}", message.name());
    let row = |member: &str, number: String, kind: String| {
        ("message".to_owned(), name.clone(), member.to_owned(), number, kind)
    };
    let has_nested = message.nested_type.iter().any(|nested| !is_map_entry(nested)) || !message.enum_type.is_empty();
    if message.field.is_empty() && !has_nested {
        rows.insert(row("", String::new(), "(no fields)".to_owned()));
    }
    for field in &message.field {
        rows.insert(row(
            field.name(),
            field.number().to_string(),
            field_type(field, message),
        ));
    }
    for nested in message.nested_type.iter().filter(|nested| !is_map_entry(nested)) {
        message_rows(nested, &name, rows);
    }
    for item in &message.enum_type {
        enum_rows(item, &name, rows);
    }
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(prost_types::MessageOptions::map_entry)
}

fn enum_rows(item: &EnumDescriptorProto, scope: &str, rows: &mut BTreeSet<Row>) {
    for value in &item.value {
        rows.insert((
            "enum".to_owned(),
            format!("{scope}.{}", item.name()),
            value.name().to_owned(),
            value.number().to_string(),
            "enum value".to_owned(),
        ));
    }
}

fn service_rows(file: &FileDescriptorProto, rows: &mut BTreeSet<Row>) {
    for service in &file.service {
        for method in &service.method {
            let kind = match (method.client_streaming(), method.server_streaming()) {
                (false, false) => "unary",
                (true, false) => "client-streaming",
                (false, true) => "server-streaming",
                (true, true) => "bidi",
            };
            let part = |stream: bool, name: &str| format!("{}{}", if stream { "stream " } else { "" }, &name[1..]);
            let kind = format!(
                "{kind}: {} -> {}",
                part(method.client_streaming(), method.input_type()),
                part(method.server_streaming(), method.output_type())
            );
            let name = format!("{}.{}", file.package(), service.name());
            rows.insert((
                "service".to_owned(),
                name,
                method.name().to_owned(),
                String::new(),
                kind,
            ));
        }
    }
}

fn scalar(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name()[1..].to_owned(),
        other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn field_type(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let entry = message
        .nested_type
        .iter()
        .find(|nested| is_map_entry(nested) && field.type_name().rsplit('.').next() == Some(nested.name()));
    if let Some(entry) = entry {
        return format!("map<{}, {}>", scalar(&entry.field[0]), scalar(&entry.field[1]));
    }
    if field.label() == Label::Repeated {
        return format!("repeated {}", scalar(field));
    }
    if field.proto3_optional() {
        return format!("optional {}", scalar(field));
    }
    match field
        .oneof_index
        .and_then(|index| message.oneof_decl.get(usize::try_from(index).unwrap()))
    {
        Some(oneof) => format!("{} [oneof:{}]", scalar(field), oneof.name()),
        None => scalar(field),
    }
}

fn load() -> (FileDescriptorSet, BTreeSet<Row>) {
    use prost::Message;
    let set = FileDescriptorSet::decode(baton::proto::FILE_DESCRIPTOR_SET).unwrap();
    let files = set.file.iter().map(|file| file.name().to_owned()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/proto-fields.tsv");
    let expected = table(&std::fs::read_to_string(path).unwrap(), &files);
    (set, expected)
}

#[test]
fn every_row_of_the_table_is_compiled_and_nothing_else() {
    let (set, expected) = load();
    let found = rows(&set);
    assert!(expected.len() > 1_000, "{} rows", expected.len());
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}\nextra {extra:#?}"
    );
}

#[test]
fn everything_that_the_project_needs_is_among_them() {
    let (_, expected) = load();
    for name in [
        "c1.connectorapi.baton.v1.BatonService",
        "c1.connectorapi.baton.v1.Task",
        "c1.connector.v2.Resource",
        "c1.connector.v2.UserTrait",
        "c1.connector.v2.ScopeBindingTrait",
        "c1.connector.v2.GrantExpandable",
        "c1.connector.v2.ConnectorMetadata",
        "c1.connector.v2.ConnectorCapabilities",
        "c1.connector.v2.CredentialOptions",
        "c1.connector.v2.EncryptedData",
        "c1.connector.v2.BatonActionSchema",
        "c1.connector.v2.Event",
        "c1.connector.v2.RateLimitDescription",
        "c1.config.v1.Configuration",
        "google.rpc.Status",
    ] {
        assert!(expected.iter().any(|row| row.1 == name), "{name}");
    }
}

#[test]
fn a_changed_number_type_or_name_is_seen() {
    let (set, expected) = load();
    let change = |change: &dyn Fn(&mut FieldDescriptorProto)| {
        let mut set = set.clone();
        let file = set
            .file
            .iter_mut()
            .find(|file| file.name() == "c1/connector/v2/grant.proto")
            .unwrap();
        let message = file
            .message_type
            .iter_mut()
            .find(|message| message.name() == "Grant")
            .unwrap();
        change(&mut message.field[0]);
        rows(&set)
    };
    assert_ne!(change(&|field| field.number = Some(99)), expected);
    assert_ne!(change(&|field| field.name = Some("other".to_owned())), expected);
    assert_ne!(change(&|field| field.label = Some(Label::Repeated.into())), expected);
    assert_ne!(change(&|field| field.r#type = Some(Type::String.into())), expected);
    assert_eq!(change(&|_| {}), expected);
}
