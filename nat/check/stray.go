package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// checkStray looks for forwards of ours that nobody wants: those that the ledger has still, and
// any with our mark at a port beside a wanted one, where a router may put a mapping when the
// wanted port is taken (RFC 6886 section 3.3). The router's whole list is never asked for; see
// Router.Read.
func (f Facts) checkStray(ctx context.Context, r *nat.Router) plan.Check {
	c := plan.Check{
		ID:      catalog.RouterStray,
		Subject: plan.About("forwards that the config does not want"),
		Status:  plan.Pass,
		Want:    "none of ours",
		Got:     "none",
		Ref:     forwardRef,
	}

	keys := f.neighbourKeys()
	if p := r.Protocol(); len(keys) == 0 || p == "manual" {
		c.Status = plan.Skip
		c.Got = "there is nothing that the router could be asked for"
		c.Hint = "review its forwards manually"
		return c
	}

	items, err := r.Read(ctx, keys)
	if err != nil {
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "run verify again; if it stays so, restart the router"
		return c
	}

	var stray []string
	for _, it := range items {
		if it.Unreadable == "" && (it.Marked || slices.Contains(f.Kept, it.Key)) {
			stray = append(stray, fmt.Sprintf("%s to %s", it.Key.Name,
				strings.Join(it.Lines, " ")))
		}
	}

	if len(stray) > 0 {
		c.Status = plan.Fail
		c.Got = strings.Join(stray, ", ")
		c.Hint = "an unwanted port of the server is open: mailpub apply removes those in the ledger; remove others in the router"
	}

	return c
}

// neighbourKeys returns the keys at which a forward of ours might be though it is not wanted.
func (f Facts) neighbourKeys() (keys []plan.Key) {
	wanted := map[plan.Key]bool{}
	for _, w := range f.Wanted {
		wanted[w.Key] = true
	}

	add := func(k plan.Key) {
		if !wanted[k] && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}

	for _, k := range f.Kept {
		add(k)
	}

	for _, w := range f.Wanted {
		p, err := forward.ParsePort(w.Key)
		if err != nil || p.Pinhole() { // a pinhole has no other number than the server's
			continue
		}

		for _, n := range []int{int(p.Number) - 1, int(p.Number) + 1} {
			if n > 0 && n < 1<<16 {
				add(plan.Key{Kind: forward.Kind, Name: fmt.Sprintf("%s/%d", p.Proto, n)})
			}
		}
	}

	return keys
}
