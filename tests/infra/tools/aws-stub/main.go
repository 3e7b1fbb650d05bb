// aws-stub stands in for the Terraform provider hashicorp/aws where there is no AWS: it serves the provider's schema (the file that
// AWS_STUB_SCHEMA names), plans like it, and at apply makes up what only AWS could know.
//
// Invariant: whatever the schema rejects is rejected; nothing else is. A value that it made up is known only after apply, as with the real
// one, so what a plan cannot know is unknown here, too. ARNs are made of account, region and name like the real ones, because policies
// are judged by them.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
)

const address = "registry.terraform.io/hashicorp/aws"

type declared struct {
	Provider          schema
	ResourceSchemas   map[string]schema `json:"resource_schemas"`
	DataSourceSchemas map[string]schema `json:"data_source_schemas"`
}

// stub answers what init, validate, test, plan and apply ask. Data sources are served by their schema and never read: an infrastructure
// that asks AWS while it plans cannot be proven without it.
type stub struct {
	tfprotov5.ProviderServer
	of     declared
	served *tfprotov5.GetProviderSchemaResponse
	maker  maker
}

func all(of map[string]schema) map[string]*tfprotov5.Schema {
	served := map[string]*tfprotov5.Schema{}
	for name, one := range of {
		served[name] = &tfprotov5.Schema{Version: one.Version, Block: one.Block.served()}
	}
	return served
}

func main() {
	file, err := os.Open(os.Getenv("AWS_STUB_SCHEMA"))
	if err != nil {
		log.Fatalf("AWS_STUB_SCHEMA: %v", err)
	}
	var document struct {
		ProviderSchemas map[string]declared `json:"provider_schemas"`
	}
	if err := json.NewDecoder(file).Decode(&document); err != nil {
		log.Fatalf("AWS_STUB_SCHEMA: %v", err)
	}
	of := document.ProviderSchemas[address]
	s := &stub{of: of, served: &tfprotov5.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov5.ServerCapabilities{},
		Provider:           &tfprotov5.Schema{Block: of.Provider.Block.served()},
		ResourceSchemas:    all(of.ResourceSchemas),
		DataSourceSchemas:  all(of.DataSourceSchemas),
	}}
	if err := tf5server.Serve(address, func() tfprotov5.ProviderServer { return s }); err != nil {
		log.Fatal(err)
	}
}

func (s *stub) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	answer := &tfprotov5.GetMetadataResponse{ServerCapabilities: &tfprotov5.ServerCapabilities{}}
	for name := range s.of.ResourceSchemas {
		answer.Resources = append(answer.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range s.of.DataSourceSchemas {
		answer.DataSources = append(answer.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return answer, nil
}

func (s *stub) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return s.served, nil
}

func (s *stub) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (s *stub) PrepareProviderConfig(_ context.Context, ask *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: ask.Config}, nil
}

// ConfigureProvider learns the account and the region, of which ARNs are made.
func (s *stub) ConfigureProvider(_ context.Context, ask *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	config, err := ask.Config.Unmarshal(s.served.Provider.ValueType())
	if err != nil {
		return nil, err
	}
	s.maker = makerFor(config)
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (s *stub) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (s *stub) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (s *stub) ReadDataSource(_ context.Context, ask *tfprotov5.ReadDataSourceRequest) (*tfprotov5.ReadDataSourceResponse, error) {
	return &tfprotov5.ReadDataSourceResponse{Diagnostics: []*tfprotov5.Diagnostic{{
		Severity: tfprotov5.DiagnosticSeverityError,
		Summary:  ask.TypeName + " asks AWS",
		Detail:   "There is no AWS here. Pass the value as a variable.",
	}}}, nil
}

func (s *stub) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func (s *stub) UpgradeResourceState(_ context.Context, ask *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	of := s.served.ResourceSchemas[ask.TypeName].ValueType()
	state, err := ask.RawState.Unmarshal(of)
	if err != nil {
		return nil, err
	}
	same, err := tfprotov5.NewDynamicValue(of, state)
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &same}, err
}

func (s *stub) ReadResource(_ context.Context, ask *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	return &tfprotov5.ReadResourceResponse{NewState: ask.CurrentState, Private: ask.Private}, nil
}

// PlanResourceChange leaves unknown what is computed and not set.
func (s *stub) PlanResourceChange(_ context.Context, ask *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	of := s.served.ResourceSchemas[ask.TypeName].ValueType()
	proposed, err := ask.ProposedNewState.Unmarshal(of)
	if err != nil || proposed.IsNull() {
		return &tfprotov5.PlanResourceChangeResponse{PlannedState: ask.ProposedNewState}, err
	}
	planned, err := s.of.ResourceSchemas[ask.TypeName].Block.leaveUnknown(proposed)
	if err != nil {
		return nil, err
	}
	answer, err := tfprotov5.NewDynamicValue(of, planned)
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: &answer, PlannedPrivate: ask.PriorPrivate}, err
}

// ApplyResourceChange makes up what was left unknown.
func (s *stub) ApplyResourceChange(_ context.Context, ask *tfprotov5.ApplyResourceChangeRequest) (*tfprotov5.ApplyResourceChangeResponse, error) {
	of := s.served.ResourceSchemas[ask.TypeName].ValueType()
	planned, err := ask.PlannedState.Unmarshal(of)
	if err != nil || planned.IsNull() {
		return &tfprotov5.ApplyResourceChangeResponse{NewState: ask.PlannedState}, err
	}
	made, err := s.maker.fill(ask.TypeName, planned)
	if err != nil {
		return nil, err
	}
	answer, err := tfprotov5.NewDynamicValue(of, made)
	return &tfprotov5.ApplyResourceChangeResponse{NewState: &answer, Private: ask.PlannedPrivate}, err
}
