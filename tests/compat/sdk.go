package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	reader "github.com/conductorone/baton-sdk/pb/c1/reader/v2"
	"github.com/conductorone/baton-sdk/pkg/dotc1z"
	"github.com/conductorone/baton-sdk/pkg/dotc1z/c1zstore"
)

const pageSize = 1000

// convertedSuffix marks a file that is converted in place of its neighbour, to show that a loss is seen.
const convertedSuffix = ".converted"

// contents is what the SDK's reader gave.
type contents struct {
	full         bool
	types        map[string]*v2.ResourceType
	resources    map[string]bool
	entitlements map[string]string
	grants       map[string]grant
	expandable   int
	// nonHuman counts machine identities; owners are whose the credentials are.
	nonHuman int
	owners   map[string]string
	// bindings are roles over scopes, by the key of either.
	bindings map[string][]string
}

type grant struct {
	entitlement, principal string
	sources                string
}

func resourceKey(id *v2.ResourceId) string { return id.GetResourceType() + ":" + id.GetResource() }

func open(ctx context.Context, file string) (c1zstore.Store, bool, error) {
	store, err := dotc1z.NewStore(ctx, file, dotc1z.WithReadOnly(true))
	if err != nil {
		return nil, false, err
	}
	latest, err := store.SyncMeta().LatestFinishedSyncOfAnyType(ctx)
	if err != nil || latest == nil {
		return nil, false, fmt.Errorf("no finished sync (%v)", err)
	}
	if err := store.SetCurrentSync(ctx, latest.ID); err != nil {
		return nil, false, err
	}
	return store, string(latest.Type) == "full", nil
}

// pages follows page tokens to the end and demands that each is new.
func pages(next func(token string) (string, error)) error {
	seen := map[string]bool{}
	for token := ""; ; {
		following, err := next(token)
		if err != nil || following == "" {
			return err
		}
		if seen[following] {
			return fmt.Errorf("page token %q comes again", following)
		}
		seen[following] = true
		token = following
	}
}

// readAll lists the file by every reader call and runs the SDK's validators over every message.
func readAll(ctx context.Context, file string) (*contents, error) {
	store, full, err := open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer store.Close(ctx)
	c := &contents{
		full: full, types: map[string]*v2.ResourceType{}, resources: map[string]bool{}, entitlements: map[string]string{},
		grants: map[string]grant{}, owners: map[string]string{}, bindings: map[string][]string{},
	}
	if err := c.readTypes(ctx, store); err != nil {
		return nil, err
	}
	if err := c.readResources(ctx, store); err != nil {
		return nil, err
	}
	if err := c.readEntitlements(ctx, store); err != nil {
		return nil, err
	}
	return c, c.readGrants(ctx, store)
}

func (c *contents) readTypes(ctx context.Context, store c1zstore.Store) error {
	return pages(func(token string) (string, error) {
		answer, err := store.ListResourceTypes(ctx, &v2.ResourceTypesServiceListResourceTypesRequest{PageSize: pageSize, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, item := range answer.GetList() {
			if err := item.ValidateAll(); err != nil {
				return "", fmt.Errorf("resource type %s: %w", item.GetId(), err)
			}
			c.types[item.GetId()] = item
		}
		return answer.GetNextPageToken(), nil
	})
}

func (c *contents) readResources(ctx context.Context, store c1zstore.Store) error {
	for kind := range c.types {
		err := pages(func(token string) (string, error) {
			answer, err := store.ListResources(ctx, &v2.ResourcesServiceListResourcesRequest{ResourceTypeId: kind, PageSize: pageSize, PageToken: token})
			if err != nil {
				return "", err
			}
			for _, item := range answer.GetList() {
				key := resourceKey(item.GetId())
				if err := c.checkResource(item); err != nil {
					return "", fmt.Errorf("resource %s: %w", key, err)
				}
				if c.resources[key] {
					return "", fmt.Errorf("resource %s is listed twice", key)
				}
				c.resources[key] = true
			}
			return answer.GetNextPageToken(), nil
		})
		if err != nil {
			return err
		}
	}
	// By id, as the CLI's look-ups do: the first few are enough to show that the call works.
	count := 0
	for key := range c.resources {
		if count++; count > 200 {
			break
		}
		var kind, id string
		for known := range c.types {
			if len(key) > len(known) && key[:len(known)+1] == known+":" {
				kind, id = known, key[len(known)+1:]
			}
		}
		request := &reader.ResourcesReaderServiceGetResourceRequest{ResourceId: &v2.ResourceId{ResourceType: kind, Resource: id}}
		if _, err := store.GetResource(ctx, request); err != nil {
			return fmt.Errorf("resource %s by id: %w", key, err)
		}
	}
	return nil
}

func (c *contents) checkResource(item *v2.Resource) error {
	if err := errors.Join(item.ValidateAll(), checkAnnotations(item.GetAnnotations())); err != nil {
		return err
	}
	if err := c.readMachine(item); err != nil {
		return err
	}
	if item.GetDisplayName() == "" {
		return fmt.Errorf("no display name")
	}
	traits := map[v2.ResourceType_Trait]interface {
		ValidateAll() error
	}{
		v2.ResourceType_TRAIT_USER: &v2.UserTrait{}, v2.ResourceType_TRAIT_GROUP: &v2.GroupTrait{}, v2.ResourceType_TRAIT_ROLE: &v2.RoleTrait{},
		v2.ResourceType_TRAIT_APP: &v2.AppTrait{}, v2.ResourceType_TRAIT_SECRET: &v2.SecretTrait{},
		v2.ResourceType_TRAIT_SCOPE_BINDING: &v2.ScopeBindingTrait{},
	}
	for _, wanted := range c.types[item.GetId().GetResourceType()].GetTraits() {
		if err := checkTrait(item, wanted, traits[wanted]); err != nil {
			return err
		}
	}
	return nil
}

// readMachine notes machine identities, whose a credential is, and what a binding binds. A credential says of what type it is, and no detail is empty.
func (c *contents) readMachine(item *v2.Resource) error {
	for _, annotation := range item.GetAnnotations() {
		nonHuman, secret, binding := &v2.NonHumanIdentityTrait{}, &v2.SecretTrait{}, &v2.ScopeBindingTrait{}
		switch {
		case annotation.MessageIs(nonHuman):
			if err := annotation.UnmarshalTo(nonHuman); err != nil {
				return err
			}
			if nonHuman.GetNhiType() != v2.NonHumanIdentityTrait_NHI_TYPE_APP_REGISTRATION || nonHuman.GetNhiDetail() == "" {
				return fmt.Errorf("a machine identity of type %s with detail %q", nonHuman.GetNhiType(), nonHuman.GetNhiDetail())
			}
			c.nonHuman++
		case annotation.MessageIs(secret):
			if err := annotation.UnmarshalTo(secret); err != nil {
				return err
			}
			if secret.GetCredentialType() == v2.SecretTrait_CREDENTIAL_TYPE_UNSPECIFIED || secret.GetCredentialDetail() == "" {
				return fmt.Errorf("a credential of type %s with detail %q", secret.GetCredentialType(), secret.GetCredentialDetail())
			}
			if owner := secret.GetIdentityId(); owner != nil {
				c.owners[resourceKey(item.GetId())] = resourceKey(owner)
			}
		case annotation.MessageIs(binding):
			if err := annotation.UnmarshalTo(binding); err != nil {
				return err
			}
			key := resourceKey(item.GetId())
			c.bindings[key] = []string{resourceKey(binding.GetRoleId()), resourceKey(binding.GetScopeResourceId())}
		}
	}
	return nil
}

// checkMachines demands that the owner of every credential and both ends of every binding are in the file, and that a file of credentials has owners that are
// machine identities.
func (c *contents) checkMachines() error {
	for key, owner := range c.owners {
		if !c.resources[owner] {
			return fmt.Errorf("credential %s is of %s, which is not in the file", key, owner)
		}
	}
	for key, ends := range c.bindings {
		for _, end := range ends {
			if !c.resources[end] {
				return fmt.Errorf("binding %s is of %s, which is not in the file", key, end)
			}
		}
	}
	if kind := c.types["role_assignment"]; kind != nil && len(c.bindings) == 0 {
		return fmt.Errorf("a type of bindings and not one of them")
	}
	if c.types["secret"] != nil && (len(c.owners) == 0 || c.nonHuman == 0) {
		return fmt.Errorf("%d credentials with owners, %d machine identities", len(c.owners), c.nonHuman)
	}
	return nil
}

func checkTrait(item *v2.Resource, wanted v2.ResourceType_Trait, _ any) error {
	for _, annotation := range item.GetAnnotations() {
		user, group, role, app := &v2.UserTrait{}, &v2.GroupTrait{}, &v2.RoleTrait{}, &v2.AppTrait{}
		secret, binding := &v2.SecretTrait{}, &v2.ScopeBindingTrait{}
		switch {
		case wanted == v2.ResourceType_TRAIT_USER && annotation.MessageIs(user):
			if err := annotation.UnmarshalTo(user); err != nil {
				return err
			}
			if int32(user.GetStatus().GetStatus()) != int32(item.GetStatus().GetStatus()) {
				return fmt.Errorf("the status of the trait is not the resource's")
			}
			return user.ValidateAll()
		case wanted == v2.ResourceType_TRAIT_GROUP && annotation.MessageIs(group):
			if err := annotation.UnmarshalTo(group); err != nil {
				return err
			}
			return group.ValidateAll()
		case wanted == v2.ResourceType_TRAIT_ROLE && annotation.MessageIs(role):
			if err := annotation.UnmarshalTo(role); err != nil {
				return err
			}
			return role.ValidateAll()
		case wanted == v2.ResourceType_TRAIT_APP && annotation.MessageIs(app):
			if err := annotation.UnmarshalTo(app); err != nil {
				return err
			}
			return app.ValidateAll()
		case wanted == v2.ResourceType_TRAIT_SECRET && annotation.MessageIs(secret):
			if err := annotation.UnmarshalTo(secret); err != nil {
				return err
			}
			return secret.ValidateAll()
		case wanted == v2.ResourceType_TRAIT_SCOPE_BINDING && annotation.MessageIs(binding):
			if err := annotation.UnmarshalTo(binding); err != nil {
				return err
			}
			return binding.ValidateAll()
		}
	}
	return fmt.Errorf("no trait %s", wanted)
}

func (c *contents) readEntitlements(ctx context.Context, store c1zstore.Store) error {
	return pages(func(token string) (string, error) {
		answer, err := store.ListEntitlements(ctx, &v2.EntitlementsServiceListEntitlementsRequest{PageSize: pageSize, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, item := range answer.GetList() {
			if err := item.ValidateAll(); err != nil {
				return "", fmt.Errorf("entitlement %s: %w", item.GetId(), err)
			}
			if err := checkAnnotations(item.GetAnnotations()); err != nil {
				return "", fmt.Errorf("entitlement %s: %w", item.GetId(), err)
			}
			resource := resourceKey(item.GetResource().GetId())
			if item.GetId() != resource+":"+item.GetSlug() {
				return "", fmt.Errorf("entitlement %s is not its resource and its slug %s", item.GetId(), item.GetSlug())
			}
			c.entitlements[item.GetId()] = resource
		}
		return answer.GetNextPageToken(), nil
	})
}

func sourcesText(item *v2.Grant) string {
	text := ""
	for key := range item.GetSources().GetSources() {
		if text < key {
			text = key
		}
	}
	return fmt.Sprintf("%d %s", len(item.GetSources().GetSources()), text)
}

func (c *contents) readGrants(ctx context.Context, store c1zstore.Store) error {
	err := pages(func(token string) (string, error) {
		answer, err := store.ListGrants(ctx, &v2.GrantsServiceListGrantsRequest{PageSize: pageSize, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, item := range answer.GetList() {
			if err := item.ValidateAll(); err != nil {
				return "", fmt.Errorf("grant %s: %w", item.GetId(), err)
			}
			if err := checkAnnotations(item.GetAnnotations()); err != nil {
				return "", fmt.Errorf("grant %s: %w", item.GetId(), err)
			}
			principal := resourceKey(item.GetPrincipal().GetId())
			if item.GetId() != item.GetEntitlement().GetId()+":"+principal {
				return "", fmt.Errorf("grant %s is not its entitlement and its principal", item.GetId())
			}
			c.grants[item.GetId()] = grant{item.GetEntitlement().GetId(), principal, sourcesText(item)}
		}
		return answer.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	count := 0
	for id := range c.entitlements {
		if count++; count > 50 {
			break
		}
		listed := 0
		err := pages(func(token string) (string, error) {
			request := &reader.GrantsReaderServiceListGrantsForEntitlementRequest{Entitlement: &v2.Entitlement{Id: id}, PageSize: pageSize, PageToken: token}
			answer, err := store.ListGrantsForEntitlement(ctx, request)
			if err != nil {
				return "", err
			}
			listed += len(answer.GetList())
			return answer.GetNextPageToken(), nil
		})
		if err != nil {
			return fmt.Errorf("grants of %s: %w", id, err)
		}
		want := 0
		for _, one := range c.grants {
			if one.entitlement == id {
				want++
			}
		}
		if listed != want {
			return fmt.Errorf("%d grants of %s by entitlement, %d in all", listed, id, want)
		}
	}
	return nil
}

// checkReferences follows every reference inside the file.
func (c *contents) checkReferences() error {
	if !c.full {
		return nil
	}
	for id, resource := range c.entitlements {
		if !c.resources[resource] {
			return fmt.Errorf("entitlement %s: its resource is missing", id)
		}
	}
	for id, one := range c.grants {
		if _, there := c.entitlements[one.entitlement]; !there {
			return fmt.Errorf("grant %s: its entitlement is missing", id)
		}
		if !c.resources[one.principal] {
			return fmt.Errorf("grant %s: its principal is missing", id)
		}
	}
	return nil
}

// isV1 says whether a file is of version 1; any magic but version 3's is judged by the rules of version 1.
func isV1(file string) (bool, error) {
	raw, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	magic := make([]byte, 5)
	if _, err := io.ReadFull(raw, magic); err != nil {
		return true, nil
	}
	return string(magic) != "C1Z3\x00", nil
}

// runViews runs the SDK's own tool over the file.
func runViews(file, dir string, want *contents) error {
	tool := os.Getenv("BATON_TOOL")
	if tool == "" {
		return fmt.Errorf("BATON_TOOL does not name the baton tool")
	}
	for _, view := range []string{"stats", "resource-types", "resources", "entitlements", "grants", "principals", "syncs"} {
		large := view == "resources" || view == "grants" || view == "principals"
		if len(want.grants) > 20_000 && large {
			continue
		}
		if err := runTool(tool, dir, view, "-f", file, "-o", "json"); err != nil {
			return err
		}
	}
	for key := range want.resources {
		if len(key) > 5 && key[:5] == "user:" {
			if err := runTool(tool, dir, "access", "-f", file, "-o", "json", "-t", "user", "-r", key[5:]); err != nil {
				return err
			}
			break
		}
	}
	if !want.full || len(want.grants) > 20_000 {
		return nil
	}
	return runTool(tool, dir, "export", "csv", "-f", file, "--out", filepath.Join(dir, "sync.csv"))
}

// checkReopened lets the SDK open a copy of the file for writing and save it, then demands the same rows.
func checkReopened(ctx context.Context, file, dir string, want *contents) error {
	copied := filepath.Join(dir, "reopened.c1z")
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(copied, raw, 0o600); err != nil {
		return err
	}
	if err := runTool(os.Getenv("BATON_TOOL"), dir, "recalculate-stats", "-f", copied); err != nil {
		return err
	}
	got, err := readAll(ctx, copied)
	if err != nil {
		return fmt.Errorf("saved by the SDK: %w", err)
	}
	return want.sameAs(got, "saved by the SDK")
}

// checkConverted converts the file with the SDK's own tool and compares what is read back (rule 12).
func checkConverted(ctx context.Context, file, dir string, want *contents) error {
	tool := os.Getenv("BATON_TOOL")
	out := filepath.Join(dir, "converted.c1z")
	source := file
	if _, err := os.Stat(file + convertedSuffix); err == nil {
		source = file + convertedSuffix
	}
	if err := runTool(tool, dir, "to-pebble", "-f", source, "--out", out, "--tmp-dir", dir); err != nil {
		return err
	}
	got, err := readAll(ctx, out)
	if err != nil {
		return fmt.Errorf("converted file: %w", err)
	}
	return want.sameAs(got, "converted")
}

// sameAs compares what two files hold (rule 12).
func (want *contents) sameAs(got *contents, how string) error {
	if len(got.types) != len(want.types) || len(got.resources) != len(want.resources) || len(got.entitlements) != len(want.entitlements) ||
		len(got.grants) != len(want.grants) {
		return broken(12, how+": %d types, %d resources, %d entitlements, %d grants instead of %d, %d, %d, %d", len(got.types),
			len(got.resources), len(got.entitlements), len(got.grants), len(want.types), len(want.resources), len(want.entitlements), len(want.grants))
	}
	for id, one := range want.grants {
		if got.grants[id] != one {
			return broken(12, how+": grant %s differs", id)
		}
	}
	for id := range want.resources {
		if !got.resources[id] {
			return broken(12, how+": resource %s is lost", id)
		}
	}
	return nil
}

func runTool(tool, dir string, args ...string) error {
	command := exec.Command(tool, args...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err != nil {
		text := string(output)
		if len(text) > 400 {
			text = text[len(text)-400:]
		}
		return fmt.Errorf("baton %s: %w: %s", args[0], err, text)
	}
	return nil
}
