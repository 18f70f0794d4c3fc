package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// MakePrivate makes a directory, and those above it that are not there, that only who runs
// mailpub, administrators and the system can look into: permission bits say nothing here, and
// what is made on a system drive is readable by all users otherwise. What is put in it takes its
// rights over. One that is there stays as it is, with the rights that somebody gave it.
func MakePrivate(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := createPrivate(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	if info, err := os.Stat(dir); err != nil || info.IsDir() {
		return err
	}
	return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
}

// revision is SDDL_REVISION_1 (sddl.h).
const revision = 1

// createPrivate makes a directory with rights of its own from the first moment.
func createPrivate(dir string) error {
	who, err := user()
	if err != nil {
		return err
	}
	// Protected: nothing is taken over from above. Full access, for what is put in it too, for
	// the system, administrators and who makes it (security descriptor definition language).
	rights, err := syscall.UTF16PtrFromString("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;" + who + ")")
	if err != nil {
		return err
	}
	path, err := syscall.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	var descriptor uintptr
	convert := syscall.NewLazyDLL("advapi32.dll").NewProc("ConvertStringSecurityDescriptorToSecurityDescriptorW")
	if ok, _, err := convert.Call(uintptr(unsafe.Pointer(rights)), revision, uintptr(unsafe.Pointer(&descriptor)), 0); ok == 0 {
		return os.NewSyscallError("ConvertStringSecurityDescriptorToSecurityDescriptorW", err)
	}
	defer syscall.LocalFree(syscall.Handle(descriptor))
	sa := &syscall.SecurityAttributes{SecurityDescriptor: descriptor}
	sa.Length = uint32(unsafe.Sizeof(*sa))
	return syscall.CreateDirectory(path, sa)
}

// user is the security identifier of who runs this process.
func user() (string, error) {
	token, err := syscall.OpenCurrentProcessToken()
	if err != nil {
		return "", os.NewSyscallError("OpenProcessToken", err)
	}
	defer token.Close()
	who, err := token.GetTokenUser()
	if err != nil {
		return "", os.NewSyscallError("GetTokenInformation", err)
	}
	return who.User.Sid.String()
}
