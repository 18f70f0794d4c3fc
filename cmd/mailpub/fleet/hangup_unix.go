//go:build unix

package fleet

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyReload sends to c when somebody asks for the configs to be read again.
func notifyReload(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
