package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // without cgo
)

// settings are made on each connection. WAL lets a report read while the daemon writes; a lost second at a power cut
// is no harm.
const settings = `PRAGMA journal_mode(WAL); PRAGMA synchronous(NORMAL); PRAGMA auto_vacuum(INCREMENTAL);`

// errExchanged says that another account put another file in the place of the one that was looked at.
var errExchanged = errors.New("another file was put in its place while it was opened")

// connector opens connections to one file. SQLite opens it by its path; a connector then sees whether that was the
// file that mailpub looked at, before anything of it is read or written.
type connector struct {
	driver.Connector
	file *os.File
}

func newConnector(path string, file *os.File) (connector, error) {
	source := url.URL{
		Scheme:   "file",
		Opaque:   (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(),
		RawQuery: "_pragma=busy_timeout(2000)",
	}
	c, err := sqlite.NewConnector(source.String())
	return connector{Connector: c, file: file}, err
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	before, countable := descriptors(c.file)
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}

	if after, ok := descriptors(c.file); countable && ok && after <= before {
		conn.Close()
		return nil, errExchanged
	}

	exec, ok := conn.(driver.ExecerContext)
	if !ok {
		conn.Close()
		return nil, errors.New("the SQLite driver executes nothing")
	}

	if _, err := exec.ExecContext(ctx, settings, nil); err != nil {
		conn.Close()
		return nil, err
	}

	return conn, nil
}
