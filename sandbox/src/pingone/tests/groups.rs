//! Points 39 to 46, reading.

use super::*;

#[tokio::test(start_paused = true)]
async fn point_39_a_user_filter_computes_members_typed_indirect() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let filter = |direct: &str| format!("memberOfGroups[id eq \"{}\"{direct}]", id("filtered"));
    assert_eq!(bench.users(&filter("")).await, ["lena", "mara"]);
    assert!(bench.users(&filter(" and type eq \"DIRECT\"")).await.is_empty());
    let row = bench
        .get(&format!("/users/{}/memberOfGroups/{}", id("lena"), id("filtered")))
        .await;
    assert_eq!((row.0, row.1["type"].as_str()), (200, Some("INDIRECT")));
    let none = bench
        .get(&format!("/users/{}/memberOfGroups/{}", id("ivo"), id("filtered")))
        .await;
    assert_eq!(none.0, 404);
}

#[tokio::test(start_paused = true)]
async fn point_40_members_of_a_nested_group_are_indirect_in_its_parents() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let body = bench.get(&format!("/users/{}/memberOfGroups", id("lena"))).await.1;
    let rows = body["_embedded"]["groupMemberships"].as_array().unwrap();
    let kind = |label: &str| {
        let row = rows.iter().find(|row| row["id"] == id(label)).unwrap();
        row["type"].as_str().unwrap().to_owned()
    };
    assert_eq!(["low", "mid", "top"].map(kind), ["DIRECT", "INDIRECT", "INDIRECT"]);
    assert_eq!(
        bench.users(&format!("memberOfGroups[id eq \"{}\"]", id("mid"))).await,
        ["ivo", "lena", "mara"]
    );
}

#[tokio::test(start_paused = true)]
async fn point_41_groups_may_be_nested_in_a_ring() {
    let bench = Bench::new(small().build(), |_| {}).await;
    for ring in ["ring-a", "ring-b", "ring-c"] {
        assert_eq!(
            bench.users(&format!("memberOfGroups[id eq \"{}\"]", id(ring))).await,
            ["ivo", "mara"]
        );
    }
    let body = bench.get(&format!("/groups/{}/memberOfGroups", id("low"))).await.1;
    let kinds: Vec<(&str, &str)> = body["_embedded"]["groupMemberships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["type"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [("top", "INDIRECT"), ("mid", "DIRECT")]);
    let rings = Bench::with({
        let mut options = Options::default();
        options.directory.preset = Preset::Rings;
        options
    })
    .await;
    assert_eq!(rings.server.directory().sizes().nestings, 2 * 2 + 3 * 3);
}

#[tokio::test(start_paused = true)]
async fn point_42_members_of_external_groups_are_indirect_or_direct() {
    for (kind, direct) in [(SourceType::Indirect, 0), (SourceType::Direct, 1)] {
        let bench = Bench::new(small().build(), |options| options.groups.external_members = kind).await;
        let filter = format!("memberOfGroups[id eq \"{}\" and type eq \"DIRECT\"]", id("outside"));
        assert_eq!(bench.users(&filter).await.len(), direct);
        let group = bench.get(&format!("/groups/{}", id("outside"))).await.1;
        assert_eq!(group["directMemberCounts"]["users"].as_u64(), Some(direct as u64));
        assert_eq!(group["sourceType"], "GATEWAY");
        assert_eq!(
            bench
                .users(&format!("memberOfGroups[id eq \"{}\"]", id("outside")))
                .await,
            ["ivo"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_45_direct_counts_stand_in_the_list_and_totals_only_on_request() {
    for hidden in [false, true] {
        let bench = Bench::new(small().build(), |options| options.groups.no_direct_counts = hidden).await;
        let body = bench.get("/groups?include=totalMemberCounts").await.1;
        let top = body["_embedded"]["groups"]
            .as_array()
            .unwrap()
            .iter()
            .find(|group| group["name"] == "top")
            .unwrap();
        assert!(top.get("totalMemberCounts").is_none());
        assert_eq!(top.get("directMemberCounts").is_none(), hidden);
        if !hidden {
            assert_eq!(
                (
                    top["directMemberCounts"]["users"].as_u64(),
                    top["directMemberCounts"]["groups"].as_u64()
                ),
                (Some(1), Some(1))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn point_46_group_names_repeat_across_populations() {
    use serde_json::json;
    let twice = small().group("guests-only-2", json!({"name": "guests-only", "population": "staff"}));
    let bench = Bench::new(twice.build(), |_| {}).await;
    let body = bench.filtered("/groups", "name eq \"guests-only\"").await.1;
    assert_eq!(body["count"], 2);
}
