package main

import (
	"database/sql"
	"encoding/binary"
	"os"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
)

// damage turns a good file into one that breaks a single rule of c1z.md §13.2.
type damage struct {
	rule int
	make func(good, target, dir string) error
}

// bytesOf damages the packed file.
func bytesOf(rule int, change func([]byte) []byte) damage {
	return damage{rule, func(good, target, _ string) error {
		raw, err := os.ReadFile(good)
		if err != nil {
			return err
		}
		return os.WriteFile(target, change(raw), 0o600)
	}}
}

// headerOf damages the database's header.
func headerOf(rule int, change func([]byte)) damage {
	return damage{rule, func(good, target, dir string) error {
		path, err := unpackTo(good, dir)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		change(raw)
		return pack(raw, target)
	}}
}

// rowsOf damages rows.
func rowsOf(rule int, change func(*sql.DB) error) damage {
	return damage{rule, func(good, target, dir string) error {
		path, err := unpackTo(good, dir)
		if err != nil {
			return err
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		if err := change(db); err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return pack(raw, target)
	}}
}

func statement(rule int, statements ...string) damage {
	return rowsOf(rule, func(db *sql.DB) error {
		for _, text := range statements {
			result, err := db.Exec(text)
			if err != nil {
				return err
			}
			_ = result
		}
		return nil
	})
}

func unpackTo(good, dir string) (string, error) {
	sub, err := os.MkdirTemp(dir, "damage-")
	if err != nil {
		return "", err
	}
	return unpack(good, sub)
}

func pack(raw []byte, target string) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(4<<20))
	if err != nil {
		return err
	}
	return os.WriteFile(target, append(append([]byte{}, magic...), encoder.EncodeAll(raw, nil)...), 0o600)
}

// changeGrant rewrites the message of the first grant.
func changeGrant(db *sql.DB, change func(*v2.Grant)) error {
	var id int64
	var data []byte
	if err := db.QueryRow("SELECT id, data FROM v1_grants ORDER BY id LIMIT 1").Scan(&id, &data); err != nil {
		return err
	}
	message := &v2.Grant{}
	if err := proto.Unmarshal(data, message); err != nil {
		return err
	}
	change(message)
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	_, err = db.Exec("UPDATE v1_grants SET data = ? WHERE id = ?", data, id)
	return err
}

var damages = map[string]damage{
	"01-magic":     bytesOf(1, func(raw []byte) []byte { raw[0] = 'X'; return raw }),
	"01-truncated": bytesOf(1, func(raw []byte) []byte { return raw[:len(raw)/2] }),
	"01-bit":       bytesOf(1, func(raw []byte) []byte { raw[len(raw)-20] ^= 0x55; return raw }),
	"01-checksum": {1, func(good, target, dir string) error {
		path, err := unpackTo(good, dir)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithWindowSize(4<<20))
		if err != nil {
			return err
		}
		return os.WriteFile(target, append(append([]byte{}, magic...), encoder.EncodeAll(raw, nil)...), 0o600)
	}},
	"02-wal":       headerOf(2, func(raw []byte) { raw[18], raw[19] = 2, 2 }),
	"02-integrity": headerOf(2, func(raw []byte) { size := int(binary.BigEndian.Uint16(raw[16:18])); damagePage(raw, size) }),
	"03-index":     statement(3, "DROP INDEX idx_grants_principal_id_v1"),
	"03-swapped": statement(3, "DROP INDEX idx_resources_external_sync_v1",
		"CREATE INDEX idx_resources_external_sync_v1 ON v1_resources (external_id, sync_id)"),
	"03-table":      statement(3, "CREATE TABLE v1_extra (id INTEGER PRIMARY KEY)"),
	"04-unfinished": statement(4, "UPDATE v1_sync_runs SET ended_at = NULL"),
	"04-actions":    statement(4, `UPDATE v1_sync_runs SET sync_token = '{"actions_map":{"1":{}},"version":1}'`),
	"04-backfill":   statement(4, "UPDATE v1_sync_runs SET grants_backfilled = 0"),
	"04-stats":      statement(4, "UPDATE v1_sync_runs SET stats = json_set(stats, '$.grants', 1)"),
	"05-sync-id":    statement(5, "UPDATE v1_resources SET sync_id = '36zfOAoWMxQdISbixanQCRBiX7E' WHERE id = 1"),
	"05-session": rowsOf(5, func(db *sql.DB) error {
		_, err := db.Exec("INSERT INTO v1_connector_sessions (sync_id, key, value) SELECT sync_id, 'k', 'v' FROM v1_sync_runs")
		return err
	}),
	"06-time":        statement(6, "UPDATE v1_resources SET discovered_at = '2025-12-17T16:31:25Z' WHERE id = 1"),
	"07-column":      statement(7, "UPDATE v1_grants SET principal_resource_id = principal_resource_id || 'x' WHERE id = 1"),
	"07-external-id": statement(7, "UPDATE v1_resources SET external_id = external_id || 'x' WHERE id = 1"),
	"08-empty-blob":  statement(8, "UPDATE v1_grants SET expansion = X'' WHERE id = 1"),
	"08-needs":       statement(8, "UPDATE v1_grants SET needs_expansion = 1, expansion = NULL WHERE id = 1"),
	"08-in-message": rowsOf(8, func(db *sql.DB) error {
		return changeGrant(db, func(grant *v2.Grant) {
			any, _ := anypb.New(&v2.GrantExpandable{EntitlementIds: []string{"group:x:member"}})
			grant.Annotations = append(grant.Annotations, any)
		})
	}),
	"09-no-principal": rowsOf(9, func(db *sql.DB) error {
		return changeGrant(db, func(grant *v2.Grant) { grant.Principal = nil })
	}),
	"10-twice": rowsOf(10, func(db *sql.DB) error {
		var data []byte
		if err := db.QueryRow("SELECT data FROM v1_grants ORDER BY id LIMIT 1").Scan(&data); err != nil {
			return err
		}
		message := &v2.Grant{}
		if err := proto.Unmarshal(data, message); err != nil {
			return err
		}
		message.Id += ":again"
		data, err := proto.Marshal(message)
		if err != nil {
			return err
		}
		_, err = db.Exec("INSERT INTO v1_grants (resource_type_id, resource_id, entitlement_id, principal_resource_type_id, principal_resource_id, "+
			"external_id, expansion, needs_expansion, data, sync_id, discovered_at) SELECT resource_type_id, resource_id, entitlement_id, "+
			"principal_resource_type_id, principal_resource_id, ?, expansion, needs_expansion, ?, sync_id, discovered_at FROM v1_grants ORDER BY id LIMIT 1", message.GetId(), data)
		return err
	}),
	"11-principal": statement(11, "DELETE FROM v1_resources WHERE external_id IN (SELECT principal_resource_type_id || ':' || principal_resource_id FROM v1_grants ORDER BY id LIMIT 1)"),
	"11-type":      statement(11, "DELETE FROM v1_resource_types WHERE external_id = 'user'"),
	// What is converted is another file, which lost a grant: the comparison must see it.
	"12-lost": {12, func(good, target, dir string) error {
		raw, err := os.ReadFile(good)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, raw, 0o600); err != nil {
			return err
		}
		return statement(12, "DELETE FROM v1_grants WHERE id = (SELECT max(id) FROM v1_grants)").make(good, target+convertedSuffix, dir)
	}},
	"13-expansion": rowsOf(13, func(db *sql.DB) error {
		var id int64
		var kind string
		query := "SELECT id, resource_type_id FROM v1_grants WHERE expansion IS NULL AND instr(data, CAST('GrantImmutable' AS BLOB)) > 0 AND " +
			"id > (SELECT max(id) FROM v1_grants WHERE expansion IS NOT NULL) ORDER BY id DESC LIMIT 1"
		if err := db.QueryRow(query).Scan(&id, &kind); err != nil {
			return err
		}
		if _, err := db.Exec("DELETE FROM v1_grants WHERE id = ?", id); err != nil {
			return err
		}
		_, err := db.Exec("UPDATE v1_sync_runs SET stats = json_set(stats, '$.grants', json_extract(stats, '$.grants') - 1, "+
			"'$.grants_by_resource_type.'||?, json_extract(stats, '$.grants_by_resource_type.'||?) - 1)", kind, kind)
		return err
	}),
	"14-claims": bytesOf(14, func(raw []byte) []byte {
		// A frame header that states a terabyte: magic, descriptor with an 8-byte size and a window, then nothing true.
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0x68}
		frame = binary.LittleEndian.AppendUint64(frame, 1<<40)
		return append(append(append([]byte{}, magic...), frame...), raw[len(magic)+14:]...)
	}),
}

func damagePage(raw []byte, size int) {
	if size == 1 {
		size = 65536
	}
	for at := size; at < size+16 && at < len(raw); at++ {
		raw[at] = 0xff
	}
}
