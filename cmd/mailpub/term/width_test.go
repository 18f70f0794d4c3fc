package term

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

// fits fails on a line that is wider than a terminal, unless it is one word that cannot be broken.
func fits(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if displayWidth(line) > columns && len(strings.Fields(line)) > 1 {
			t.Errorf("%d columns: %q", displayWidth(line), line)
		}
	}
}

// wideChanges are changes with names, values and reasons of every length, in letters of every width.
func wideChanges() []plan.Change {
	words := "v=spf1 mx ip4:2.2.2.2 include:spf.elsewhere.example include:_spf.another.example -all"
	return []plan.Change{
		{Key: plan.Key{Kind: "dns", Name: "nomeazienda.it. MX"}, Action: plan.Create, After: []string{"10 mail.nomeazienda.it. ttl 3600"}, Reason: "mail for the domain goes to the mail host"},
		{Key: plan.Key{Kind: "dns", Name: "nomeazienda.it. TXT v=spf1"}, Action: plan.Update, Before: []string{words}, After: []string{words}, Reason: strings.Repeat("why ", 40)},
		{Key: plan.Key{Kind: "alias", Name: "però@città.example"}, Action: plan.Delete, Before: []string{strings.Repeat("漢字 ", 30)}, Reason: "gone"},
		{Key: plan.Key{Kind: "dns", Name: "a-name-that-is-much-longer-than-all-others-are.example.org. TXT v=spf1"}, Action: plan.Manual, After: []string{words}, Reason: "by hand"},
	}
}

// Plans fit the terminal, whatever is in them.
func TestPlanFits(t *testing.T) {
	for _, columns := range []int{50, 80, 100} {
		var out bytes.Buffer
		ShowChanges(&UI{
			Out: &out,
			Style: Style{
				Terminal: true,
				Columns:  columns,
				Width:    columns,
			},
		}, wideChanges())

		for line := range strings.Lines(out.String()) {
			long := strings.Contains(line, "a-name-that-is-much-longer") // a name is not broken
			if !long {
				fits(t, line, columns)
			}
		}
	}
}

// What is under way is on one line of the terminal, however narrow that is: what takes it away clears one line.
func TestProgressFits(t *testing.T) {
	for _, width := range []int{20, 40, 80} {
		var out bytes.Buffer
		u := &UI{
			Out: &out,
			In:  strings.NewReader(""),
			Err: io.Discard,
			Style: Style{
				Terminal: true,
				Colour:   true,
				Columns:  max(width, 50),
				Width:    width,
			},
		}

		p := newProgress(u, wideChanges())
		for i, c := range wideChanges() {
			out.Reset()
			p.update(plan.Event{
				Phase:  plan.Started,
				Change: c,
				N:      i + 1,
				Of:     4,
			})

			line := strings.TrimPrefix(out.String(), EraseLine)
			if got := displayWidth(line); got >= width || strings.Contains(line, "\n") ||
				got == 0 {
				t.Errorf("%d columns of %d: %q", got, width, line)
			}

			p.update(plan.Event{
				Phase:  plan.Done,
				Change: c,
				N:      i + 1,
				Of:     4,
			})

			if !strings.Contains(out.String(), EraseLine) {
				t.Errorf("the line is not taken away: %q", out.String())
			}
		}
	}
}

// Help texts are folded at the terminal's width: paragraphs anew, tables below their last column.
func TestFold(t *testing.T) {
	text := "One long paragraph of a help text that goes over the\nedge.\n\nFlags:\n  -c, --config FILE   a text that is longer than the terminal is wide\n  mailpub plan        short\n"
	want := "One long paragraph of a help text that goes over\nthe edge.\n\nFlags:\n  -c, --config FILE   a text that is longer than\n                      the terminal is wide\n  mailpub plan        short\n"
	if got := (Style{Columns: 50}).Fold(text); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	if got := (Style{}).Fold(text); got != text {
		t.Errorf("without a terminal: %s", got)
	}
}
