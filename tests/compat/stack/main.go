// Command stack is a small PingOne connector on the Go SDK, as a measure beside ours: the same lists (populations, groups,
// roles, users, each group's direct members and nested groups, each user's role assignments) with the same page sizes,
// and the SDK for everything else. It leaves out what ours does beyond that: counts are not held against lists, indirect
// members and scopes of roles are not told apart. That is work which this side is spared.
//
//	stack --file FILE --workers N --storage-engine ENGINE
//
// PingOne is named by BATON_PINGONE_BASE_URL, _AUTH_URL, _ENVIRONMENT_ID, _CLIENT_ID and _CLIENT_SECRET.
package main

import (
	"context"

	"github.com/spf13/viper"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/annotations"
	"github.com/conductorone/baton-sdk/pkg/cli"
	"github.com/conductorone/baton-sdk/pkg/config"
	"github.com/conductorone/baton-sdk/pkg/connectorbuilder"
	"github.com/conductorone/baton-sdk/pkg/field"
)

func main() {
	config.RunConnector(context.Background(), "stack", "bench", field.NewConfiguration([]field.SchemaField{}), newConnector)
}

type connector struct{ api *client }

func newConnector(_ context.Context, _ *viper.Viper, _ *cli.ConnectorOpts) (connectorbuilder.ConnectorBuilderV2, []connectorbuilder.Opt, error) {
	api, err := newClient()
	return &connector{api}, nil, err
}

func (c *connector) Metadata(context.Context) (*v2.ConnectorMetadata, error) {
	return v2.ConnectorMetadata_builder{DisplayName: "PingOne beside the Go SDK"}.Build(), nil
}

func (c *connector) Validate(context.Context) (annotations.Annotations, error) { return nil, nil }

func (c *connector) ResourceSyncers(context.Context) []connectorbuilder.ResourceSyncerV2 {
	return []connectorbuilder.ResourceSyncerV2{
		&populations{c.api}, &groups{c.api}, &roles{c.api}, &users{c.api},
	}
}
