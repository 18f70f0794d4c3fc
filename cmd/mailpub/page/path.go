package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// health is how a station of the way looks, as a class of the picture's style sheet too.
type health string

const (
	well    health = "good"
	uneasy  health = "warn"
	broken  health = "bad"
	follows health = "follows" // nothing is wrong here; what is wrong elsewhere keeps it from working
	unknown health = "unknown"
)

// mark is what stands beside the colour, for those who can't tell colours apart.
func (h health) mark() string {
	switch h {
	case well:
		return "✓"
	case uneasy:
		return "!"
	case broken:
		return "✗"
	case follows:
		return "…"
	}

	return "?"
}

// Words are mark for a screen reader.
func (h health) Words() string {
	switch h {
	case well:
		return "well"
	case uneasy:
		return "needs attention"
	case broken:
		return "broken"
	case follows:
		return "cut off"
	}

	return "not known"
}

// hopStatus is a place that a message comes by, coming in or going out.
type hopStatus struct {
	Name   string
	Health health
	Says   string // the first thing that is wrong here, or how many checks are well
	More   string // the same at length
}

// mailPath is the stations in the order in which a message passes them.
type mailPath struct {
	Name     string
	Stations []hopStatus
}

// paths returns the way in and the way out of a site.
func (s Site) paths() (in, out mailPath) {
	in = mailPath{"Mail comes in", []hopStatus{s.internet(catalog.PortOutside,
		catalog.MailOutside)}}

	for _, part := range inboundHops() {
		in.Stations = append(in.Stations, s.hopStatus(part))
	}

	out = mailPath{"Mail goes out", nil}
	for _, part := range outboundHops() {
		out.Stations = append(out.Stations, s.hopStatus(part))
	}

	out.Stations = append(out.Stations, s.internetOut())
	return in.markUnreachable(), out.markUnreachable()
}

// internet is where mail comes from. It is well only where one of some checks was made from there, or a message came
// from there.
func (s Site) internet(ids ...string) hopStatus {
	if slices.ContainsFunc(ids, s.showed) {
		return hopStatus{
			Name:   "Internet",
			Health: well,
			Says:   "other mail servers",
			More:   s.shownBy(ids...),
		}
	}

	return hopStatus{
		Name:   "Internet",
		Health: unknown,
		Says:   "not checked",
		More:   "nothing was checked from outside",
	}
}

// internetOut is where mail goes. It is well only where a message arrived there: that port 25 is open is no proof.
func (s Site) internetOut() hopStatus {
	switch {
	case s.showed(catalog.OutboundDelivered):
		return hopStatus{
			Name:   "Internet",
			Health: well,
			Says:   "a message arrived",
			More:   s.shownBy(catalog.OutboundDelivered),
		}
	case s.showed(catalog.PortEgress25):
		return hopStatus{
			Name:   "Internet",
			Health: unknown,
			Says:   "port 25 is open",
			More:   "port 25 of other mail servers is reached; no message was sent to a mailbox elsewhere",
		}
	}

	return hopStatus{
		Name:   "Internet",
		Health: unknown,
		Says:   "not checked",
		More:   "no message was sent to a mailbox elsewhere",
	}
}

// shownBy says what the first of some checks that passes showed.
func (s Site) shownBy(ids ...string) string {
	for _, c := range s.Report.Checks {
		if c.Status == plan.Pass && slices.Contains(ids, c.ID) {
			return c.ID + " " + c.Subject.String() + ": " + c.Got
		}
	}
	return ""
}

// markUnreachable marks what lies behind a broken station: a message does not come there.
func (w mailPath) markUnreachable() mailPath {
	i := slices.IndexFunc(w.Stations, func(s hopStatus) bool {
		return s.Health == broken
	})

	if i < 0 {
		return w
	}

	for j := i + 1; j < len(w.Stations); j++ {
		if s := &w.Stations[j]; s.Health == well || s.Health == unknown {
			s.Health = follows
			s.Says = "cut off"
		}
	}

	return w
}

// hopDefinition is a place on a way; the catalog says which checks speak of it.
type hopDefinition struct {
	name   string
	hop    catalog.Hop
	change func(plan.Change) bool // which differences are its own; nil for none
}

// inboundHops are the parts that mail comes by on its way in, after the Internet.
func inboundHops() []hopDefinition {
	return []hopDefinition{
		{"DNS", catalog.InDNS, func(c plan.Change) bool { return c.Key.Kind == "dns" && isInboundKey(c.Key) }},
		{"Router", catalog.InRouter, func(c plan.Change) bool { return c.Key.Kind == "forward" }},
		{"Mail server", catalog.InServer, func(c plan.Change) bool { return c.Key.Kind == "service" }},
		{"Mailbox", catalog.InMailbox, nil},
	}
}

// outboundHops are those on its way out, before the Internet.
func outboundHops() []hopDefinition {
	return []hopDefinition{
		{"Mail server", catalog.OutServer, nil},
		{"Router", catalog.OutRouter, nil},
		{"Good name", catalog.OutReputation, func(c plan.Change) bool { return c.Key.Kind == "dns" && !isInboundKey(c.Key) }},
	}
}

// isInboundKey reports whether a DNS key is one by which mail finds its way in.
func isInboundKey(k plan.Key) bool {
	_, rrtype, _, err := mail.SplitDNSKey(k)
	return err == nil && rrtype != "TXT" && rrtype != "PTR"
}

func (p hopDefinition) has(id string) bool { return catalog.HopOf(id) == p.hop }

// hopStatus sums up what the checks and the plan say of a part.
func (s Site) hopStatus(p hopDefinition) hopStatus {
	st := hopStatus{Name: p.name, Health: unknown, Says: "not checked"}
	passed := 0
	rank := func(h health) int {
		return slices.Index([]health{unknown, well, follows, uneasy, broken}, h)
	}

	take := func(h health, says, more string) {
		if rank(h) > rank(st.Health) {
			st.Health = h
			st.Says = says
			st.More = more
		}
	}

	for _, c := range s.Report.Checks {
		if !p.has(c.ID) {
			continue
		}

		more := c.ID + " " + c.Subject.String() + ": " + c.Got
		switch {
		case c.Status == plan.Pass:
			passed++
			take(well, "", "")
		case c.Status == plan.Fail && c.Cause != "":
			take(follows, "cut off", more)
		case c.Status == plan.Fail:
			take(broken, c.ID, more)
		case needsAttention(c):
			take(uneasy, c.ID, more)
		}
	}

	for _, c := range s.Report.Changes {
		if c.Differs() && p.change != nil && p.change(c) {
			take(uneasy, "differs from the config", c.Key.String()+": "+c.Reason)
		}
	}

	if i := slices.IndexFunc(s.Report.Checks, func(c plan.Check) bool {
		return p.has(c.ID) && gotNoAnswer(c)
	}); i >= 0 && st.Health == well { // what passed does not vouch for what did not answer
		c := s.Report.Checks[i]
		st.Health = unknown
		st.Says = "no answer"
		st.More = c.ID + " " + c.Subject.String() + ": " + c.Got
	}

	if st.Health == well {
		st.Says = fmt.Sprintf("%d checks pass", passed)
		if passed == 1 {
			st.Says = "1 check passes"
		}
	}

	st.More = cmp.Or(st.More, st.Says)
	return st
}

func healthOf(s history.State) health {
	return map[history.State]health{history.Good: well, history.Uneasy: uneasy,
		history.Bad: broken, history.Unknown: unknown}[s]
}
