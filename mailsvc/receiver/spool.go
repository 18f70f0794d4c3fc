package receiver

import (
	"bytes"
	"io"
	"os"
)

// spoolInMemory is up to which size a message that has to be read twice is kept in memory, in
// octets; a larger one goes to a file meanwhile.
const spoolInMemory = 256 << 10

// spoolPrefix begins the name of such a file.
const spoolPrefix = ".spool-"

// spooledMessage is a message that can be read again.
type spooledMessage struct {
	io.ReadSeeker
	file *os.File // nil where it is in memory
}

// spool reads a message to its end. The error is that of reading, or of writing the file.
func spool(r io.Reader, dir string) (*spooledMessage, error) {
	var small bytes.Buffer
	switch _, err := io.CopyN(&small, r, spoolInMemory); {
	case err == io.EOF:
		return &spooledMessage{ReadSeeker: bytes.NewReader(small.Bytes())}, nil
	case err != nil:
		return nil, err
	}

	f, err := os.CreateTemp(dir, spoolPrefix+"*")
	if err != nil {
		return nil, err
	}

	s := &spooledMessage{f, f}
	if _, err = io.Copy(f, io.MultiReader(&small, r)); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}

	if err != nil {
		s.close()
		return nil, err
	}

	return s, nil
}

// close takes the file away.
func (s *spooledMessage) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}
