package durable

// SyncDir does nothing: on Windows a directory can't be synced, and NTFS journals
// the rename.
func SyncDir(string) error { return nil }
