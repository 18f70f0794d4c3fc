package postfix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// file is a file as it is and as it is to be; nil is no file.
type file struct {
	disk     durable.Disk
	path     string
	old, new []byte
	written  bool // by this edit
}

func (f *file) changes() bool {
	return (f.old == nil) != (f.new == nil) || string(f.old) != string(f.new)
}

func (d *Driver) open(path string) (*file, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &file{disk: d.Disk, path: path}, nil
	}

	if data == nil {
		data = []byte{} // empty, but there
	}

	return &file{
		disk: d.Disk,
		path: path,
		old:  data,
		new:  data,
	}, err
}

// put makes the file what it is to be, or what it was.
func (f *file) put(data []byte) error {
	f.written = true
	if data == nil {
		return f.disk.Remove(f.path)
	}
	return f.disk.ReplaceShared(f.path, data, 0o644)
}

// edit is a batch of changes as what becomes of the files.
type edit struct {
	s                     *state
	main, addresses, drop *file
	hosts                 *file
	settings, table       *document
	wasMain, wasTable     *document // as the dated copies have them
	former                *file     // the table of older versions, where it holds rows of ours
	formerRows            *document
	names, rows           []string // of settings and addresses that change
	restart               bool     // a reload does not do
	reload                bool     // even where no file changes
	release               bool     // what is set now is no longer mailpub's
	refused               []string // local parts that the site wants refused
	ways                  map[string]string
}

// tableHead begins a table that mailpub made. There was none before, so that it needs no
// copy, and goes with the last of its entries.
const tableHead = "# Made by mailpub; after manual changes run postmap.\n"

// files are all that an edit may write.
func (e *edit) files() []*file {
	return []*file{e.main, e.addresses, e.former, e.drop,
		e.hosts}
}

// tableFile is the source of a table that is indexed.
type tableFile struct {
	*file
	table string
}

func (e *edit) tables(d *Driver) []tableFile {
	return []tableFile{{e.addresses, e.s.table}, {e.former, d.formerTable()}}
}

// changes reports whether any file is to be other than it is.
func (e *edit) changes() bool { return slices.ContainsFunc(e.files(), (*file).changes) }

func (d *Driver) edit(s *state) (*edit, error) {
	e := &edit{s: s}
	var err error
	for _, f := range []struct {
		file **file
		path string
	}{{&e.main, d.main()}, {&e.addresses, pathOf(s.table)},
		{&e.former, pathOf(d.formerTable())}, {&e.drop, d.dropIn()}, {&e.hosts, d.Hosts}} {
		if *f.file, err = d.open(f.path); err != nil {
			return nil, err
		}
	}

	e.settings, e.table = parseMain(string(e.main.old)), parseTable(string(e.addresses.old))
	if e.addresses.old == nil {
		e.table = parseTable(tableHead)
	}

	e.formerRows = parseTable(string(e.former.old))
	if e.wasMain, err = originalOf(e.main, parseMain); err == nil {
		e.wasTable, err = originalOf(e.former, parseTable)
	}

	return e, err
}

// originalOf parses the dated copy of a file, or where there is none the file itself.
func originalOf(f *file, parse func(string) *document) (*document, error) {
	path := durable.CopyOf(f.path)
	if path == "" {
		return parse(string(f.old)), nil
	}
	data, err := os.ReadFile(path)
	return parse(string(data)), err
}

// set puts the text of a key in place; nil takes it out.
func (d *Driver) set(e *edit, k plan.Key, lines []string) error {
	if len(lines) > 1 || len(lines) == 1 && strings.ContainsAny(lines[0], "\r\n") {
		return fmt.Errorf("%s: want one line, not %q", k, lines)
	}

	text := strings.Join(lines, "")
	where, name, _ := strings.Cut(k.Name, " ")
	switch {
	case where == inMain:
		domain, setting := splitMain(k.Name)
		if domain != "" {
			return e.setDomain(domain, text)
		}
		e.setMain(setting, text)
	case where == inTable:
		e.setAddress(name, text)
	case where == mail.NeedHosts:
		return d.setHosts(e, name, text)
	case k == unfinishedKey:
	case k.Name == dovecotKey:
		e.drop.new = nil
		if text == socket {
			e.drop.new = []byte(dropInText(e.s.socket()))
		}
	default:
		return fmt.Errorf("%q is no setting of Postfix", k.Name)
	}

	return nil
}

func (e *edit) setMain(name, text string) {
	e.names = append(e.names, name)
	e.restart = e.restart || name == "inet_interfaces" || name == "inet_protocols"
	if name == "smtpd_recipient_restrictions" {
		e.refused = refusedLocals(text)
	}

	if _, had := e.wasMain.get(name); e.release && !had { // what was there before was the default
		text = ""
	}

	if text == "" {
		e.settings.remove(name)
		return
	}

	e.settings.set(name, literal(text), strings.TrimRight(name+" = "+literal(text), " ")+"\n")
}

// refusedLocals are the local parts that a list of ours refuses: see speller.accounts.
func refusedLocals(list string) (locals []string) {
	for _, e := range elements(list) {
		rows, ours := strings.CutPrefix(e, "check_recipient_access inline:")
		if !ours {
			continue
		}

		for _, row := range elements(strings.TrimSuffix(strings.TrimPrefix(rows, "{"), "}")) {
			local, _, _ := strings.Cut(strings.Trim(row, "{} "), "@")
			locals = append(locals, local)
		}
	}

	return locals
}

// setDomain puts a domain into mydestination, or takes it out. Where others have it served
// in another class, it is there to stay.
func (e *edit) setDomain(domain, text string) error {
	const name = "mydestination"
	if text != "" && text != mail.Served {
		return fmt.Errorf("mydestination %s: want %q, not %q", domain, mail.Served, text)
	}

	value, ok := e.settings.get(name)
	if !ok {
		value = "$myhostname, localhost.$mydomain, localhost" // the default
	}

	list := slices.DeleteFunc(elements(value), func(s string) bool {
		return strings.EqualFold(s, domain)
	})

	if text != "" {
		list = append(list, domain)
	}

	was, had := e.wasMain.get(name)
	if !had && slices.Equal(list, elements("$myhostname, localhost.$mydomain, localhost")) ||
		had && was == "" && len(list) == 0 {
		list = nil
	}

	if list == nil && !had {
		e.setMain(name, "")
		return nil
	}

	e.setMain(name, canonical(name, strings.Join(list, ", ")))
	return nil
}

func (e *edit) setAddress(address, text string) {
	e.rows = append(e.rows, address)
	if text == "" && e.table.find(address) < 0 && e.wroteFormer() {
		e.formerRows.remove(address)
		return
	}

	if text == "" {
		e.table.remove(address)
		return
	}

	e.table.set(address, text, address+"\t"+text+"\n")
}

// finish makes the new texts. What is again as the copy has it is spelt as there.
func (e *edit) finish() {
	for _, name := range e.names {
		e.settings.restore(name, e.wasMain, func(a, b string) bool {
			return canonical(name, a) == canonical(name, b)
		})
	}

	for _, address := range e.rows {
		e.formerRows.restore(address, e.wasTable, func(a, b string) bool {
			return destinations(a) == destinations(b)
		})
	}

	e.main.new = []byte(whole(e.settings, e.wasMain))
	if text := e.table.String(); text != tableHead {
		e.addresses.new = []byte(text)
	} else {
		e.addresses.new = nil
	}

	if e.former.old == nil {
		return
	}

	if text := whole(e.formerRows, e.wasTable); text != tableHead {
		e.former.new = []byte(text)
	} else {
		e.former.new = nil
	}
}

// wroteFormer reports whether an older version of mailpub wrote into the table that it shared.
func (e *edit) wroteFormer() bool {
	return strings.HasPrefix(string(e.former.old), tableHead) ||
		durable.CopyOf(e.former.path) != ""
}

// whole prints a text; one that differs from an older one by nothing but the end of its last
// line is that.
func whole(d, was *document) string {
	if text := d.String(); text != was.String()+"\n" {
		return text
	}
	return was.String()
}
