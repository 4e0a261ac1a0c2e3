package main

import (
	"context"
	"fmt"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/annotations"
	"github.com/conductorone/baton-sdk/pkg/types/entitlement"
	"github.com/conductorone/baton-sdk/pkg/types/grant"
	"github.com/conductorone/baton-sdk/pkg/types/resource"
)

var (
	userType       = kind("user", "User", v2.ResourceType_TRAIT_USER)
	groupType      = kind("group", "Group", v2.ResourceType_TRAIT_GROUP)
	populationType = kind("population", "Population", v2.ResourceType_TRAIT_GROUP)
	roleType       = kind("role", "Role", v2.ResourceType_TRAIT_ROLE)
)

func kind(id, name string, trait v2.ResourceType_Trait) *v2.ResourceType {
	return v2.ResourceType_builder{Id: id, DisplayName: name, Traits: []v2.ResourceType_Trait{trait}}.Build()
}

type (
	attributes = resource.SyncOpAttrs
	results    = resource.SyncOpResults
)

func next(found *page) *results { return &results{NextPageToken: found.Links.Next.Href} }

// offer is the one entitlement of a resource.
func offer(of *v2.Resource, slug string) ([]*v2.Entitlement, *results, error) {
	offered := entitlement.NewAssignmentEntitlement(of, slug, entitlement.WithGrantableTo(userType, groupType),
		entitlement.WithDisplayName(of.GetDisplayName()+" "+slug))
	return []*v2.Entitlement{offered}, nil, nil
}

func group(found []named, of *v2.ResourceType, following *page) ([]*v2.Resource, *results, error) {
	var list []*v2.Resource
	for _, one := range found {
		made, err := resource.NewGroupResource(one.Name, of, one.ID, nil)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, made)
	}
	return list, next(following), nil
}

// reference is a resource of which only the id matters.
func reference(of *v2.ResourceType, id string) *v2.Resource {
	return v2.Resource_builder{Id: v2.ResourceId_builder{ResourceType: of.GetId(), Resource: id}.Build()}.Build()
}

type populations struct{ api *client }

func (p *populations) ResourceType(context.Context) *v2.ResourceType { return populationType }

func (p *populations) List(ctx context.Context, _ *v2.ResourceId, at attributes) ([]*v2.Resource, *results, error) {
	found, err := p.api.get(ctx, at.PageToken.Token, p.api.first(limit("100"), "populations"))
	if err != nil {
		return nil, nil, err
	}
	return group(found.Embedded.Populations, populationType, found)
}

func (p *populations) Entitlements(_ context.Context, of *v2.Resource, _ attributes) ([]*v2.Entitlement, *results, error) {
	return offer(of, "member")
}

// Grants of populations are made where users are read.
func (p *populations) Grants(context.Context, *v2.Resource, attributes) ([]*v2.Grant, *results, error) {
	return nil, nil, nil
}

type groups struct{ api *client }

func (g *groups) ResourceType(context.Context) *v2.ResourceType { return groupType }

func (g *groups) List(ctx context.Context, _ *v2.ResourceId, at attributes) ([]*v2.Resource, *results, error) {
	query := limit("200")
	found, err := g.api.get(ctx, at.PageToken.Token, g.api.first(query, "groups"))
	if err != nil {
		return nil, nil, err
	}
	return group(found.Embedded.Groups, groupType, found)
}

func (g *groups) Entitlements(_ context.Context, of *v2.Resource, _ attributes) ([]*v2.Entitlement, *results, error) {
	return offer(of, "member")
}

// Grants lists the direct members, and before the first page the nested groups.
func (g *groups) Grants(ctx context.Context, of *v2.Resource, at attributes) ([]*v2.Grant, *results, error) {
	id := of.GetId().GetResource()
	query := limit("200")
	query.Set("filter", fmt.Sprintf("memberOfGroups[id eq %q and type eq %q]", id, "DIRECT"))
	var list []*v2.Grant
	if at.PageToken.Token == "" {
		for token := ""; ; {
			nested, err := g.api.get(ctx, token, g.api.first(query, "groups"))
			if err != nil {
				return nil, nil, err
			}
			for _, one := range nested.Embedded.Groups {
				child := reference(groupType, one.ID)
				expandable := v2.GrantExpandable_builder{
					EntitlementIds: []string{entitlement.NewEntitlementID(child, "member")}, ResourceTypeIds: []string{userType.GetId()},
				}.Build()
				list = append(list, grant.NewGrant(of, "member", child.GetId(), grant.WithAnnotation(expandable)))
			}
			if token = nested.Links.Next.Href; token == "" {
				break
			}
		}
	}
	found, err := g.api.get(ctx, at.PageToken.Token, g.api.first(query, "users"))
	if err != nil {
		return nil, nil, err
	}
	for _, one := range found.Embedded.Users {
		list = append(list, grant.NewGrant(of, "member", reference(userType, one.ID).GetId()))
	}
	return list, next(found), nil
}

type roles struct{ api *client }

func (r *roles) ResourceType(context.Context) *v2.ResourceType { return roleType }

// List answers the environment's own roles, and before the first of them those that every environment has.
func (r *roles) List(ctx context.Context, _ *v2.ResourceId, at attributes) ([]*v2.Resource, *results, error) {
	found, err := r.api.get(ctx, at.PageToken.Token, r.api.first(nil, "roles"))
	if err != nil {
		return nil, nil, err
	}
	all := found.Embedded.Roles
	for token := r.api.builtin(); at.PageToken.Token == "" && token != ""; {
		more, err := r.api.get(ctx, token, "")
		if err != nil {
			return nil, nil, err
		}
		all, token = append(all, more.Embedded.Roles...), more.Links.Next.Href
	}
	var list []*v2.Resource
	for _, one := range all {
		made, err := resource.NewRoleResource(one.Name, roleType, one.ID, nil)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, made)
	}
	return list, next(found), nil
}

func (r *roles) Entitlements(_ context.Context, of *v2.Resource, _ attributes) ([]*v2.Entitlement, *results, error) {
	return offer(of, "assigned")
}

// Grants of roles are made where users are read.
func (r *roles) Grants(context.Context, *v2.Resource, attributes) ([]*v2.Grant, *results, error) {
	return nil, nil, nil
}

type users struct{ api *client }

func (u *users) ResourceType(context.Context) *v2.ResourceType { return userType }

func (u *users) List(ctx context.Context, _ *v2.ResourceId, at attributes) ([]*v2.Resource, *results, error) {
	found, err := u.api.get(ctx, at.PageToken.Token, u.api.first(limit("200"), "users"))
	if err != nil {
		return nil, nil, err
	}
	var list []*v2.Resource
	for _, one := range found.Embedded.Users {
		status := v2.UserTrait_Status_STATUS_DISABLED
		if one.Enabled {
			status = v2.UserTrait_Status_STATUS_ENABLED
		}
		profile := map[string]any{
			"username": one.Username, "given_name": one.Name["given"], "family_name": one.Name["family"], "title": one.Title,
			populationType.GetId(): one.Population.ID,
		}
		made, err := resource.NewUserResource(one.Username, userType, one.ID, []resource.UserTraitOption{
			resource.WithEmail(one.Email, true), resource.WithUserLogin(one.Username), resource.WithUserProfile(profile),
			resource.WithStatus(status), resource.WithCreatedAt(one.CreatedAt),
		})
		if err != nil {
			return nil, nil, err
		}
		list = append(list, made)
	}
	return list, next(found), nil
}

func (u *users) Entitlements(context.Context, *v2.Resource, attributes) ([]*v2.Entitlement, *results, error) {
	return nil, nil, nil
}

// Grants lists a user's roles, and on the first page the population that he belongs to.
func (u *users) Grants(ctx context.Context, of *v2.Resource, at attributes) ([]*v2.Grant, *results, error) {
	found, err := u.api.get(ctx, at.PageToken.Token, u.api.first(nil, "users", of.GetId().GetResource(), "roleAssignments"))
	if err != nil {
		return nil, nil, err
	}
	var list []*v2.Grant
	if at.PageToken.Token == "" {
		trait := &v2.UserTrait{}
		kept := annotations.Annotations(of.GetAnnotations())
		if _, err := kept.Pick(trait); err != nil {
			return nil, nil, err
		}
		population := trait.GetProfile().GetFields()[populationType.GetId()].GetStringValue()
		if population != "" {
			list = append(list, grant.NewGrant(reference(populationType, population), "member", of.GetId()))
		}
	}
	seen := map[string]bool{}
	for _, one := range found.Embedded.RoleAssignments {
		if !seen[one.Role.ID] {
			seen[one.Role.ID] = true
			list = append(list, grant.NewGrant(reference(roleType, one.Role.ID), "assigned", of.GetId()))
		}
	}
	return list, next(found), nil
}
