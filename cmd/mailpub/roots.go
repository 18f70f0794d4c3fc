package main

import (
	"crypto/x509"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// placesOfRoots are where crypto/x509 looks for the certificates that a Linux system trusts
// (root_linux.go there). Debian's file comes first, so that one look is enough there.
var placesOfRoots = []string{
	"etc/ssl/certs/ca-certificates.crt",
	"etc/ssl/certs", "etc/pki/tls/certs", "etc/ssl/ca-bundle.pem", "etc/pki/tls/cacert.pem",
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "etc/ssl/cert.pem",
}

// useFallbackRoots lets Mozilla's roots count where the system has none: in a container image from
// scratch, or on a bare router. What the system has counts alone. To read them takes 3 ms, so that
// it is not done for nothing.
func useFallbackRoots() {
	if runtime.GOOS == "linux" && !hasRoots(os.DirFS("/")) {
		x509.SetFallbackRoots(mozillaRoots())
	}
}

func hasRoots(system fs.FS) bool {
	for _, place := range placesOfRoots {
		if info, err := fs.Stat(system, place); err == nil &&
			(!info.IsDir() || !emptyDir(system, place)) {
			return true
		}
	}
	return false
}

func emptyDir(system fs.FS, dir string) bool {
	inside, err := fs.ReadDir(system, dir)
	return err == nil && len(inside) == 0
}

func mozillaRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // one that this Go can't read trusts nobody
		}

		if root.Constraint == nil {
			pool.AddCert(c)
		} else {
			pool.AddCertWithConstraint(c, root.Constraint)
		}
	}

	return pool
}
