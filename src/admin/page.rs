//! The status as one page: plain HTML without scripts, pictures or anything from elsewhere, for people with and without a
//! screen reader, light and dark.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What the browser may do with the page: nothing but show it.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
    body{max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}caption{text-align:left}\
    th,td{text-align:left;vertical-align:top;padding:.25rem 1rem .25rem 0;border-bottom:1px solid GrayText}\
    dl{display:grid;grid-template-columns:minmax(10rem,max-content) 1fr;gap:.25rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}";

/// The page of a status document.
pub(super) fn html(status: &Map<String, Value>) -> String {
    let is_ready = status.get("ready") == Some(&Value::Bool(true));
    let state = if is_ready { "ready" } else { "not ready" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>baton-ping-one: {state}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1>baton-ping-one is {state}</h1>\n"
    );
    let is_single = |value: &Value| !value.is_object() && !value.is_array();
    let singles: Vec<_> = status.iter().filter(|(_, value)| is_single(value)).collect();
    page.push_str("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n");
    list(singles.into_iter(), &mut page);
    page.push_str("</section>\n");
    for (name, value) in status.iter().filter(|(_, value)| !is_single(value)) {
        section(name, value, &mut page);
    }
    page.push_str(
        "</main>\n<footer><p>The same for programs: <a href=\"/status.json\">/status.json</a>, <a \
         href=\"/metrics\">/metrics</a>, <a href=\"/readyz\">/readyz</a>, <a href=\"/livez\">/livez</a>, <a \
         href=\"/health\">/health</a>. PUT /log-level changes the log level.</p></footer>\n</body>\n</html>\n",
    );
    page
}

fn section(name: &str, value: &Value, page: &mut String) {
    let id = escaped(name);
    writeln!(
        page,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>",
        heading(name)
    )
    .ok();
    match value {
        Value::Array(rows) => table(name, rows, page),
        Value::Object(members) => list(members.iter(), page),
        other => page.push_str(&text(other)),
    }
    page.push_str("</section>\n");
}

fn list<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, page: &mut String) {
    let mut members = members.peekable();
    if members.peek().is_none() {
        return page.push_str("<p>none</p>\n");
    }
    page.push_str("<dl>\n");
    for (name, value) in members {
        writeln!(page, "<dt>{}</dt><dd>{}</dd>", words(name), text(value)).ok();
    }
    page.push_str("</dl>\n");
}

fn table(name: &str, rows: &[Value], page: &mut String) {
    let Some(first) = rows.first().and_then(Value::as_object) else {
        return page.push_str("<p>none</p>\n");
    };
    writeln!(
        page,
        "<table>\n<caption>{} {}</caption>\n<thead><tr>",
        rows.len(),
        words(name)
    )
    .ok();
    for column in first.keys() {
        write!(page, "<th scope=\"col\">{}</th>", words(column)).ok();
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows.iter().filter_map(Value::as_object) {
        page.push_str("<tr>");
        for column in first.keys() {
            write!(page, "<td>{}</td>", text(row.get(column).unwrap_or(&Value::Null))).ok();
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

fn heading(name: &str) -> String {
    let words = words(name);
    match words.split_at_checked(1) {
        Some((first, rest)) => first.to_uppercase() + rest,
        None => words,
    }
}

fn words(name: &str) -> String {
    escaped(&name.replace('_', " "))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => escaped(text),
        Value::Object(members) => {
            let parts: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{} {}", words(name), text(value)))
                .collect();
            parts.join(", ")
        }
        other => escaped(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Names of the elements in the order of their starts, with their attributes; panics where they are not nested.
    fn elements(page: &str) -> Vec<(String, String)> {
        const VOID: [&str; 1] = ["meta"];
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for tag in page.split('<').skip(2) {
            let tag = tag.split('>').next().unwrap();
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "</{name}> closes another element");
                continue;
            }
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            all.push((name.to_owned(), attributes.to_owned()));
            if !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?} stay open");
        all
    }

    #[test]
    fn a_screen_reader_finds_its_way() {
        let status = json!({
            "ready": true, "credentials": {"c1": {"state": "ok"}},
            "recent_tasks": [{"id": "t1", "outcome": "success"}, {"outcome": "error"}], "running_tasks": [],
        });
        let page = html(status.as_object().unwrap());
        let all = elements(&page);
        let count = |name: &str| all.iter().filter(|(found, _)| found == name).count();
        for once in ["html", "title", "h1", "main", "footer"] {
            assert_eq!(count(once), 1, "{once} in {page}");
        }
        assert_eq!(count("section"), count("h2"), "each section has its heading");
        assert_eq!((count("table"), count("caption")), (1, 1));
        assert_eq!(count("th"), 2);
        let columns = all.iter().filter(|(name, _)| name == "th");
        assert!(columns.into_iter().all(|(_, attributes)| attributes == "scope=\"col\""));
        assert!(
            page.contains("<td>–</td><td>error</td>"),
            "a cell stands under its heading: {page}"
        );
        let value = |attributes: &str, name: &str| {
            let (_, rest) = attributes.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        // `labelledby` holds `id` in no part of its name.
        let mut ids: Vec<_> = all
            .iter()
            .filter(|(name, _)| name == "h2")
            .filter_map(|(_, attributes)| value(attributes, "id"))
            .collect();
        let labels: Vec<_> = all
            .iter()
            .filter_map(|(_, attributes)| value(attributes, "aria-labelledby"))
            .collect();
        assert_eq!(labels, ids, "each section is named by its heading");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), labels.len(), "an id stands once");
    }

    #[test]
    fn what_others_wrote_is_text_and_every_list_has_headings() {
        let status = json!({
            "ready": false, "role": "<script>&\"", "credentials": {"c1": {"state": "ok"}},
            "recent_tasks": [{"id": "t1", "outcome": "success"}], "running_tasks": [],
        });
        let page = html(status.as_object().unwrap());
        assert!(page.contains("<dd>&lt;script&gt;&amp;&quot;</dd>"), "{page}");
        for part in [
            "<html lang=\"en\">",
            "<title>baton-ping-one: not ready</title>",
            "<th scope=\"col\">outcome</th>",
            "<h2 id=\"recent_tasks\">Recent tasks</h2>",
            "<dt>c1</dt><dd>state ok</dd>",
            "<p>none</p>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign} is in {page}");
        }
    }
}
