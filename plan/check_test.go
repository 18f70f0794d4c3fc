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

// What would disturb another check waits for it, where that runs at all.
func TestRunChecksAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order string
		run := func(id string, d time.Duration) func(context.Context) []Check {
			return func(context.Context) []Check {
				time.Sleep(d)
				order += id
				return []Check{{ID: id, Status: Pass}}
			}
		}

		RunChecks(t.Context(), []Checker{
			{IDs: []string{"a"}, After: []string{"b", "not run"}, Run: run("a", time.Second)},
			{IDs: []string{"b"}, Run: run("b", 2*time.Second)},
		})

		if order != "ba" {
			t.Errorf("they ended in the order %s, want b before a", order)
		}
	})
}
