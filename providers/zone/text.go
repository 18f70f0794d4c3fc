package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// AddText puts one text beside what is at a name already, and RemoveText takes it away again.
// Both are for texts that come and go, such as the answers to an ACME challenge, and that no
// ledger keeps. Where the text is as wanted, nothing is written.
func (z *Zone) AddText(ctx context.Context, name, text string) (plan.Change, error) {
	return z.changeText(ctx, name, func(lines []string, ttl int) []string {
		return append(lines, mail.RecordLine(mail.TextData(text), ttl))
	}, text, true)
}

// RemoveText takes a text away; see AddText.
func (z *Zone) RemoveText(ctx context.Context, name, text string) (plan.Change, error) {
	return z.changeText(ctx, name, func(lines []string, _ int) []string {
		return slices.DeleteFunc(lines, func(l string) bool { return isText(l, text) })
	}, text, false)
}

func isText(line, text string) bool {
	data, _ := mail.SplitRecordLine(line)
	return data == mail.TextData(text)
}

// changeText reads a TXT RRset and writes what edit makes of it. Where somebody was faster it
// looks again, a few times: two of our own may be at work on one name.
func (z *Zone) changeText(ctx context.Context, name string, edit func([]string, int) []string, text string, wanted bool) (plan.Change, error) {
	key := mail.DNSKey(name, "TXT")
	for try := 0; ; try++ {
		items, err := z.Read(ctx, []plan.Key{key})
		if err != nil {
			return plan.Change{}, err
		}

		c := plan.Change{Key: key, Action: plan.Create}
		ttl := z.ttl
		if len(items) == 1 {
			if items[0].Unreadable != "" {
				return c, fmt.Errorf("%s: %s", key, items[0].Unreadable)
			}
			c.Action = plan.Update
			c.Before = items[0].Lines
			_, ttl = mail.SplitRecordLine(c.Before[0])
		}

		if slices.ContainsFunc(c.Before, func(l string) bool {
			return isText(l, text)
		}) == wanted {
			c.After = c.Before
			return c, nil
		}

		if c.After = slices.Sorted(slices.Values(edit(slices.Clone(c.Before),
			ttl))); len(c.After) == 0 {
			c.Action = plan.Delete
			c.After = nil
		}

		err = z.Apply(ctx, []plan.Change{c}, func(plan.Change, error) {})
		if !errors.Is(err, plan.ErrStale) || try == 3 {
			return c, err
		}
	}
}
