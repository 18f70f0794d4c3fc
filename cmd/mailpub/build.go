package main

import (
	"runtime"
	"runtime/debug"
)

// release is the version of the package that this program comes in; .ci/packages sets it (go build
// -ldflags -X). Others know theirs from the module or the repository that they were built of.
var release string

// buildInfo is what is known of this program.
type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func version() buildInfo {
	v := buildInfo{"devel", "", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}

	switch {
	case release != "":
		v.Version = release
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		v.Version = info.Main.Version
	}

	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}

	return v
}
