use std::collections::BTreeSet;

use super::*;

const BUILD: BuildInfo = BuildInfo {
    package: "example",
    version: "1.2.3",
    revision: "unknown",
    rustc: "1.95.0",
};

/// All label sets that can arise at once; the ceiling keeps a careless label out.
const SERIES_CEILING: usize = 1500;

fn filled() -> Metrics {
    let metrics = Metrics::new(BUILD, &["sync_full", "grant"]).unwrap();
    metrics.rpc("Hello", "OK", Duration::from_millis(3));
    metrics.task("grant", Outcome::Success, Duration::from_millis(3));
    metrics.sync_objects("user", 7);
    metrics.pingone_request("list_users", "2xx", Duration::from_millis(3));
    metrics.pingone_retry("throttled");
    metrics.observations("members", "reused", 3);
    metrics.activity_gaps("forbidden", 1);
    metrics.c1z_size("c1z", 9);
    metrics.sync_grants("group", 7);
    metrics.sync_warnings("duplicate", 0);
    metrics.environment("e", "eu");
    metrics.pingone_rate("audit", 3.0, 0, Duration::ZERO);
    metrics.credentials_problem("c1", "gone", true);
    metrics.credentials_in_use("c1", "0123abcd", UNIX_EPOCH);
    metrics
}

#[test]
fn the_registry_holds_exactly_the_table() {
    let families = filled().registry.gather();
    let found: BTreeSet<_> = families
        .iter()
        .map(|family| {
            (
                family.name().to_owned(),
                format!("{:?}", family.get_field_type()).to_lowercase(),
                family.help().to_owned(),
            )
        })
        .collect();
    let wanted: BTreeSet<_> = SPECS
        .iter()
        .map(|spec| {
            (
                spec.name.to_owned(),
                spec.kind.as_str().to_owned(),
                spec.help.to_owned(),
            )
        })
        .collect();
    assert_eq!(found, wanted);
    let series: usize = families.iter().map(|family| family.get_metric().len()).sum();
    assert!(series < SERIES_CEILING, "{series}");
}

#[test]
fn names_follow_the_rules() {
    for spec in SPECS {
        assert!(
            spec.name.starts_with(PREFIX) || spec.name.starts_with("process_"),
            "{}",
            spec.name
        );
        assert_eq!(
            spec.name.ends_with("_total"),
            spec.kind == Kind::Counter,
            "{}",
            spec.name
        );
        assert!(spec.help.ends_with('.'), "{}", spec.name);
        if spec.kind == Kind::Histogram {
            assert!(spec.name.ends_with("_seconds"), "{}", spec.name);
        }
    }
}

#[test]
fn the_document_lists_exactly_the_table() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let found: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let wanted: Vec<_> = SPECS
        .iter()
        .map(|spec| {
            let labels: Vec<_> = spec.labels.iter().map(|label| format!("`{label}`")).collect();
            format!(
                "| `{}` | {} | {} | {} |",
                spec.name,
                spec.kind.as_str(),
                labels.join(", "),
                spec.help
            )
        })
        .collect();
    assert_eq!(found, wanted, "docs/metrics.md should be:\n{}", wanted.join("\n"));
}

#[test]
fn one_fingerprint_of_a_side_is_shown_and_an_older_success_is_no_news() {
    let metrics = filled();
    let later = UNIX_EPOCH + Duration::from_secs(9);
    metrics.credentials_in_use("c1", "4567cdef", later);
    metrics.credentials_in_use("pingone", "0123abcd", later);
    metrics.sync_succeeded(later);
    metrics.sync_succeeded(UNIX_EPOCH);
    let text = metrics.render().unwrap();
    assert_eq!(text.matches("credentials_info{").count(), 2, "{text}");
    assert!(text.contains("credentials_info{fingerprint=\"4567cdef\",side=\"c1\"} 1"));
    assert!(text.contains("sync_last_success_timestamp_seconds 9\n"));
}

#[test]
fn counters_exist_before_anything_happened() {
    let metrics = Metrics::new(BUILD, &["sync_full"]).unwrap();
    let text = metrics.render().unwrap();
    for series in [
        "baton_ping_one_tasks_finished_total{kind=\"sync_full\",outcome=\"error\"} 0",
        "baton_ping_one_task_duration_seconds_count{kind=\"sync_full\"} 0",
        "baton_ping_one_heartbeat_failures_total 0",
        "baton_ping_one_sync_answers_total{source=\"snapshot\"} 0",
        "baton_ping_one_session_connected 0",
        "baton_ping_one_pingone_retries_total{reason=\"transient\"} 0",
        "baton_ping_one_sync_shrink_refusals_total 0",
        "baton_ping_one_standby 0",
        "baton_ping_one_unreported_verdicts 0",
    ] {
        assert!(text.contains(series), "{series} is not in\n{text}");
    }
}
