package main

import (
	"errors"
	"fmt"
	"iter"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	reader "github.com/conductorone/baton-sdk/pb/c1/reader/v2"
	"github.com/conductorone/baton-sdk/pkg/connectorstore"
)

// absent is the id of nothing: lists by id leave it out.
const absent = "nobody-has-this-id"

// checkAnnotations unpacks every annotation and validates what is in it.
func checkAnnotations(annotations []*anypb.Any) error {
	for _, annotation := range annotations {
		message, err := annotation.UnmarshalNew()
		if err != nil {
			return fmt.Errorf("annotation %s: %w", annotation.GetTypeUrl(), err)
		}
		validated, ok := message.(interface{ ValidateAll() error })
		if !ok {
			return fmt.Errorf("annotation %s cannot be validated", annotation.GetTypeUrl())
		}
		if err := validated.ValidateAll(); err != nil {
			return fmt.Errorf("annotation %s: %w", annotation.GetTypeUrl(), err)
		}
	}
	return nil
}

// byIds asks for everything at once, and for something that is not there.
func (a *asker) byIds(resources []*v2.Resource, entitlements []*v2.Entitlement) error {
	ids := []*v2.ResourceId{{ResourceType: "user", Resource: absent}}
	for _, item := range resources {
		ids = append(ids, item.GetId())
	}
	found, err := a.store.ListResourcesByIds(a.ctx, &reader.ResourcesReaderServiceListResourcesByIdsRequest{ResourceIds: ids})
	if err != nil {
		return fmt.Errorf("resources by ids: %w", err)
	}
	if len(found.GetList()) != len(resources) {
		return fmt.Errorf("resources by ids: %d of %d", len(found.GetList()), len(resources))
	}
	for _, item := range found.GetList() {
		if err := a.answers.add("resources by ids", item); err != nil {
			return err
		}
	}
	names := []string{absent}
	for _, item := range entitlements {
		names = append(names, item.GetId())
	}
	offered, err := a.store.ListEntitlementsByIds(a.ctx, &reader.EntitlementsReaderServiceListEntitlementsByIdsRequest{EntitlementIds: names})
	if err != nil {
		return fmt.Errorf("entitlements by ids: %w", err)
	}
	if len(offered.GetList()) != len(entitlements) {
		return fmt.Errorf("entitlements by ids: %d of %d", len(offered.GetList()), len(entitlements))
	}
	for _, item := range offered.GetList() {
		if err := a.answers.add("entitlements by ids", plainEntitlement(item)); err != nil {
			return err
		}
	}
	return errors.Join(a.answers.add("resources by ids"), a.answers.add("entitlements by ids"))
}

// ofMany lists the grants of all entitlements in one call, named in full and by their ids alone. v1 pages in the order of
// ids, so that is the order they are asked in.
func (a *asker) ofMany(entitlements []*v2.Entitlement, grants []*v2.Grant) error {
	full := append([]*v2.Entitlement(nil), entitlements...)
	sort.Slice(full, func(i, j int) bool { return full[i].GetId() < full[j].GetId() })
	var bare []*v2.Entitlement
	for _, item := range full {
		bare = append(bare, &v2.Entitlement{Id: item.GetId()})
	}
	// A grant may be of an entitlement that has no row.
	known, want := map[string]bool{}, 0
	for _, item := range full {
		known[item.GetId()] = true
	}
	for _, item := range grants {
		if known[item.GetEntitlement().GetId()] {
			want++
		}
	}
	for way, list := range map[string][]*v2.Entitlement{"full": full, "bare": bare} {
		count := 0
		err := a.grantPages("grants of all, "+way, func(*v2.Grant) { count++ }, func(token string) (listed, error) {
			return a.store.ListGrantsForEntitlements(a.ctx, &reader.GrantsReaderServiceListGrantsForEntitlementsRequest{
				Entitlements: list, PageSize: a.size, PageToken: token,
			})
		})
		if err != nil {
			return err
		}
		if count != want {
			return fmt.Errorf("grants of all entitlements, %s: %d of %d", way, count, want)
		}
	}
	return nil
}

// byType lists grants by a resource type. The engines of the SDK read the request differently: v1 takes the type of the
// entitlement's resource, v3 that of the principal. Each is held against the list of all grants.
func (a *asker) byType(grants []*v2.Grant, v1 bool) error {
	kinds := map[string]int{}
	for _, item := range grants {
		kinds[item.GetPrincipal().GetId().GetResourceType()] += 0
		kinds[item.GetEntitlement().GetResource().GetId().GetResourceType()] += 0
	}
	for _, item := range grants {
		if v1 {
			kinds[item.GetEntitlement().GetResource().GetId().GetResourceType()]++
		} else {
			kinds[item.GetPrincipal().GetId().GetResourceType()]++
		}
	}
	for kind, want := range kinds {
		seen := map[string]bool{}
		err := pages(func(token string) (string, error) {
			answer, err := a.store.ListGrantsForResourceType(a.ctx, &reader.GrantsReaderServiceListGrantsForResourceTypeRequest{
				ResourceTypeId: kind, PageSize: a.size, PageToken: token,
			})
			if err != nil {
				return "", err
			}
			for _, item := range answer.GetList() {
				is := item.GetPrincipal().GetId().GetResourceType()
				if v1 {
					is = item.GetEntitlement().GetResource().GetId().GetResourceType()
				}
				if is != kind {
					return "", fmt.Errorf("grant %q is of type %s", item.GetId(), is)
				}
				seen[item.GetId()] = true
			}
			return answer.GetNextPageToken(), nil
		})
		if err != nil {
			return fmt.Errorf("grants by type %s: %w", kind, err)
		}
		if len(seen) != want {
			return fmt.Errorf("grants by type %s: %d of %d", kind, len(seen), want)
		}
	}
	// How many types there are differs by what each engine takes a type for, not by what is stored.
	a.answers["grants by a type"] = []string{"answered"}
	return nil
}

// stream collects what an iterator yields.
func stream[M proto.Message](a *asker, call string, items iter.Seq2[M, error], plain func(M) M) error {
	if err := a.answers.add(call); err != nil {
		return err
	}
	for item, err := range items {
		if err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
		if err := a.answers.add(call, plain(item)); err != nil {
			return err
		}
	}
	return nil
}

// streams reads everything by the SDK's iterators.
func (a *asker) streams(resources []*v2.Resource, entitlements []*v2.Entitlement, grants []*v2.Grant) error {
	store, ok := a.store.(connectorstore.StreamingReader)
	if !ok {
		return errors.New("the store has no streams")
	}
	same := func(item *v2.Resource) *v2.Resource { return item }
	err := errors.Join(
		stream(a, "stream of resources", store.StreamResources(a.ctx, "", connectorstore.StreamResourcesOptions{}), same),
		stream(a, "stream of entitlements", store.StreamEntitlements(a.ctx, ""), plainEntitlement),
		stream(a, "stream of grants", store.StreamGrants(a.ctx, "", connectorstore.StreamGrantsOptions{IncludeExpansion: true}), plainGrant),
	)
	if err != nil {
		return err
	}
	lists := map[string]int{"resources": len(resources), "entitlements": len(entitlements), "grants": len(grants)}
	for what, want := range lists {
		if got := len(a.answers["stream of "+what]); got != want {
			return fmt.Errorf("stream of %s: %d of %d", what, got, want)
		}
	}
	kinds, principals := map[string]bool{}, map[string]*v2.ResourceId{}
	for _, item := range resources {
		kinds[item.GetId().GetResourceType()] = true
	}
	for kind := range kinds {
		options := connectorstore.StreamResourcesOptions{ResourceTypeID: kind}
		if err := stream(a, "stream of resources of "+kind, store.StreamResources(a.ctx, "", options), same); err != nil {
			return err
		}
	}
	for _, item := range entitlements {
		options := connectorstore.StreamGrantsOptions{EntitlementID: item.GetId()}
		if err := stream(a, "stream of grants of "+item.GetId(), store.StreamGrants(a.ctx, "", options), plainGrant); err != nil {
			return err
		}
	}
	for _, item := range grants {
		principals[resourceKey(item.GetPrincipal().GetId())] = item.GetPrincipal().GetId()
	}
	for key, id := range principals {
		options := connectorstore.StreamGrantsOptions{PrincipalResourceType: id.GetResourceType(), PrincipalResourceID: id.GetResource()}
		if err := stream(a, "stream of grants for "+key, store.StreamGrants(a.ctx, "", options), plainGrant); err != nil {
			return err
		}
	}
	return nil
}

// onResources lists grants with their expansion, resource by resource.
func (a *asker) onResources(resources []*v2.Resource) error {
	for _, resource := range resources {
		call := "annotated on " + resourceKey(resource.GetId())
		err := pages(func(token string) (string, error) {
			rows, next, err := a.store.Grants().ListWithAnnotationsForResourcePage(a.ctx, resource, "", token, a.size)
			if err != nil {
				return "", fmt.Errorf("%s: %w", call, err)
			}
			for _, row := range rows {
				text := fmt.Sprintf("%s|%s|%t|%t", row.GrantExternalID, row.TargetEntitlementID, row.NeedsExpansion, row.Annotation != nil)
				a.answers[call] = append(a.answers[call], text)
			}
			return next, a.answers.add(call)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// statsV2 asks for the counts in their newer form. Only v1 counts types without rows.
func (a *asker) statsV2(syncID string) error {
	stats, err := a.store.SyncMeta().StatsV2(a.ctx, connectorstore.SyncTypeFull, syncID)
	if err != nil {
		return fmt.Errorf("newer stats: %w", err)
	}
	lines := []string{fmt.Sprintf("%d types, %d resources, %d entitlements, %d grants, %d assets", stats.GetResourceTypes(), stats.GetResources(),
		stats.GetEntitlements(), stats.GetGrants(), stats.GetAssets())}
	for what, counts := range map[string]map[string]int64{
		"resources": stats.GetResourcesByResourceType(), "entitlements": stats.GetEntitlementsByResourceType(), "grants": stats.GetGrantsByResourceType(),
	} {
		for kind, count := range counts {
			if count > 0 {
				lines = append(lines, fmt.Sprintf("%s of %s: %d", what, kind, count))
			}
		}
	}
	a.answers["newer stats"] = lines
	return nil
}
