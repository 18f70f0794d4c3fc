// Package mail says what a mail site needs: the records of its zones, the
// forwards of its router, the settings of its mail server, the policies it has to
// serve, and which findings of its checks follow from which.
//
// It is pure: a Spec goes in, Items for the engine in package plan come out, and the
// texts that it writes are read back by functions beside those that write them. It
// asks nobody, knows no provider, router or mail server, and imports package plan
// and the standard library only.
package mail
