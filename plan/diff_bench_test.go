package plan

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkDiff compares n wanted with n observed items, one in a hundred of which
// differs, all of them in the ledger; and a bare sort and merge of the same strings. It
// reports nanoseconds and bytes an item, and the ratio of the two.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			wanted, observed, ledger := world(n)
			var ours, bare time.Duration
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)

			for b.Loop() {
				start := time.Now()
				d := Diff(Target{Kind: "zone"}, wanted, observed, ledger, now)
				ours += time.Since(start)
				if len(d.Changes) != n/100 || d.Unchanged != n-n/100 {
					b.Fatalf("%d changes, %d unchanged", len(d.Changes), d.Unchanged)
				}
			}

			runtime.ReadMemStats(&after)
			for range b.N {
				left := texts(wanted)
				right := texts(observed)
				start := time.Now()
				if got := sortMerge(left, right); got != 2*(n/100) {
					b.Fatalf("the merge found %d", got)
				}
				bare += time.Since(start)
			}

			per := float64(n * b.N)
			b.ReportMetric(float64(ours)/per, "ns/item")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/per, "B/item")
			b.ReportMetric(float64(bare)/per, "sortmerge-ns/item")
			b.ReportMetric(float64(ours)/float64(bare), "x-of-sortmerge")
		})
	}
}

func world(n int) (wanted, observed []Item, ledger *Ledger) {
	ledger = NewLedger("bench")
	for i := range n {
		k := Key{"dns", fmt.Sprintf("host%07d.example.org. A", (i*7919)%n)}
		lines := []string{fmt.Sprintf("192.0.2.%d ttl 3600", i%256)}
		is := lines

		if i%100 == 0 {
			is = []string{"198.51.100.1 ttl 3600"}
		}

		wanted = append(wanted, Item{Key: k, Lines: lines, Stage: StageAddress})
		observed = append(observed, Item{Key: k, Lines: is})
		ledger.Put(Entry{
			Key:    k,
			Target: ParseTarget("zone"),
			Stage:  StageAddress,
			Text:   is,
		})
	}

	slices.SortFunc(observed, func(a, b Item) int {
		return strings.Compare(a.Lines[0], b.Lines[0])
	})

	return wanted, observed, ledger
}

func texts(items []Item) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.Key.Name + "\t" + it.Lines[0]
	}
	return out
}

// sortMerge returns how many strings are in one list only.
func sortMerge(a, b []string) (differ int) {
	slices.Sort(a)
	slices.Sort(b)
	i, j := 0, 0

	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			i = i + 1
			j = j + 1
		case a[i] < b[j]:
			i = i + 1
			differ = differ + 1
		default:
			j = j + 1
			differ = differ + 1
		}
	}

	return differ + len(a) - i + len(b) - j
}
