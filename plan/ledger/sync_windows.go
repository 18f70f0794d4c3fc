package ledger

// syncDir does nothing: on Windows a directory can't be synced, and NTFS journals
// the rename.
func syncDir(string) error { return nil }
