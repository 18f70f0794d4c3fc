package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
)

// rowsShown is how many sites are on one page of an overview.
const rowsShown = 100

// overview is many sites in a table, what is not well first.
type overview struct {
	Query  query
	Total  int // sites
	Found  int // that the query asks for
	Counts []stateCount
	Rows   []summary
	Pages  int

	Previous, Next string // links; "" for none
}

// stateCount is how many of the sites that are searched for are in a state.
type stateCount struct {
	Class health
	N     int
	Link  string
	Here  bool // it is what is shown
}

// Mark is that of the state.
func (c stateCount) Mark() string { return c.Class.mark() }

// Words says which sites are counted.
func (c stateCount) Words() string {
	switch c.Class {
	case broken:
		return fmt.Sprintf("%d failing", c.N)
	case uneasy:
		return fmt.Sprintf("%d need attention", c.N)
	case well:
		return fmt.Sprintf("%d well", c.N)
	}
	return fmt.Sprintf("%d unknown", c.N)
}

func newOverview(list []*shownSite, q query) overview {
	o := overview{Query: q, Total: len(list)}
	counts := map[history.State]int{}
	words := strings.Fields(strings.ToLower(q.Search))
	found := make([]*shownSite, 0, len(list))

	for _, site := range list {
		if !site.matches(words) {
			continue
		}
		counts[site.State]++
		if q.State == "" || q.State == site.Class() {
			found = append(found, site)
		}
	}

	for _, state := range []history.State{history.Bad, history.Uneasy, history.Unknown, history.Good} {
		class := healthOf(state)
		o.Counts = append(o.Counts, stateCount{
			Class: class,
			N:     counts[state],
			Link:  query{Search: q.Search, State: class}.Link(),
			Here:  q.State == class,
		})
	}

	slices.SortStableFunc(found, func(a, b *shownSite) int { return cmp.Compare(a.rank(), b.rank()) })
	o.Found = len(found)
	o.Pages = max((len(found)+rowsShown-1)/rowsShown, 1)
	o.Query.Page = min(q.Page, o.Pages)
	from := (o.Query.Page - 1) * rowsShown

	for _, site := range found[from:min(from+rowsShown, len(found))] {
		o.Rows = append(o.Rows, site.summary)
	}

	o.Previous, o.Next = o.links()
	return o
}

func (o overview) links() (previous, next string) {
	at := o.Query
	if at.Page > 1 {
		at.Page--
		previous = at.Link()
	}

	if at = o.Query; at.Page < o.Pages {
		at.Page++
		next = at.Link()
	}

	return previous, next
}

// AllLink leads to all sites that are searched for, whatever their state.
func (o overview) AllLink() string { return query{Search: o.Query.Search}.Link() }

// HasSearch reports whether there are enough sites to search among them.
func (o overview) HasSearch() bool { return o.Total > 10 || o.Query.Search != "" }

func (o overview) title(l lang.Language) string {
	title := l.Text(fmt.Sprintf("mailpub: %d sites", o.Total))
	for _, c := range o.Counts {
		if c.Class == broken && c.N > 0 {
			return c.Mark() + " " + title + ", " + l.Text(c.Words())
		}
	}
	return title
}
