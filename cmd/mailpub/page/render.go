package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
)

//go:embed parts
var parts embed.FS

// part reads one of the parts, which are in the binary.
func readAsset(name string) string {
	data, err := parts.ReadFile("parts/" + name)
	if err != nil {
		panic(err) // a name that is written in this package
	}
	return string(data)
}

// templates are parsed when a page is first asked for in a language, and kept.
func templates(l lang.Language) *template.Template {
	if l == lang.Italian {
		return italianTemplates()
	}
	return englishTemplates()
}

var (
	englishTemplates = sync.OnceValue(func() *template.Template {
		return parseTemplates(lang.English)
	})
	italianTemplates = sync.OnceValue(func() *template.Template {
		return parseTemplates(lang.Italian)
	})
)

// parseTemplates reads the parts; "text" says a sentence of mailpub in l, "plain" shows what is no sentence.
func parseTemplates(l lang.Language) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"text":       func(s string) string { return printable(l.Text(s)) },
		"plain":      printable,
		"short":      short,
		"spell":      plan.FormatDuration,
		"statusMark": statusMark,
		"eventClass": eventClass,
		"less":       func(a, b int) int { return a - b },
		"room": func(width int) int {
			return (width - 24) / 7
		}, // characters of the small font
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":  func(t time.Time) string { return t.Format("15:04:05") },
		"moment": func(t time.Time) string { return l.Format(t, "2 Jan 15:04:05") },
	}).ParseFS(parts, "parts/*.tmpl"))
}

func statusMark(s plan.Status) string {
	return map[plan.Status]health{plan.Pass: well, plan.Warn: uneasy,
		plan.Fail: broken}[s].mark()
}

// eventClass is how an event is coloured.
func eventClass(k watch.Kind) health {
	switch k {
	case watch.Broke, watch.RepairFailed, watch.ConfigWrong, watch.RouterGone, watch.Flapping:
		return broken
	case watch.Healed, watch.Repaired, watch.Settled:
		return well
	}
	return unknown
}

// pageData is one page, as the template has it.
type pageData struct {
	Title, Stamp, Version string
	Of                    string // the site that is shown; "" for an overview
	Language              lang.Language
	Live, Back            bool // served, and kept up to date; one of several
	Style                 template.CSS
	Script                template.JS
	Site                  siteView
	Overview              *overview // in place of Site
}

// siteView is a site, as the template has it.
type siteView struct {
	Site                   Site
	Class                  health
	Facts, Next            string
	Wide, Tall             diagram
	Paths                  []mailPath  // what the diagrams show, for screen readers
	Errors                 []siteError // why it could not look at everything
	Wrong, Advice, Unknown []finding
	Passed, Unused         []plan.Check
	Ignored                []plan.Check
	Differs                []plan.Change
	Leases                 []struct{ Name, Left string }
	Days                   []struct {
		Class health
		Words string
	}
	Share string
	Seen  []seenOutside // what was seen from outside
}

// siteError is what keeps a site from being looked at.
type siteError struct{ Says, Why string }

// errors are those of a site, which no check tells.
func (s Site) errors() (list []siteError) {
	switch {
	case s.Config != nil && s.Took == 0:
		list = append(list, siteError{"The config has errors: the site is not watched",
			s.Config.Error()})
	case s.Config != nil:
		list = append(list, siteError{"The config has errors; the former version stays in use",
			s.Config.Error()})
	}

	if s.Err != nil {
		list = append(list, siteError{"Not everything could be checked", s.Err.Error()})
	}

	return list
}

// Mark is that of the site's health.
func (s siteView) Mark() string { return s.Class.mark() }

func newSiteView(s Site, now time.Time) siteView {
	v := siteView{
		Site:  s,
		Class: healthOf(s.State()),
		Facts: facts(s),
		Wide:  s.wideDiagram(),
		Tall:  s.tallDiagram(),
	}

	in, out := s.paths()
	v.Paths = []mailPath{in, out}
	v.Errors = s.errors()
	v.Seen = s.seen()
	v.Wrong, v.Advice, v.Unknown = findings(s.Report)

	for _, c := range s.Report.Checks {
		switch {
		case c.Ignored != nil:
			v.Ignored = append(v.Ignored, c)
		case c.Unused:
			v.Unused = append(v.Unused, c)
		case c.Status == plan.Pass:
			v.Passed = append(v.Passed, c)
		}
	}

	for _, c := range s.Report.Changes {
		if c.Differs() || c.Action == plan.Manual {
			v.Differs = append(v.Differs, c)
		}
	}

	if !s.Next.IsZero() {
		v.Next = s.Next.Format("15:04:05")
	}

	for _, l := range s.Leases {
		left := "until it is removed"
		if !l.Until.IsZero() {
			left = formatAgo(l.Until.Sub(now)) + ", then it has to be renewed"
			if l.Until.Before(now) {
				left = "over since " + formatAgo(now.Sub(l.Until))
			}
		}

		v.Leases = append(v.Leases, struct{ Name, Left string }{l.Key.Name, left})
	}

	v.days(s.Days)
	return v
}

// days fills in the last weeks, and the share of them in which mail arrived.
func (v *siteView) days(days []history.Day) {
	if !slices.ContainsFunc(days, func(d history.Day) bool {
		return d.Worst() != history.Unknown
	}) {
		return
	}

	var known, good time.Duration
	for _, d := range days {
		words := v.Site.Language.Format(d.Start, "Mon 2 Jan") + ": not checked"
		if share, ok := d.Uptime(); ok {
			words = fmt.Sprintf("%s: up for %.4g %% of the time",
				v.Site.Language.Format(d.Start, "Mon 2 Jan"),
				share*100)
		}

		v.Days = append(v.Days, struct {
			Class health
			Words string
		}{healthOf(d.Worst()), words})

		good += d.In[history.Good] + d.In[history.Uneasy]
		known += d.In[history.Good] + d.In[history.Uneasy] + d.In[history.Bad]
	}

	v.Share = fmt.Sprintf("No failure for %.4g %% of the %s watched.",
		100*float64(good)/float64(known), plan.FormatDuration(known))
}

// facts says which site it is.
func facts(s Site) string {
	if s.Host == "" {
		return s.File
	}

	text := fmt.Sprintf("%s at %s", s.Host, s.LAN)
	var public []string
	for _, a := range s.Public {
		public = append(public, a.String())
	}

	if public != nil {
		text += ", public address " + strings.Join(public, ", ")
	}

	return text
}

// Write writes the page of one site as a document that needs nothing else: for a ticket, or a
// customer. Version is that of mailpub.
func Write(w io.Writer, s Site, now time.Time, version string) error {
	return pageData{
		Title:    title(s),
		Version:  version,
		Language: s.Language.Or(lang.English),
		Site:     newSiteView(s, now),
	}.write(w)
}

func title(s Site) string {
	return fmt.Sprintf("%s %s: %s", healthOf(s.State()).mark(), printable(s.Site),
		printable(s.Language.Text(s.Headline())))
}

func (p pageData) bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (p pageData) write(w io.Writer) error {
	p.Style = template.CSS(readAsset("page.css") + readAsset("picture.css"))
	p.Script = template.JS(readAsset("live.js"))
	return templates(p.Language).ExecuteTemplate(w, "page", p)
}

// WriteSVG writes the picture of a site's ways as an SVG document that stands alone.
func WriteSVG(w io.Writer, s Site) error {
	p := s.wideDiagram()
	p.Style = template.CSS(readAsset("picture.css"))
	return templates(s.Language).ExecuteTemplate(w, "picture", p)
}
