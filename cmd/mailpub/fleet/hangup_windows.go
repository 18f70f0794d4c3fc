package fleet

import "os"

// onHangup does nothing: Windows has no such signal.
func onHangup(chan<- os.Signal) {}
