package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// seenOutside is one thing that was looked at from outside.
type seenOutside struct {
	Class health
	Name  string
	Says  string
	When  time.Time
}

// Mark is that of its health.
func (o seenOutside) Mark() string { return o.Class.mark() }

// seen lists what was seen from outside, in the order of a message: the ports, messages in, messages out.
func (s Site) seen() (list []seenOutside) {
	ports := seenOutside{Name: "Ports, from the probe", Class: well, When: s.At}
	open, all := 0, 0
	var in []seenOutside
	out := map[string]*seenOutside{}
	var order []string

	for _, c := range s.Report.Checks {
		if c.Status == plan.Skip {
			continue
		}

		when := c.Seen
		if when.IsZero() {
			when = s.At
		}

		name, isOut := strings.CutPrefix(c.ID, catalog.OutboundGroup+".")
		switch {
		case c.ID == catalog.PortOutside:
			if all++; c.Status == plan.Pass {
				open++
			}
			ports.Class = worse(ports.Class, c.Status)
		case c.ID == catalog.MailOutside:
			in = append(in, seenOutside{worse(well, c.Status), "Message in: " + about(c),
				c.Got, when})
		case isOut:
			is := out[c.Subject.Name]
			if is == nil {
				is = &seenOutside{Class: well, Name: "Message out: " + about(c), When: when}
				out[c.Subject.Name] = is
				order = append(order, c.Subject.Name)
			}

			is.Class = worse(is.Class, c.Status)
			is.Says = strings.TrimPrefix(is.Says+"; "+name+" "+c.Got, "; ")
		}
	}

	if all > 0 {
		ports.Says = fmt.Sprintf("%d of %d answer", open, all)
		list = append(list, ports)
	}

	list = append(list, in...)
	for _, name := range order {
		list = append(list, *out[name])
	}

	return list
}

// about is the subject of a check under a title that says already that it was seen from outside.
func about(c plan.Check) string {
	subject := c.Subject
	subject.Outside = false
	return subject.String()
}

// worse is a health, with a finding taken into account.
func worse(h health, s plan.Status) health {
	switch {
	case s == plan.Fail:
		return broken
	case s == plan.Warn && h != broken:
		return uneasy
	}
	return h
}
