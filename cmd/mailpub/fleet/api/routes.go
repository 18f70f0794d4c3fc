package api

import (
	"net/http"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// prefix is that of the API's paths.
const prefix = "/api/v1"

// route is one operation of the API. The OpenAPI document is made of these.
type route struct {
	method  string
	path    string
	id      string // of the operation
	role    store.Role
	summary string
	query   []string // parameters of the query
	in      any      // an example of the body; nil: none
	text    bool     // the body is the text of a config
	out     any      // an example of the answer; nil: none (204)
	created bool     // 201
	ask     bool     // 202: a worker does it
	run     func(*call) (any, error)
}

func (r route) status() int {
	switch {
	case r.out == nil:
		return http.StatusNoContent
	case r.created:
		return http.StatusCreated
	case r.ask:
		return http.StatusAccepted
	}

	return http.StatusOK
}

// routes are all operations.
func routes() []route {
	tenant := []string{"tenant"}
	return []route{
		{method: "GET", path: "/whoami", id: "whoami", role: store.RoleView, summary: "Show the caller and its roles", out: Whoami{}, run: whoami},

		{method: "GET", path: "/sites", id: "listSites", role: store.RoleView, summary: "List sites, those with problems first", query: []string{"tenant", "search", "state", "offset", "limit"}, out: SiteList{}, run: listSites},
		{method: "POST", path: "/sites", id: "addSite", role: store.RoleOperate, summary: "Add a site", in: NewSite{}, out: SiteChange{}, created: true, run: addSite},
		{method: "GET", path: "/sites/{id}", id: "getSite", role: store.RoleView, summary: "Show a site", out: Site{}, run: getSite},
		{method: "DELETE", path: "/sites/{id}", id: "deleteSite", role: store.RoleAdmin, summary: "Remove a site from the fleet; its records in DNS stay", run: deleteSite},
		{method: "GET", path: "/sites/{id}/config", id: "getConfig", role: store.RoleView, summary: "Read the config of a site", out: rawText{}, run: getConfig},
		{method: "PUT", path: "/sites/{id}/config", id: "putConfig", role: store.RoleOperate, summary: "Replace the config of a site; If-Match is required", text: true, out: SiteChange{}, run: putConfig},
		{method: "POST", path: "/sites/{id}/look", id: "look", role: store.RoleOperate, summary: "Check a site now", out: Site{}, ask: true, run: askLook},
		{method: "GET", path: "/sites/{id}/report", id: "getReport", role: store.RoleView, summary: "Read what was last found", out: Report{}, run: getReport},
		{method: "GET", path: "/sites/{id}/page", id: "getPage", role: store.RoleView, summary: "Read the page of a site as HTML", out: rawText{}, run: getPage},
		{method: "GET", path: "/sites/{id}/plans", id: "listSitePlans", role: store.RoleView, summary: "List the plans of a site", out: PlanList{}, run: listSitePlans},
		{method: "POST", path: "/sites/{id}/plans", id: "makePlan", role: store.RoleOperate, summary: "Ask for a plan", in: NewPlan{}, out: PlanStatus{}, ask: true, run: makePlan},

		{method: "GET", path: "/plans", id: "listPlans", role: store.RoleView, summary: "List plans, newest first", query: []string{"tenant", "state"}, out: PlanList{}, run: listPlans},
		{method: "GET", path: "/plans/{id}", id: "getPlan", role: store.RoleView, summary: "Read a plan", out: PlanStatus{}, run: getPlan},
		{method: "POST", path: "/plans/{id}/approve", id: "approvePlan", role: store.RoleApprove, summary: "Approve a plan of another person", out: PlanStatus{}, run: approvePlan},
		{method: "POST", path: "/plans/{id}/apply", id: "applyPlan", role: store.RoleOperate, summary: "Apply a plan that has its approvals", out: PlanStatus{}, ask: true, run: applyPlan},
		{method: "POST", path: "/plans/{id}/withdraw", id: "withdrawPlan", role: store.RoleOperate, summary: "Withdraw a plan", out: PlanStatus{}, run: withdrawPlan},

		{method: "GET", path: "/tenants", id: "listTenants", role: store.RoleView, summary: "List tenants", out: TenantList{}, run: listTenants},
		{method: "POST", path: "/tenants", id: "addTenant", role: store.RoleAdmin, summary: "Add a tenant below another one", in: NewTenant{}, out: Tenant{}, created: true, run: addTenant},
		{method: "DELETE", path: "/tenants/{path...}", id: "deleteTenant", role: store.RoleAdmin, summary: "Remove a tenant without sites", run: deleteTenant},
		{method: "GET", path: "/policy", id: "getPolicy", role: store.RoleView, summary: "Read the approvals that plans of a tenant need", query: tenant, out: PolicyRules{}, run: getPolicy},
		{method: "PUT", path: "/policy", id: "putPolicy", role: store.RoleAdmin, summary: "Set the approvals that plans of a tenant need", query: tenant, in: PolicyRules{}, out: PolicyRules{}, run: putPolicy},
		{method: "POST", path: "/pause", id: "pauseTenant", role: store.RoleAdmin, summary: "Pause a tenant, or continue", query: tenant, in: PauseRequest{}, run: pauseTenant},
		{method: "POST", path: "/accounts/{id}/pause", id: "pauseAccount", role: store.RoleAdmin, summary: "Pause an account at a DNS provider, or continue", in: PauseRequest{}, run: pauseAccount},

		{method: "GET", path: "/members", id: "listMembers", role: store.RoleAdmin, summary: "List who has a role", query: tenant, out: MemberList{}, run: listMembers},
		{method: "POST", path: "/members", id: "putMember", role: store.RoleAdmin, summary: "Give a person a role", in: NewMember{}, out: Member{}, run: putMember},
		{method: "DELETE", path: "/members/{id}", id: "deleteMember", role: store.RoleAdmin, summary: "Take a role away", query: tenant, run: deleteMember},

		{method: "GET", path: "/tokens", id: "listTokens", role: store.RoleAdmin, summary: "List tokens", query: tenant, out: TokenList{}, run: listTokens},
		{method: "POST", path: "/tokens", id: "addToken", role: store.RoleAdmin, summary: "Make a token; its text is shown once", in: NewToken{}, out: Token{}, created: true, run: addToken},
		{method: "DELETE", path: "/tokens/{id}", id: "deleteToken", role: store.RoleAdmin, summary: "End a token", run: deleteToken},

		{method: "GET", path: "/secrets", id: "listSecrets", role: store.RoleAdmin, summary: "List the names of secrets", query: tenant, out: SecretList{}, run: listSecrets},
		{method: "PUT", path: "/secrets/{name}", id: "putSecret", role: store.RoleAdmin, summary: "Set a secret; it cannot be read back", query: tenant, in: NewSecret{}, out: Secret{}, run: putSecret},
		{method: "DELETE", path: "/secrets/{name}", id: "deleteSecret", role: store.RoleAdmin, summary: "Delete a secret", query: tenant, run: deleteSecret},

		{method: "GET", path: "/audit", id: "listAudit", role: store.RoleView, summary: "Read the audit, newest first", query: []string{"tenant", "site", "before", "limit"}, out: AuditList{}, run: listAudit},
	}
}
