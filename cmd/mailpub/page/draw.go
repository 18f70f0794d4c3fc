package page

import (
	"html/template"
	"strings"
	"unicode"
)

// diagram is the two ways, laid out.
type diagram struct {
	Site          string
	Headline      string
	Width, Height int
	Style         template.CSS // set in a picture that stands alone
	Labels        []label
	Boxes         []box
	Lines         []line
}

type label struct {
	X, Y int
	Text string
}

type box struct {
	hopStatus
	X, Y, W, H int
}

// Mark and Words are those of the box's health.
func (b box) Mark() string { return b.Health.mark() }

// Words says in words what Mark shows.
func (b box) Words() string { return b.Health.Words() }

// line leads from one box to the next. Health is that of where it leads.
type line struct {
	X1, Y1, X2, Y2 int
	Health         health
}

// Middle is where the mark of a break stands.
func (l line) Middle() (at struct{ X, Y int }) {
	at.X = (l.X1 + l.X2) / 2
	at.Y = (l.Y1 + l.Y2) / 2
	return at
}

// Head is the arrow's head.
func (l line) Head() struct{ X, Y, Angle int } {
	angle := 0
	switch {
	case l.X2 < l.X1:
		angle = 180
	case l.Y2 > l.Y1:
		angle = 90
	}

	return struct{ X, Y, Angle int }{l.X2, l.Y2, angle}
}

// Sizes of the picture, in its own units.
const (
	boxW, boxH = 164, 62
	gapX, gapY = 44, 40
	labelH     = 30
	margin     = 8
)

// wideDiagram draws the ways as two rows, of which the one out runs from right to left, so that the
// same party stands in the same column.
func (s Site) wideDiagram() diagram {
	in, out := s.paths()
	columns := len(in.Stations)
	p := diagram{
		Site:     s.Site,
		Headline: s.Headline(),
		Width:    columns*(boxW+gapX) - gapX + 2*margin,
		Height:   2*(labelH+boxH) + gapY + 2*margin,
	}

	y := margin
	p.drawPath(in, y, func(i int) int { return i })
	y += labelH + boxH + gapY
	p.drawPath(out, y, func(i int) int { return len(out.Stations) - 1 - i })

	return p
}

// drawPath draws a way, of which station i stands in column(i).
func (p *diagram) drawPath(w mailPath, y int, column func(int) int) {
	p.Labels = append(p.Labels, label{margin, y + 18, w.Name})
	for i, st := range w.Stations {
		b := box{st, margin + column(i)*(boxW+gapX), y + labelH, boxW, boxH}
		if i > 0 {
			from := p.Boxes[len(p.Boxes)-1]
			l := line{from.X + boxW, b.Y + boxH/2, b.X, b.Y + boxH/2, st.Health}
			if b.X < from.X {
				l.X1 = from.X
				l.X2 = b.X + boxW
			}
			p.Lines = append(p.Lines, l)
		}

		p.Boxes = append(p.Boxes, b)
	}
}

// tallDiagram draws the ways one below the other, for a narrow screen.
func (s Site) tallDiagram() diagram {
	in, out := s.paths()
	const width, high, gap = 320, 58, 26
	p := diagram{Site: s.Site, Headline: s.Headline(), Width: width}
	y := margin

	for _, w := range []mailPath{in, out} {
		p.Labels = append(p.Labels, label{margin, y + 18, w.Name})
		y += labelH
		for i, st := range w.Stations {
			b := box{st, margin, y, width - 2*margin, high}
			if i > 0 {
				p.Lines = append(p.Lines, line{width / 2, y - gap, width / 2, y, st.Health})
			}
			p.Boxes = append(p.Boxes, b)
			y += high + gap
		}
	}

	p.Height = y - gap + margin
	return p
}

// short cuts text to so many characters. Control characters are not for documents.
func short(most int, s string) string {
	s = printable(s)
	if r := []rune(s); len(r) > most {
		return strings.TrimRight(string(r[:most-1]), " ") + "…"
	}
	return s
}

// printable makes text from outside fit for a document: what can't be printed becomes "�".
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}
