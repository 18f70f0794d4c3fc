package site

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// WaitPropagated waits until the name servers of the zones have what a plan wrote to DNS, for as
// long as wait, and returns how long resolvers may keep the old answers. It tells who has old
// answers (PropagationWait), and the result (Propagation). Where they do not agree in time, that is
// no failure of Apply: all is written. Zones that are written where the delegated servers do not get
// them from are not waited for. The site's lock may be closed meanwhile.
func (s *Site) WaitPropagated(ctx context.Context, changes []plan.Change, wait time.Duration) (out dnscheck.Propagation) {
	var written []plan.Change
	for _, c := range changes {
		if c.Key.Kind == "dns" && c.Writes() && !s.isUndelegated(c.Target) {
			written = append(written, c)
		}
	}

	if len(written) == 0 {
		return out
	}

	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()

	last := ""
	out = s.dnsFacts().WaitPropagated(waiting, written, func(behind []dnscheck.StaleServer) {
		if text := StaleServers(behind); text != last {
			s.options.tell(PropagationWait{behind})
			last = text
		}
	})

	s.options.tell(Propagation{out})
	return out
}

// StaleServers says which name servers have old answers.
func StaleServers(behind []dnscheck.StaleServer) string {
	var servers []string
	for _, b := range behind {
		servers = append(servers, b.Server)
	}
	return fmt.Sprintf("%s: still serves the old %s", strings.Join(servers, ", "),
		behind[0].Key.Name)
}

// PropagationWait is told when the list of name servers with old answers changes.
type PropagationWait struct{ Behind []dnscheck.StaleServer }

// Propagation is told when WaitPropagated ends.
type Propagation struct{ dnscheck.Propagation }

func (PropagationWait) event() {}
func (Propagation) event()     {}
