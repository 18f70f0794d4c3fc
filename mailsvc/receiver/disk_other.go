//go:build !linux

package receiver

import "errors"

// Only Linux makes a whole file system durable at once and says when that failed.
func (osDisk) groups() bool                                    { return false }
func (osDisk) boot() string                                    { return "" }
func (osFile) device() (uint64, error)                         { return 0, errors.ErrUnsupported }
func (osDisk) lock(string) (file, error)                       { return nil, errors.ErrUnsupported }
func (osDisk) syncAll(string) error                            { return errors.ErrUnsupported }
func (osDisk) reserve(string, int64) (preallocatedFile, error) { return nil, errors.ErrUnsupported }
