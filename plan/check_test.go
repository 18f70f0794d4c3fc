package plan

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(d time.Duration, c Check) func(context.Context) []Check {
			return func(ctx context.Context) []Check {
				select {
				case <-time.After(d):
				case <-ctx.Done():
				}
				return []Check{c}
			}
		}
		deaf := func(context.Context) []Check { time.Sleep(time.Hour); return nil }
		start := time.Now()
		got := RunChecks(t.Context(), []Checker{
			{IDs: []string{"a"}, Run: slow(3*time.Second, Check{ID: "a", Status: Pass})},
			{IDs: []string{"b", "c"}, Timeout: 4 * time.Second, Run: deaf},
			{IDs: []string{"d"}, Run: slow(2*time.Second, Check{ID: "d", Status: Fail})},
		})
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %v, want the longest deadline", took)
		}
		var ids string
		for _, c := range got {
			ids += c.ID + " " + string(c.Status) + ";"
		}
		if ids != "a pass;b skip;c skip;d fail;" {
			t.Errorf("got %s", ids)
		}
		if tally := Count(got); tally != (Tally{Pass: 1, Fail: 1, Skip: 2}) {
			t.Errorf("tally %+v", tally)
		}
		time.Sleep(2 * time.Hour) // let the deaf one end
	})
}
