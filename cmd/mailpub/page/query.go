package page

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is what somebody asks of an overview.
type query struct {
	Search string
	State  health // "": all
	Page   int    // from 1 on
}

// queryOf reads ?q=WORDS&state=bad&page=2. What makes no sense is left out.
func queryOf(v url.Values) query {
	q := query{Search: strings.TrimSpace(v.Get("q")), Page: 1}
	if r := []rune(q.Search); len(r) > 100 {
		q.Search = string(r[:100])
	}

	if state := health(v.Get("state")); slices.Contains(overviewStates(), state) {
		q.State = state
	}

	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 0 {
		q.Page = n
	}

	return q
}

// overviewStates are those that sites are counted by, what needs attention first.
func overviewStates() []health { return []health{broken, uneasy, unknown, well} }

// Link is the address of the overview that a query asks for.
func (q query) Link() string {
	v := url.Values{}
	if q.Search != "" {
		v.Set("q", q.Search)
	}
	if q.State != "" {
		v.Set("state", string(q.State))
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if len(v) == 0 {
		return "/"
	}
	return "/?" + v.Encode()
}
