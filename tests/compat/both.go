package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	reader "github.com/conductorone/baton-sdk/pb/c1/reader/v2"
	"github.com/conductorone/baton-sdk/pkg/connectorstore"
	"github.com/conductorone/baton-sdk/pkg/dotc1z"
	"github.com/conductorone/baton-sdk/pkg/dotc1z/c1zstore"
	"github.com/conductorone/baton-sdk/pkg/synccompactor"
)

// The same directory in both engines: NAME.sqlite.c1z and NAME.pebble.c1z.
const (
	sqliteSuffix = ".sqlite.c1z"
	pebbleSuffix = ".pebble.c1z"
)

// compareBoth holds every pair in dir against each other by every read call, and merges neighbours with the SDK's
// compactor: two of ours, one of ours with one of Go's, and in every mode.
func compareBoth(ctx context.Context, dir string) int {
	files, err := filepath.Glob(filepath.Join(dir, "*"+sqliteSuffix))
	if err != nil || len(files) == 0 {
		fmt.Printf("FAIL no pairs in %s (%v)\n", dir, err)
		return 1
	}
	sort.Strings(files)
	failed, calls, merged := 0, 0, 0
	for at, file := range files {
		name := strings.TrimSuffix(file, sqliteSuffix)
		count, err := comparePair(ctx, name)
		calls += count
		if err == nil && at%mergeEvery == 1 {
			before := strings.TrimSuffix(files[at-1], sqliteSuffix)
			err = compareMerged(ctx, before, name)
			merged++
		}
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", filepath.Base(name), err)
		}
	}
	fmt.Printf("%d directories in both engines, %d answers compared, %d pairs merged in %d ways each, %d differ\n",
		len(files), calls, merged, len(merges), failed)
	return failed
}

// mergeEvery says how many pairs go by until two are merged: a merge takes a second.
const mergeEvery = 8

// answers are messages by the call that gave them, each list sorted: v1 lists in insertion order, v3 in key order.
type answers map[string][]string

func (a answers) add(call string, messages ...proto.Message) error {
	for _, message := range messages {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			return err
		}
		a[call] = append(a[call], string(raw))
	}
	if _, there := a[call]; !there {
		a[call] = nil
	}
	return nil
}

func (a answers) compare(other answers) (int, error) {
	count := 0
	for call, one := range a {
		two, there := other[call]
		if !there || len(one) != len(two) {
			return count, fmt.Errorf("%s: %d messages in v1, %d in v3", call, len(one), len(two))
		}
		sort.Strings(one)
		sort.Strings(two)
		for at := range one {
			if one[at] != two[at] {
				return count, fmt.Errorf("%s: v1 %q, v3 %q", call, one[at], two[at])
			}
		}
		count++
	}
	if len(a) != len(other) {
		return count, fmt.Errorf("%d calls answered by v1, %d by v3", len(a), len(other))
	}
	return count, nil
}

func comparePair(ctx context.Context, name string) (int, error) {
	count := 0
	for _, size := range []uint32{1, 2, 10000} {
		one, err := ask(ctx, name+sqliteSuffix, size)
		if err != nil {
			return count, fmt.Errorf("v1: %w", err)
		}
		two, err := ask(ctx, name+pebbleSuffix, size)
		if err != nil {
			return count, fmt.Errorf("v3: %w", err)
		}
		calls, err := one.compare(two)
		count += calls
		if err != nil {
			return count, fmt.Errorf("pages of %d: %w", size, err)
		}
	}
	return count, nil
}

// What a v3 file does not keep of embedded objects is left out on both sides (c1z-v3.md §8).
func plainEntitlement(item *v2.Entitlement) *v2.Entitlement {
	item = proto.Clone(item).(*v2.Entitlement)
	item.SetResource(v2.Resource_builder{Id: item.GetResource().GetId()}.Build())
	for at, kind := range item.GetGrantableTo() {
		item.GetGrantableTo()[at] = v2.ResourceType_builder{Id: kind.GetId()}.Build()
	}
	return item
}

func plainGrant(item *v2.Grant) *v2.Grant {
	item = proto.Clone(item).(*v2.Grant)
	entitlement, principal := item.GetEntitlement(), item.GetPrincipal()
	item.SetEntitlement(v2.Entitlement_builder{
		Id: entitlement.GetId(), Resource: v2.Resource_builder{Id: entitlement.GetResource().GetId()}.Build(),
	}.Build())
	item.SetPrincipal(v2.Resource_builder{Id: principal.GetId(), ParentResourceId: principal.GetParentResourceId()}.Build())
	kept := item.GetAnnotations()[:0]
	for _, annotation := range item.GetAnnotations() {
		if !annotation.MessageIs(&v2.GrantExpandable{}) {
			kept = append(kept, annotation)
		}
	}
	item.SetAnnotations(kept)
	return item
}

// asker collects what a file answers.
type asker struct {
	ctx     context.Context
	store   c1zstore.Store
	size    uint32
	answers answers
}

// ask puts every list and get call to a file, with pages of this size.
func ask(ctx context.Context, file string, size uint32) (answers, error) {
	store, _, err := open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer store.Close(ctx)
	a := &asker{ctx, store, size, answers{}}
	resources, err := a.resources()
	if err != nil {
		return nil, err
	}
	entitlements, err := a.entitlements(resources)
	if err != nil {
		return nil, err
	}
	grants, err := a.grants(resources, entitlements)
	if err != nil {
		return nil, err
	}
	v1, err := isV1(file)
	if err != nil {
		return nil, err
	}
	for _, more := range []func() error{
		func() error { return a.byId(resources, entitlements, grants) },
		func() error { return a.byIds(resources, entitlements) },
		func() error { return a.ofMany(entitlements, grants) },
		func() error { return a.byType(grants, v1) },
		func() error { return a.streams(resources, entitlements, grants) },
		func() error { return a.onResources(resources) },
		a.expansion,
		a.runs,
	} {
		if err := more(); err != nil {
			return nil, err
		}
	}
	return a.answers, nil
}

func (a *asker) resources() ([]*v2.Resource, error) {
	var all []*v2.Resource
	list := func(call, kind string, parent *v2.ResourceId) error {
		return pages(func(token string) (string, error) {
			request := &v2.ResourcesServiceListResourcesRequest{ResourceTypeId: kind, ParentResourceId: parent, PageSize: a.size, PageToken: token}
			answer, err := a.store.ListResources(a.ctx, request)
			if err != nil {
				return "", fmt.Errorf("%s: %w", call, err)
			}
			for _, item := range answer.GetList() {
				if call == "resources" {
					all = append(all, item)
				}
				if err := a.answers.add(call, item); err != nil {
					return "", err
				}
			}
			return answer.GetNextPageToken(), a.answers.add(call)
		})
	}
	if err := list("resources", "", nil); err != nil {
		return nil, err
	}
	err := pages(func(token string) (string, error) {
		answer, err := a.store.ListResourceTypes(a.ctx, &v2.ResourceTypesServiceListResourceTypesRequest{PageSize: a.size, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, kind := range answer.GetList() {
			if err := a.answers.add("types", kind); err != nil {
				return "", err
			}
			one, err := a.store.GetResourceType(a.ctx, &reader.ResourceTypesReaderServiceGetResourceTypeRequest{ResourceTypeId: kind.GetId()})
			if err != nil {
				return "", err
			}
			if err := a.answers.add("type "+kind.GetId(), one.GetResourceType()); err != nil {
				return "", err
			}
			if err := list("resources of "+kind.GetId(), kind.GetId(), nil); err != nil {
				return "", err
			}
		}
		return answer.GetNextPageToken(), nil
	})
	if err != nil {
		return nil, err
	}
	for _, parent := range all {
		if err := list("children of "+resourceKey(parent.GetId()), "", parent.GetId()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (a *asker) entitlements(resources []*v2.Resource) ([]*v2.Entitlement, error) {
	var all []*v2.Entitlement
	list := func(call string, on *v2.Resource) error {
		return pages(func(token string) (string, error) {
			answer, err := a.store.ListEntitlements(a.ctx, &v2.EntitlementsServiceListEntitlementsRequest{Resource: on, PageSize: a.size, PageToken: token})
			if err != nil {
				return "", fmt.Errorf("%s: %w", call, err)
			}
			for _, item := range answer.GetList() {
				if on == nil {
					all = append(all, item)
				}
				if err := a.answers.add(call, plainEntitlement(item)); err != nil {
					return "", err
				}
			}
			return answer.GetNextPageToken(), a.answers.add(call)
		})
	}
	if err := list("entitlements", nil); err != nil {
		return nil, err
	}
	for _, resource := range resources {
		if err := list("entitlements of "+resourceKey(resource.GetId()), resource); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// listed is an answer with grants.
type listed interface {
	GetList() []*v2.Grant
	GetNextPageToken() string
}

func (a *asker) grantPages(call string, each func(*v2.Grant), next func(token string) (listed, error)) error {
	return pages(func(token string) (string, error) {
		answer, err := next(token)
		if err != nil {
			return "", fmt.Errorf("%s: %w", call, err)
		}
		for _, item := range answer.GetList() {
			if each != nil {
				each(item)
			}
			if err := a.answers.add(call, plainGrant(item)); err != nil {
				return "", err
			}
		}
		return answer.GetNextPageToken(), a.answers.add(call)
	})
}

func (a *asker) grants(resources []*v2.Resource, entitlements []*v2.Entitlement) ([]*v2.Grant, error) {
	var all []*v2.Grant
	err := a.grantPages("grants", func(item *v2.Grant) { all = append(all, item) }, func(token string) (listed, error) {
		return a.store.ListGrants(a.ctx, &v2.GrantsServiceListGrantsRequest{PageSize: a.size, PageToken: token})
	})
	if err != nil {
		return nil, err
	}
	principals := map[string]*v2.ResourceId{}
	for _, grant := range all {
		principals[resourceKey(grant.GetPrincipal().GetId())] = grant.GetPrincipal().GetId()
	}
	for _, resource := range resources {
		key := resourceKey(resource.GetId())
		principals[key] = resource.GetId()
		err := a.grantPages("grants on "+key, nil, func(token string) (listed, error) {
			return a.store.ListGrants(a.ctx, &v2.GrantsServiceListGrantsRequest{Resource: resource, PageSize: a.size, PageToken: token})
		})
		if err != nil {
			return nil, err
		}
	}
	for key, principal := range principals {
		err := a.grantPages("grants for "+key, nil, func(token string) (listed, error) {
			return a.store.ListGrantsForPrincipal(a.ctx, &reader.GrantsReaderServiceListGrantsForPrincipalRequest{
				PrincipalId: principal, PageSize: a.size, PageToken: token,
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return all, a.grantsOf(entitlements, principals)
}

func (a *asker) grantsOf(entitlements []*v2.Entitlement, principals map[string]*v2.ResourceId) error {
	for _, entitlement := range entitlements {
		id := entitlement.GetId()
		ways := map[string]*reader.GrantsReaderServiceListGrantsForEntitlementRequest{
			"full":  {Entitlement: entitlement},
			"bare":  {Entitlement: &v2.Entitlement{Id: id}},
			"users": {Entitlement: entitlement, PrincipalResourceTypeIds: []string{"user"}},
		}
		for key, principal := range principals {
			ways["to "+key] = &reader.GrantsReaderServiceListGrantsForEntitlementRequest{Entitlement: entitlement, PrincipalId: principal}
		}
		for way, request := range ways {
			err := a.grantPages("grants of "+id+" "+way, nil, func(token string) (listed, error) {
				request.PageSize, request.PageToken = a.size, token
				return a.store.ListGrantsForEntitlement(a.ctx, request)
			})
			if err != nil {
				return err
			}
		}
		for key, principal := range principals {
			err := a.grantPages("grants for "+key+" of "+id, nil, func(token string) (listed, error) {
				return a.store.ListGrantsForPrincipal(a.ctx, &reader.GrantsReaderServiceListGrantsForPrincipalRequest{
					PrincipalId: principal, Entitlement: entitlement, PageSize: a.size, PageToken: token,
				})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *asker) byId(resources []*v2.Resource, entitlements []*v2.Entitlement, grants []*v2.Grant) error {
	for _, item := range resources {
		answer, err := a.store.GetResource(a.ctx, &reader.ResourcesReaderServiceGetResourceRequest{ResourceId: item.GetId()})
		if err != nil {
			return fmt.Errorf("resource %s by id: %w", resourceKey(item.GetId()), err)
		}
		if err := a.answers.add("resource "+resourceKey(item.GetId()), answer.GetResource()); err != nil {
			return err
		}
	}
	for _, item := range entitlements {
		answer, err := a.store.GetEntitlement(a.ctx, &reader.EntitlementsReaderServiceGetEntitlementRequest{EntitlementId: item.GetId()})
		if err != nil {
			return fmt.Errorf("entitlement %s by id: %w", item.GetId(), err)
		}
		if err := a.answers.add("entitlement "+item.GetId(), plainEntitlement(answer.GetEntitlement())); err != nil {
			return err
		}
	}
	for _, item := range grants {
		answer, err := a.store.GetGrant(a.ctx, &reader.GrantsReaderServiceGetGrantRequest{GrantId: item.GetId()})
		if err != nil {
			return fmt.Errorf("grant %q by id: %w", item.GetId(), err)
		}
		if err := a.answers.add("grant "+item.GetId(), plainGrant(answer.GetGrant())); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) expansion() error {
	if err := errors.Join(a.answers.add("pending"), a.answers.add("annotated")); err != nil {
		return err
	}
	for pending, err := range a.store.Grants().PendingExpansion(a.ctx) {
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s|%s|%s|%s|%t|", pending.GrantExternalID, pending.TargetEntitlementID, pending.PrincipalResourceTypeID,
			pending.PrincipalResourceID, pending.NeedsExpansion)
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(pending.Annotation)
		if err != nil {
			return err
		}
		a.answers["pending"] = append(a.answers["pending"], text+string(raw))
	}
	for row, err := range a.store.Grants().ListWithAnnotations(a.ctx) {
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s|%s|%t|%t", row.GrantExternalID, row.TargetEntitlementID, row.NeedsExpansion, row.Annotation != nil)
		a.answers["annotated"] = append(a.answers["annotated"], text)
	}
	return nil
}

func (a *asker) runs() error {
	latest, err := a.store.SyncMeta().LatestFullSync(a.ctx)
	if err != nil || latest == nil {
		return fmt.Errorf("no latest full sync: %w", err)
	}
	a.answers["run"] = []string{fmt.Sprintf("%s %s %v %v %s", latest.ID, latest.Type, latest.StartedAt.UTC(), latest.EndedAt.UTC(), latest.SyncToken)}
	stats, err := a.store.SyncMeta().Stats(a.ctx, connectorstore.SyncTypeFull, latest.ID)
	if err != nil {
		return err
	}
	a.answers["stats"] = nil
	for key, count := range stats {
		// Only v3 names these two, only v1 counts types without rows.
		if count > 0 && key != "resources" && key != "assets" {
			a.answers["stats"] = append(a.answers["stats"], fmt.Sprintf("%s=%d", key, count))
		}
	}
	return a.statsV2(latest.ID)
}

// merge is one way to merge two files; b is the newer one.
type merge struct {
	name string
	a, b func(files) string
	mode synccompactor.PebbleCompactorMode
}

// files of one directory: ours in both engines, and Go's own v3 of the same rows.
type files struct{ v1, v3, golang string }

var (
	ofV1 = func(f files) string { return f.v1 }
	ofV3 = func(f files) string { return f.v3 }
	ofGo = func(f files) string { return f.golang }

	merges = []merge{
		{"Go's with Go's", ofGo, ofGo, synccompactor.PebbleCompactorModeOverlay},
		{"ours with ours, overlay", ofV3, ofV3, synccompactor.PebbleCompactorModeOverlay},
		{"ours with ours, kway", ofV3, ofV3, synccompactor.PebbleCompactorModeKWay},
		{"ours with ours, fold", ofV3, ofV3, synccompactor.PebbleCompactorModeFold},
		{"ours with Go's", ofV3, ofGo, synccompactor.PebbleCompactorModeOverlay},
		{"Go's with ours", ofGo, ofV3, synccompactor.PebbleCompactorModeOverlay},
		{"Go's with ours, fold", ofGo, ofV3, synccompactor.PebbleCompactorModeFold},
		{"ours with our v1", ofV3, ofV1, synccompactor.PebbleCompactorModeOverlay},
	}
)

// compareMerged demands that a merge gives the same rows and the same digest of grants whoever wrote the inputs.
func compareMerged(ctx context.Context, one, two string) error {
	dir, err := os.MkdirTemp("", "compat-merge-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	first, err := withGo(one, dir)
	if err != nil {
		return err
	}
	second, err := withGo(two, dir)
	if err != nil {
		return err
	}
	var want answers
	var digest string
	for at, way := range merges {
		got, found, err := mergeAndAsk(ctx, way, first, second, filepath.Join(dir, fmt.Sprint(at)))
		if err != nil {
			return fmt.Errorf("merging %s: %w", way.name, err)
		}
		delete(got, "run")
		if want == nil {
			want, digest = got, found
			continue
		}
		if _, err := want.compare(got); err != nil {
			return fmt.Errorf("merging %s: %w", way.name, err)
		}
		if found != digest {
			return fmt.Errorf("merging %s: digest %s, Go's with Go's %s", way.name, found, digest)
		}
	}
	return nil
}

// withGo converts our v1 file to Go's v3.
func withGo(name, dir string) (files, error) {
	out := filepath.Join(dir, filepath.Base(name)+".go.c1z")
	err := runTool(os.Getenv("BATON_TOOL"), dir, "to-pebble", "-f", name+sqliteSuffix, "--out", out, "--tmp-dir", dir)
	return files{name + sqliteSuffix, name + pebbleSuffix, out}, err
}

func mergeAndAsk(ctx context.Context, way merge, one, two files, dir string) (answers, string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, "", err
	}
	inputs := make([]*synccompactor.CompactableSync, 0, 2)
	for _, file := range []string{way.a(one), way.b(two)} {
		store, _, err := open(ctx, file)
		if err != nil {
			return nil, "", err
		}
		latest, err := store.SyncMeta().LatestFinishedSyncOfAnyType(ctx)
		store.Close(ctx)
		if err != nil {
			return nil, "", err
		}
		inputs = append(inputs, &synccompactor.CompactableSync{FilePath: file, SyncID: latest.ID})
	}
	compactor, cleanup, err := synccompactor.NewCompactor(ctx, dir, inputs, synccompactor.WithTmpDir(dir),
		synccompactor.WithPebbleCompactorMode(way.mode))
	if err != nil {
		return nil, "", err
	}
	defer cleanup()
	out, err := compactor.Compact(ctx)
	if err != nil {
		return nil, "", err
	}
	got, err := ask(ctx, out.FilePath, 10000)
	if err != nil {
		return nil, "", fmt.Errorf("the merged file: %w", err)
	}
	store, err := dotc1z.NewStore(ctx, out.FilePath, dotc1z.WithReadOnly(true))
	if err != nil {
		return nil, "", err
	}
	defer store.Close(ctx)
	digests, ok := store.(c1zstore.GrantGenerationDigestReader)
	if !ok {
		return nil, "", errors.New("the merged file has no digests")
	}
	digest, there, err := digests.GrantGenerationDigest(ctx)
	if err != nil || !there {
		return nil, "", fmt.Errorf("the merged file has no digest (%w)", err)
	}
	return got, fmt.Sprintf("%x of %d", digest.Hash, digest.Count), nil
}
