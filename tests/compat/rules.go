package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/ksuid"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
)

// ruleError says which rule of c1z.md §13.2 a file breaks.
type ruleError struct {
	rule int
	text string
}

func (e *ruleError) Error() string { return fmt.Sprintf("rule %d: %s", e.rule, e.text) }

func broken(rule int, format string, args ...any) error {
	return &ruleError{rule: rule, text: fmt.Sprintf(format, args...)}
}

func refusedFor(err error, rule int) bool {
	var found *ruleError
	return errors.As(err, &found) && found.rule == rule
}

const decodedMax = 10 << 30

var (
	magic    = []byte("C1ZF\x00")
	datetime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?$`)
)

// unpack checks the container (rules 1 and 14) and writes the database to dir.
func unpack(file, dir string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(raw, magic) {
		return "", broken(1, "the file does not begin with C1ZF")
	}
	tail := raw[len(magic):]
	var header zstd.Header
	if err := header.Decode(tail); err != nil || header.Skippable {
		return "", broken(1, "no zstd frame follows the magic (%v)", err)
	}
	if !header.HasFCS {
		return "", broken(1, "the frame does not state its content size")
	}
	if header.FrameContentSize > decodedMax {
		return "", broken(14, "the frame claims %d bytes", header.FrameContentSize)
	}
	if !header.HasCheckSum {
		return "", broken(1, "the frame has no checksum")
	}
	if header.WindowSize > 8<<20 {
		return "", broken(1, "the window has %d bytes", header.WindowSize)
	}
	decoder, err := zstd.NewReader(bytes.NewReader(tail), zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return "", err
	}
	defer decoder.Close()
	path := filepath.Join(dir, "db")
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	size, err := io.Copy(out, decoder)
	if err != nil {
		return "", broken(1, "the frame does not decode (%v)", err)
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	if uint64(size) != header.FrameContentSize {
		return "", broken(1, "the frame states %d bytes and holds %d", header.FrameContentSize, size)
	}
	return path, nil
}

// checkRules runs rules 1 to 11 and 14.
func checkRules(file, dir string) error {
	path, err := unpack(file, dir)
	if err != nil {
		return err
	}
	if err := checkHeader(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, check := range []func(*sql.DB) error{
		checkIntegrity, checkSchema, checkRun, checkSyncIDs, checkTimes, checkTypes, checkResources, checkEntitlements,
		checkGrants, checkUnique, checkDangling, checkStats, checkExpanded,
	} {
		if err := check(db); err != nil {
			return err
		}
	}
	return nil
}

func checkHeader(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(file, header); err != nil {
		return broken(2, "the database has no header")
	}
	if !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return broken(2, "the content is not a SQLite database")
	}
	if header[18] != 1 || header[19] != 1 {
		return broken(2, "the database is not in rollback mode (%d/%d)", header[18], header[19])
	}
	if encoding := binary.BigEndian.Uint32(header[56:60]); encoding != 1 {
		return broken(2, "the database is not UTF-8 (%d)", encoding)
	}
	return nil
}

func checkIntegrity(db *sql.DB) error {
	var answer string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&answer); err != nil || answer != "ok" {
		return broken(2, "integrity_check says %q (%v)", answer, err)
	}
	return nil
}

var tables = []string{
	"v1_assets", "v1_connector_sessions", "v1_entitlements", "v1_grants", "v1_resource_types", "v1_resources", "v1_sync_runs",
}

// indexes names every index with its table, whether it is unique, and its columns.
var indexes = map[string]string{
	"idx_resource_types_external_sync_v1":        "v1_resource_types unique external_id,sync_id",
	"idx_resources_resource_type_id_v1":          "v1_resources plain resource_type_id",
	"idx_resources_external_sync_v1":             "v1_resources plain parent_resource_type_id,parent_resource_id",
	"idx_resources_parent_resource_id_v1":        "v1_resources unique external_id,sync_id",
	"idx_entitlements_resource_id_v1":            "v1_entitlements plain resource_type_id,resource_id",
	"idx_entitlements_external_sync_v1":          "v1_entitlements unique external_id,sync_id",
	"idx_grants_resource_type_id_resource_id_v1": "v1_grants plain resource_type_id,resource_id",
	"idx_grants_principal_id_v1":                 "v1_grants plain principal_resource_type_id,principal_resource_id",
	"idx_grants_entitlement_id_principal_id_v1":  "v1_grants plain entitlement_id,principal_resource_type_id,principal_resource_id",
	"idx_grants_external_sync_v1":                "v1_grants unique external_id,sync_id",
	"idx_grants_entitlement_sync_grant_v1":       "v1_grants plain entitlement_id,sync_id,id",
	"idx_grants_sync_expansion_v1":               "v1_grants plain sync_id",
	"idx_grants_sync_needs_expansion_v1":         "v1_grants plain sync_id",
	"idx_sync_runs_sync_id_v1":                   "v1_sync_runs unique sync_id",
	"idx_assets_external_sync_v1":                "v1_assets unique external_id,sync_id",
	"idx_session_store_sync_key_v1":              "v1_connector_sessions unique sync_id,key",
}

func checkSchema(db *sql.DB) error {
	found, err := strings1(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return err
	}
	if strings.Join(found, " ") != strings.Join(tables, " ") {
		return broken(3, "the tables are %v", found)
	}
	names, err := strings1(db, "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
	if err != nil {
		return err
	}
	if len(names) != len(indexes) {
		return broken(3, "there are %d indexes: %v", len(names), names)
	}
	for _, name := range names {
		want, known := indexes[name]
		if !known {
			return broken(3, "index %s is not expected", name)
		}
		columns, err := strings1(db, "SELECT name FROM pragma_index_info('"+name+"') ORDER BY seqno")
		if err != nil {
			return err
		}
		var table string
		if err := db.QueryRow("SELECT tbl_name FROM sqlite_master WHERE name = ?", name).Scan(&table); err != nil {
			return err
		}
		var unique int
		if err := db.QueryRow("SELECT \"unique\" FROM pragma_index_list(?) WHERE name = ?", table, name).Scan(&unique); err != nil {
			return err
		}
		kind := map[int]string{0: "plain", 1: "unique"}[unique]
		if got := table + " " + kind + " " + strings.Join(columns, ","); got != want {
			return broken(3, "index %s is %q instead of %q", name, got, want)
		}
	}
	for name, predicate := range map[string]string{
		"idx_grants_sync_expansion_v1":       "expansion IS NOT NULL",
		"idx_grants_sync_needs_expansion_v1": "needs_expansion = 1",
	} {
		var text string
		if err := db.QueryRow("SELECT sql FROM sqlite_master WHERE name = ?", name).Scan(&text); err != nil {
			return err
		}
		if !strings.Contains(text, predicate) {
			return broken(3, "index %s lacks its condition", name)
		}
	}
	return checkColumnTypes(db)
}

func checkColumnTypes(db *sql.DB) error {
	for _, table := range tables {
		rows, err := db.Query("SELECT name, type FROM pragma_table_info('" + table + "') WHERE name LIKE '%_at'")
		if err != nil {
			return err
		}
		for rows.Next() {
			var name, kind string
			if err := rows.Scan(&name, &kind); err != nil {
				return err
			}
			if !strings.EqualFold(kind, "datetime") {
				rows.Close()
				return broken(3, "%s.%s is declared %s", table, name, kind)
			}
		}
		rows.Close()
	}
	return nil
}

type run struct {
	id, started, token, kind, parent, linked, generation, coverage, mode string
	ended, stats                                                         sql.NullString
	diff, backfilled                                                     int
}

func readRun(db *sql.DB) (run, error) {
	var r run
	var count int
	if err := db.QueryRow("SELECT count(*) FROM v1_sync_runs").Scan(&count); err != nil {
		return r, err
	}
	if count != 1 {
		return r, broken(4, "there are %d syncs", count)
	}
	err := db.QueryRow("SELECT sync_id, CAST(started_at AS TEXT), CAST(ended_at AS TEXT), sync_token, sync_type, parent_sync_id, linked_sync_id, "+
		"supports_diff, grants_backfilled, stats, ingest_invariant_generation, ingest_invariant_coverage, ingest_invariant_mode FROM v1_sync_runs").
		Scan(&r.id, &r.started, &r.ended, &r.token, &r.kind, &r.parent, &r.linked, &r.diff, &r.backfilled, &r.stats, &r.generation, &r.coverage, &r.mode)
	return r, err
}

func checkRun(db *sql.DB) error {
	r, err := readRun(db)
	if err != nil {
		return err
	}
	if _, err := ksuid.Parse(r.id); err != nil || len(r.id) != 27 {
		return broken(4, "the sync id is no KSUID")
	}
	if !r.ended.Valid || r.ended.String < r.started {
		return broken(4, "the sync has not ended after it began")
	}
	want := map[string]int{"full": 1, "partial": 0, "resources_only": 0}
	diff, known := want[r.kind]
	if !known {
		return broken(4, "the sync type is %s", r.kind)
	}
	if r.diff != diff || r.backfilled != 1 || r.parent != "" || r.linked != "" {
		return broken(4, "supports_diff %d, grants_backfilled %d, parent %q, linked %q", r.diff, r.backfilled, r.parent, r.linked)
	}
	var token map[string]any
	if err := json.Unmarshal([]byte(r.token), &token); err != nil {
		return broken(4, "the token is not JSON")
	}
	for _, key := range []string{"actions_map", "action_order", "actions", "current_action"} {
		if _, there := token[key]; there {
			return broken(4, "the token has %s", key)
		}
	}
	var coverage []string
	if r.generation != "1" || r.mode != "connector" || json.Unmarshal([]byte(r.coverage), &coverage) != nil || len(coverage) < 2 {
		return broken(4, "the invariant marker is %q %q %q", r.generation, r.coverage, r.mode)
	}
	return nil
}

func checkSyncIDs(db *sql.DB) error {
	r, err := readRun(db)
	if err != nil {
		return err
	}
	for _, table := range tables {
		var count int
		if err := db.QueryRow("SELECT count(*) FROM "+table+" WHERE sync_id <> ?", r.id).Scan(&count); err != nil {
			return err
		}
		if count > 0 {
			return broken(5, "%d rows of %s belong to another sync", count, table)
		}
	}
	var sessions int
	if err := db.QueryRow("SELECT count(*) FROM v1_connector_sessions").Scan(&sessions); err != nil {
		return err
	}
	if sessions > 0 {
		return broken(5, "%d session rows are left", sessions)
	}
	return nil
}

func checkTimes(db *sql.DB) error {
	columns := map[string][]string{
		"v1_resource_types": {"discovered_at"}, "v1_resources": {"discovered_at"}, "v1_entitlements": {"discovered_at"},
		"v1_grants": {"discovered_at"}, "v1_assets": {"discovered_at"}, "v1_sync_runs": {"started_at", "ended_at"},
	}
	for table, names := range columns {
		for _, name := range names {
			rows, err := db.Query(fmt.Sprintf("SELECT DISTINCT typeof(%[1]s), CAST(%[1]s AS TEXT) FROM %[2]s", name, table))
			if err != nil {
				return err
			}
			for rows.Next() {
				var kind, text string
				if err := rows.Scan(&kind, &text); err != nil {
					rows.Close()
					return err
				}
				if kind != "text" || !datetime.MatchString(text) {
					rows.Close()
					return broken(6, "%s.%s holds %s %q", table, name, kind, text)
				}
			}
			rows.Close()
		}
	}
	return nil
}

func checkTypes(db *sql.DB) error {
	return eachRow(db, "SELECT external_id, data FROM v1_resource_types", func(scan func(...any) error) error {
		var id string
		var data []byte
		if err := scan(&id, &data); err != nil {
			return err
		}
		message := &v2.ResourceType{}
		if err := proto.Unmarshal(data, message); err != nil || message.GetId() != id {
			return broken(7, "resource type %s says %s in its message (%v)", id, message.GetId(), err)
		}
		return nil
	})
}

func checkResources(db *sql.DB) error {
	query := "SELECT resource_type_id, external_id, parent_resource_type_id, parent_resource_id, data FROM v1_resources"
	return eachRow(db, query, func(scan func(...any) error) error {
		var kind, external string
		var parentKind, parent sql.NullString
		var data []byte
		if err := scan(&kind, &external, &parentKind, &parent, &data); err != nil {
			return err
		}
		message := &v2.Resource{}
		if err := proto.Unmarshal(data, message); err != nil {
			return broken(7, "resource %s does not decode", external)
		}
		id := message.GetId()
		if id.GetResourceType() != kind || external != kind+":"+id.GetResource() {
			return broken(7, "resource %s says %s:%s in its message", external, id.GetResourceType(), id.GetResource())
		}
		up := message.GetParentResourceId()
		if up.GetResourceType() != parentKind.String || up.GetResource() != parent.String || parentKind.Valid != (up != nil) {
			return broken(7, "resource %s has another parent in its message", external)
		}
		return nil
	})
}

func checkEntitlements(db *sql.DB) error {
	query := "SELECT resource_type_id, resource_id, external_id, data FROM v1_entitlements"
	return eachRow(db, query, func(scan func(...any) error) error {
		var kind, resource, external string
		var data []byte
		if err := scan(&kind, &resource, &external, &data); err != nil {
			return err
		}
		message := &v2.Entitlement{}
		if err := proto.Unmarshal(data, message); err != nil {
			return broken(7, "entitlement %s does not decode", external)
		}
		id := message.GetResource().GetId()
		if message.GetId() != external || id.GetResourceType() != kind || id.GetResource() != resource {
			return broken(7, "entitlement %s says %s on %s:%s in its message", external, message.GetId(), id.GetResourceType(), id.GetResource())
		}
		return nil
	})
}

func checkGrants(db *sql.DB) error {
	query := "SELECT resource_type_id, resource_id, entitlement_id, principal_resource_type_id, principal_resource_id, external_id, " +
		"expansion, typeof(expansion), needs_expansion, data FROM v1_grants"
	return eachRow(db, query, func(scan func(...any) error) error {
		var kind, resource, entitlement, principalKind, principal, external, expansionType string
		var expansion, data []byte
		var needs int
		if err := scan(&kind, &resource, &entitlement, &principalKind, &principal, &external, &expansion, &expansionType, &needs, &data); err != nil {
			return err
		}
		message := &v2.Grant{}
		if err := proto.Unmarshal(data, message); err != nil {
			return broken(7, "grant %s does not decode", external)
		}
		on, who := message.GetEntitlement().GetResource().GetId(), message.GetPrincipal().GetId()
		for _, part := range []string{
			message.GetId(), message.GetEntitlement().GetId(), on.GetResourceType(), on.GetResource(), who.GetResourceType(), who.GetResource(),
		} {
			if part == "" {
				return broken(9, "grant %s lacks a reference in its message", external)
			}
		}
		if message.GetId() != external || message.GetEntitlement().GetId() != entitlement || on.GetResourceType() != kind ||
			on.GetResource() != resource || who.GetResourceType() != principalKind || who.GetResource() != principal {
			return broken(7, "grant %s says something else in its message", external)
		}
		for _, annotation := range message.GetAnnotations() {
			if annotation.MessageIs(&v2.GrantExpandable{}) {
				return broken(8, "grant %s carries GrantExpandable in its message", external)
			}
		}
		return checkExpansion(external, expansionType, expansion, needs)
	})
}

func checkExpansion(external, kind string, expansion []byte, needs int) error {
	if kind == "null" {
		if needs != 0 {
			return broken(8, "grant %s needs expansion and has none", external)
		}
		return nil
	}
	message := &v2.GrantExpandable{}
	if len(expansion) == 0 || needs != 1 {
		return broken(8, "grant %s has %d bytes of expansion and needs_expansion %d", external, len(expansion), needs)
	}
	if err := proto.Unmarshal(expansion, message); err != nil || message.Validate() != nil {
		return broken(8, "the expansion of grant %s is not valid", external)
	}
	return nil
}

func checkUnique(db *sql.DB) error {
	var twice int
	err := db.QueryRow("SELECT count(*) FROM (SELECT 1 FROM v1_grants GROUP BY entitlement_id, principal_resource_type_id, " +
		"principal_resource_id HAVING count(*) > 1)").Scan(&twice)
	if err != nil {
		return err
	}
	if twice > 0 {
		return broken(10, "%d principals hold an entitlement twice", twice)
	}
	return nil
}

// checkDangling: I7, I3, I8, I9 and the rules on stored types. A partial sync holds only a part of what it names.
func checkDangling(db *sql.DB) error {
	r, err := readRun(db)
	if err != nil {
		return err
	}
	if r.kind != "full" {
		return nil
	}
	for what, query := range map[string]string{
		"entitlement's resource": "SELECT count(*) FROM v1_entitlements e WHERE NOT EXISTS (SELECT 1 FROM v1_resources r WHERE r.external_id = e.resource_type_id || ':' || e.resource_id)",
		"grant's resource":       "SELECT count(*) FROM v1_grants g WHERE NOT EXISTS (SELECT 1 FROM v1_resources r WHERE r.external_id = g.resource_type_id || ':' || g.resource_id)",
		"grant's entitlement":    "SELECT count(*) FROM v1_grants g WHERE NOT EXISTS (SELECT 1 FROM v1_entitlements e WHERE e.external_id = g.entitlement_id)",
		"grant's principal":      "SELECT count(*) FROM v1_grants g WHERE NOT EXISTS (SELECT 1 FROM v1_resources r WHERE r.external_id = g.principal_resource_type_id || ':' || g.principal_resource_id)",
		"resource's type":        "SELECT count(*) FROM v1_resources r WHERE NOT EXISTS (SELECT 1 FROM v1_resource_types t WHERE t.external_id = r.resource_type_id)",
	} {
		var count int
		if err := db.QueryRow(query).Scan(&count); err != nil {
			return err
		}
		if count > 0 {
			return broken(11, "%d times the %s is missing", count, what)
		}
	}
	return nil
}

func checkStats(db *sql.DB) error {
	r, err := readRun(db)
	if err != nil {
		return err
	}
	var stats struct {
		ResourceTypes int64            `json:"resource_types"`
		Resources     int64            `json:"resources"`
		Entitlements  int64            `json:"entitlements"`
		Grants        int64            `json:"grants"`
		ByType        map[string]int64 `json:"resources_by_resource_type"`
		GrantsByType  map[string]int64 `json:"grants_by_resource_type"`
	}
	if !r.stats.Valid || json.Unmarshal([]byte(r.stats.String), &stats) != nil || stats.ResourceTypes == 0 {
		return broken(4, "the stats do not parse or hold no types")
	}
	for table, want := range map[string]int64{
		"v1_resource_types": stats.ResourceTypes, "v1_resources": stats.Resources, "v1_entitlements": stats.Entitlements, "v1_grants": stats.Grants,
	} {
		var count int64
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&count); err != nil {
			return err
		}
		if count != want {
			return broken(4, "the stats count %d rows of %s, there are %d", want, table, count)
		}
	}
	for query, counts := range map[string]map[string]int64{
		"SELECT t.external_id, (SELECT count(*) FROM v1_resources r WHERE r.resource_type_id = t.external_id) FROM v1_resource_types t": stats.ByType,
		"SELECT resource_type_id, count(*) FROM v1_grants GROUP BY resource_type_id":                                                    stats.GrantsByType,
	} {
		err := eachRow(db, query, func(scan func(...any) error) error {
			var kind string
			var count int64
			if err := scan(&kind, &count); err != nil {
				return err
			}
			if got, there := counts[kind]; !there || got != count {
				return broken(4, "the stats count %d of type %s, there are %d", got, kind, count)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func eachRow(db *sql.DB, query string, each func(scan func(...any) error) error) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func strings1(db *sql.DB, query string) ([]string, error) {
	var found []string
	err := eachRow(db, query, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		found = append(found, text)
		return nil
	})
	return found, err
}

// checkExpanded is rule 13: where expansion ran, running it again adds nothing. Every user who holds a source
// entitlement also holds the destination, with that source among its sources; edges inside a ring carry nothing.
func checkExpanded(db *sql.DB) error {
	r, err := readRun(db)
	if err != nil {
		return err
	}
	var token struct {
		NeedsExpansion bool `json:"needs_expansion"`
	}
	if json.Unmarshal([]byte(r.token), &token) != nil || !token.NeedsExpansion {
		return nil
	}
	edges := map[string]map[string]bool{}
	err = eachRow(db, "SELECT entitlement_id, expansion FROM v1_grants WHERE expansion IS NOT NULL", func(scan func(...any) error) error {
		var destination string
		var expansion []byte
		if err := scan(&destination, &expansion); err != nil {
			return err
		}
		message := &v2.GrantExpandable{}
		if err := proto.Unmarshal(expansion, message); err != nil {
			return err
		}
		for _, source := range message.GetEntitlementIds() {
			if edges[source] == nil {
				edges[source] = map[string]bool{}
			}
			edges[source][destination] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for source, destinations := range edges {
		for destination := range destinations {
			if reaches(edges, destination, source) {
				continue
			}
			if err := checkEdge(db, source, destination); err != nil {
				return err
			}
		}
	}
	return nil
}

func reaches(edges map[string]map[string]bool, from, to string) bool {
	seen, open := map[string]bool{from: true}, []string{from}
	for len(open) > 0 {
		next := open[len(open)-1]
		open = open[:len(open)-1]
		if next == to {
			return true
		}
		for following := range edges[next] {
			if !seen[following] {
				seen[following] = true
				open = append(open, following)
			}
		}
	}
	return false
}

func checkEdge(db *sql.DB, source, destination string) error {
	holders := map[string]bool{}
	query := "SELECT principal_resource_id, data FROM v1_grants WHERE principal_resource_type_id = 'user' AND entitlement_id = "
	err := eachRow(db, query+"'"+strings.ReplaceAll(destination, "'", "''")+"'", func(scan func(...any) error) error {
		var principal string
		var data []byte
		if err := scan(&principal, &data); err != nil {
			return err
		}
		message := &v2.Grant{}
		if err := proto.Unmarshal(data, message); err != nil {
			return err
		}
		_, holders[principal] = message.GetSources().GetSources()[source]
		return nil
	})
	if err != nil {
		return err
	}
	return eachRow(db, query+"'"+strings.ReplaceAll(source, "'", "''")+"'", func(scan func(...any) error) error {
		var principal string
		var data []byte
		if err := scan(&principal, &data); err != nil {
			return err
		}
		if !holders[principal] {
			return broken(13, "user %s holds %s and does not hold %s through it", principal, source, destination)
		}
		return nil
	})
}
