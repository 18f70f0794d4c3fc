package durable

import (
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// private fails unless only the system, administrators and who runs the test have rights in dir.
func private(t *testing.T, dir string) {
	t.Helper()
	const file, discretionary = 1, 4 // SE_FILE_OBJECT, DACL_SECURITY_INFORMATION
	path, err := syscall.UTF16PtrFromString(dir)
	if err != nil {
		t.Fatal(err)
	}
	advapi := syscall.NewLazyDLL("advapi32.dll")
	var descriptor uintptr
	if code, _, _ := advapi.NewProc("GetNamedSecurityInfoW").Call(uintptr(unsafe.Pointer(path)), file, discretionary,
		0, 0, 0, 0, uintptr(unsafe.Pointer(&descriptor))); code != 0 {
		t.Fatal(syscall.Errno(code))
	}
	defer syscall.LocalFree(syscall.Handle(descriptor))
	var text *uint16
	var length uint32
	if ok, _, err := advapi.NewProc("ConvertSecurityDescriptorToStringSecurityDescriptorW").Call(descriptor, revision, discretionary,
		uintptr(unsafe.Pointer(&text)), uintptr(unsafe.Pointer(&length))); ok == 0 {
		t.Fatal(err)
	}
	defer syscall.LocalFree(syscall.Handle(unsafe.Pointer(text)))
	got := syscall.UTF16ToString(unsafe.Slice(text, length))
	me, err := user()
	if err != nil {
		t.Fatal(err)
	}
	_, entries, _ := strings.Cut(got, "(")
	for _, entry := range strings.Split(strings.TrimSuffix(entries, ")"), ")(") {
		who := entry[strings.LastIndex(entry, ";")+1:]
		if who != "SY" && who != "BA" && who != me && strings.HasPrefix(entry, "A;") {
			t.Errorf("%s has rights in %s: %s", who, dir, got)
		}
	}
	t.Log(got)
}
