package receive

import "errors"

// account is a user of the system. On Windows the service itself runs as one.
type account struct{}

func lookupAccount(string) (*account, error) { return nil, errors.ErrUnsupported }

func (a *account) become() error              { return errors.ErrUnsupported }
func (a *account) makeDir(string) error       { return errors.ErrUnsupported }
func (a *account) canRead(string) error       { return errors.ErrUnsupported }
func (a *account) canWrite(string, int) error { return errors.ErrUnsupported }
