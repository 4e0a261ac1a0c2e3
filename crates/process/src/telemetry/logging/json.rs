//! The JSON record.

use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::writer::Dropped;

/// Longest text of a field.
const VALUE_BYTES: usize = 4096;

pub(super) struct JsonLayer(BoxMakeWriter);

impl JsonLayer {
    pub(super) fn new(writer: BoxMakeWriter) -> Self {
        Self(writer)
    }
}

/// The fields a span has so far.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.put(field, text);
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = match field.name() {
            "message" => "msg",
            name => name,
        };
        let mut value = value.into();
        if let Value::String(text) = &mut value {
            bound(text);
        }
        self.0.insert(name.to_owned(), value);
    }
}

/// Cuts a text that somebody else may have made as long as they like.
fn bound(text: &mut String) {
    if text.len() > VALUE_BYTES {
        let end = (0..=VALUE_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
}

/// The record that tells of dropped ones.
pub(super) fn dropped(dropped: Dropped) -> String {
    let record = serde_json::json!({
        "level": "warn", "ts": timestamp(), "caller": module_path!(),
        "msg": "log records were dropped: they came faster than they were read", "count": dropped.records,
        "audit_lines": dropped.audit,
    });
    format!("{record}\n")
}

impl<S> Layer<S> for JsonLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut record = Map::new();
        record.insert("level".to_owned(), metadata.level().as_str().to_lowercase().into());
        record.insert("ts".to_owned(), timestamp().into());
        // Where another crate's source was when it was built helps nobody; its module does.
        let place = metadata
            .file()
            .filter(|_| super::OURS.iter().any(|name| metadata.target().starts_with(name)));
        let place = place.unwrap_or_else(|| metadata.target());
        let caller = format!("{place}:{}", metadata.line().unwrap_or_default());
        record.insert("caller".to_owned(), caller.into());
        let mut own = Fields::default();
        event.record(&mut own);
        record.insert("msg".to_owned(), own.0.remove("msg").unwrap_or_default());
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(fields) = span.extensions().get::<Fields>() {
                record.extend(fields.0.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        record.extend(own.0);
        let mut line = Value::Object(record).to_string();
        line.push('\n');
        // A log that cannot be written must not stop the program.
        drop(self.0.make_writer_for(metadata).write_all(line.as_bytes()));
    }
}

/// Seconds since the epoch with microseconds.
fn timestamp() -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds since 1970 stay below 2^53 until the year 2255"
    )]
    let micros = jiff::Timestamp::now().as_microsecond() as f64;
    micros / 1e6
}
