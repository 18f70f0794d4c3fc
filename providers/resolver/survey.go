package resolver

import (
	"context"

	"github.com/mailpub/mailpub/plan/mail"
)

// Survey asks what is published, at the name servers that hold it, and remembers the answers.
// Methods may be called concurrently.
type Survey struct{ l *QueryCache }

// NewSurvey returns a Survey that finds name servers through a resolver; where nameservers
// (host or host:port) are given, it asks those for every name.
func NewSurvey(r *Resolver, nameservers []string) *Survey {
	all := map[string][]string{}
	if len(nameservers) > 0 {
		all["."] = nameservers
	}
	return &Survey{NewQueryCache(r, all, "")}
}

// Ask returns what the first name server that answers has of a name, or a resolver where none
// does. That nobody could say is an error.
func (s *Survey) Ask(ctx context.Context, name, rrtype string) (Answer, error) {
	return s.l.Authoritative(ctx, name, rrtype)
}

// Zone returns the zone that holds a name, absolute, and the names of its servers.
func (s *Survey) Zone(ctx context.Context, name string) (zone string, nameservers []string, err error) {
	return s.l.Delegation(ctx, mail.FQDN(name))
}

// Servers returns where the servers of the zone that holds a name are asked: host:port.
func (s *Survey) Servers(ctx context.Context, name string) ([]string, error) {
	return s.l.NameServers(ctx, name)
}
