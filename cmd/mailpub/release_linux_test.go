package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// needsCommands skips a test where commands are missing, unless they must be there.
func needsCommands(t *testing.T, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := exec.LookPath(c); err == nil {
			continue
		}
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no %s here", c)
		}
		t.Skipf("left out: no %s here", c)
	}
}

// fakeRelease is a directory with small files in the place of what .ci/packages makes, and their checksums.
func fakeRelease(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{
		"darwin_amd64.tar.gz", "darwin_arm64.tar.gz",
		"linux_amd64.tar.gz", "linux_arm64.tar.gz",
		"windows_amd64.zip", "windows_arm64.zip",
	} {
		put(t, filepath.Join(dir, "mailpub_0.1.0_"+name), fmt.Sprint("content ", i))
	}

	onThisMachine(t, nil, "sh", "-c", `cd "$0" && sha256sum * >SHA256SUMS`, dir)
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The formula is Ruby, and has for each system the archive of the release with its checksum.
func TestReleaseFormula(t *testing.T) {
	needsCommands(t, "ruby")
	dir := fakeRelease(t)
	onThisMachine(t, []string{"VERSION=0.1.0"}, ".ci/release-manifests", dir)
	path := filepath.Join(dir, "homebrew", "mailpub.rb")

	// What Homebrew would call is recorded, so that the formula is run, not only parsed.
	out := onThisMachine(t, nil, "ruby", "-e", `
class Formula
  def self.method_missing(name, *args, &block)
    puts ([name] + args).join(" ")
    block.call if block
  end
  def self.respond_to_missing?(*) = true
  def self.test(*) = puts("test")
end
load ARGV[0]
abort "no install" unless Mailpub.method_defined?(:install)
`, path)

	has(t, out, "version 0.1.0\n", "license Apache-2.0\n", "test")
	sums := content(t, filepath.Join(dir, "SHA256SUMS"))
	for system, calls := range map[string]string{
		"darwin_arm64": "on_macos\non_arm\n", "darwin_amd64": "on_intel\n",
		"linux_arm64": "on_linux\non_arm\n", "linux_amd64": "on_intel\n",
	} {
		sum := regexp.MustCompile(`([0-9a-f]{64})  mailpub_0.1.0_` + system).FindStringSubmatch(sums)[1]
		has(t, out, calls+"url https://github.com/mailpub/mailpub/releases/download/v0.1.0/mailpub_0.1.0_"+
			system+".tar.gz\nsha256 "+sum+"\n")
	}

	if desc := regexp.MustCompile(`(?m)^desc (.*)$`).FindStringSubmatch(out)[1]; len(desc) > 80 || strings.HasSuffix(desc, ".") {
		t.Errorf("brew audit would refuse %q: at most 80 characters, without a full stop", desc)
	}
}

// The manifest of scoop names the archives of both systems, and what to do for the next version.
func TestReleaseScoop(t *testing.T) {
	dir := fakeRelease(t)
	onThisMachine(t, []string{"VERSION=0.1.0"}, ".ci/release-manifests", dir)

	var m struct {
		Version, Description, Homepage, License, Bin, Checkver string
		Architecture                                           map[string]struct {
			URL, Hash  string
			ExtractDir string `json:"extract_dir"`
		}
		Autoupdate struct {
			Architecture map[string]struct{ URL string }
			Hash         struct{ URL string }
		}
	}

	if err := json.Unmarshal([]byte(content(t, filepath.Join(dir, "scoop", "mailpub.json"))), &m); err != nil {
		t.Fatal(err)
	}

	if m.Version != "0.1.0" || m.License != "Apache-2.0" || m.Bin != "mailpub.exe" || m.Checkver != "github" ||
		len(m.Architecture) != 2 || len(m.Autoupdate.Architecture) != 2 || m.Description == "" || m.Homepage == "" {
		t.Errorf("the manifest is %+v", m)
	}

	sums := content(t, filepath.Join(dir, "SHA256SUMS"))
	for arch, a := range m.Architecture {
		name := a.URL[strings.LastIndex(a.URL, "/")+1:]
		if !strings.Contains(sums, a.Hash+"  "+name+"\n") || a.ExtractDir+".zip" != name {
			t.Errorf("%s: %+v is not in the checksums", arch, a)
		}

		next := strings.ReplaceAll(m.Autoupdate.Architecture[arch].URL, "$version", "0.1.0")
		if next != a.URL {
			t.Errorf("%s: the next version would come from %s", arch, next)
		}
	}
}

// winget wants three files, with fields of certain forms (its manifest schema 1.6.0).
func TestReleaseWinget(t *testing.T) {
	dir := fakeRelease(t)
	onThisMachine(t, []string{"VERSION=0.1.0"}, ".ci/release-manifests", dir)

	form := map[string]map[string]string{
		"mailpub.mailpub.yaml": {
			"DefaultLocale": `^en-US$`, "ManifestType": `^version$`,
		},
		"mailpub.mailpub.installer.yaml": {
			"InstallerType": `^zip$`, "NestedInstallerType": `^portable$`, "ManifestType": `^installer$`,
		},
		"mailpub.mailpub.locale.en-US.yaml": {
			"PackageLocale": `^en-US$`, "Publisher": `^.{2,256}$`, "PackageName": `^.{2,256}$`,
			"License": `^.{3,512}$`, "ShortDescription": `^.{3,256}$`, "ManifestType": `^defaultLocale$`,
		},
	}

	for file, fields := range form {
		var m map[string]any
		text := content(t, filepath.Join(dir, "winget", file))
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		fields["PackageIdentifier"] = `^[^.\s]{1,32}(\.[^.\s]{1,32}){1,7}$`
		fields["PackageVersion"] = `^0\.1\.0$`
		fields["ManifestVersion"] = `^1\.6\.0$`
		for name, want := range fields {
			if got := fmt.Sprint(m[name]); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %s is %q, want %s", file, name, got, want)
			}
		}
	}

	var installers struct {
		Installers []struct {
			Architecture, InstallerUrl, InstallerSha256 string
			NestedInstallerFiles                        []struct{ RelativeFilePath, PortableCommandAlias string }
		}
	}

	// Its own names are in upper case.
	text := content(t, filepath.Join(dir, "winget", "mailpub.mailpub.installer.yaml"))
	for _, name := range []string{"Installers", "Architecture", "InstallerUrl", "InstallerSha256", "NestedInstallerFiles",
		"RelativeFilePath", "PortableCommandAlias"} {
		text = strings.ReplaceAll(text, name+":", strings.ToLower(name)+":")
	}

	if err := yaml.Unmarshal([]byte(text), &installers); err != nil {
		t.Fatal(err)
	}
	if len(installers.Installers) != 2 {
		t.Fatalf("%d installers: %s", len(installers.Installers), text)
	}

	sums := content(t, filepath.Join(dir, "SHA256SUMS"))
	for _, i := range installers.Installers {
		name := i.InstallerUrl[strings.LastIndex(i.InstallerUrl, "/")+1:]
		inside := strings.TrimSuffix(name, ".zip") + `\mailpub.exe`
		if !strings.Contains(sums, strings.ToLower(i.InstallerSha256)+"  "+name+"\n") ||
			i.InstallerSha256 != strings.ToUpper(i.InstallerSha256) ||
			i.NestedInstallerFiles[0].RelativeFilePath != inside {
			t.Errorf("an installer is %+v", i)
		}
	}
}

// A file that the checksums do not have ends the making of manifests.
func TestReleaseIncomplete(t *testing.T) {
	dir := fakeRelease(t)
	sums := content(t, filepath.Join(dir, "SHA256SUMS"))
	put(t, filepath.Join(dir, "SHA256SUMS"), regexp.MustCompile(`(?m)^.*windows_arm64.zip\n`).ReplaceAllString(sums, ""))

	cmd := exec.Command(".ci/release-manifests", dir)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "VERSION=0.1.0")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "has no mailpub_0.1.0_windows_arm64.zip") {
		t.Errorf("%v: %s", err, out)
	}
}

// The checksums are signed: minisign verifies them with the public key, and nothing that was changed since.
func TestReleaseSigned(t *testing.T) {
	needsCommands(t, "minisign")
	dir := fakeRelease(t)
	keys := t.TempDir()
	public := filepath.Join(keys, "minisign.pub")
	secret := filepath.Join(keys, "minisign.key")
	onThisMachine(t, nil, "minisign", "-G", "-W", "-p", public, "-s", secret)
	onThisMachine(t, []string{"VERSION=0.1.0", "MINISIGN_KEY=" + secret}, ".ci/release-sign", dir)

	verify := func() (string, error) {
		cmd := exec.Command("sh", "-c", `minisign -V -p "$0" -m SHA256SUMS && sha256sum --check --strict SHA256SUMS`, public)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	out, err := verify()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	has(t, out, "Signature and comment signature verified", "Trusted comment: mailpub 0.1.0", "windows_arm64.zip: OK")
	put(t, filepath.Join(dir, "mailpub_0.1.0_linux_amd64.tar.gz"), "something else")
	if out, err := verify(); err == nil {
		t.Errorf("a file that was replaced: %s", out)
	}

	onThisMachine(t, nil, "sh", "-c", `cd "$0" && sha256sum mailpub* >SHA256SUMS`, dir)
	if out, err := verify(); err == nil || !strings.Contains(out, "Signature verification failed") {
		t.Errorf("checksums that were replaced: %v: %s", err, out)
	}
}

// The image is one for all systems, as skopeo reads it, and has mailpub's user, directory and program.
func TestReleaseImage(t *testing.T) {
	needsCommands(t, "skopeo")
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64"} {
		root := t.TempDir()
		put(t, filepath.Join(root, "mailpub"), "program for "+arch)
		onThisMachine(t, nil, "tar", "-C", root, "-czf", filepath.Join(dir, "mailpub_0.1.0_linux_"+arch+".image.tar.gz"), "mailpub")
	}

	env := []string{"VERSION=0.1.0", "SOURCE_DATE_EPOCH=1796000000"}
	onThisMachine(t, env, ".ci/release-image", dir)
	archive := filepath.Join(dir, "mailpub_0.1.0.oci.tar")
	first := content(t, archive)
	onThisMachine(t, env, ".ci/release-image", dir)
	if content(t, archive) != first {
		t.Error("the same files make another image")
	}

	for _, arch := range []string{"amd64", "arm64"} {
		out := t.TempDir()
		onThisMachine(t, nil, "skopeo", "--override-os", "linux", "--override-arch", arch, "copy", "--insecure-policy", "-q",
			"oci-archive:"+archive+":0.1.0", "dir:"+out)

		text := onThisMachine(t, nil, "skopeo", "inspect", "--config", "dir:"+out)
		var c struct {
			Architecture, OS string
			Config           struct {
				User, WorkingDir string
				Entrypoint       []string
				Labels           map[string]string
			}
		}

		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if c.Architecture != arch || c.OS != "linux" || c.Config.User != "65532:65532" || c.Config.WorkingDir != "/site" ||
			fmt.Sprint(c.Config.Entrypoint) != "[/mailpub]" || c.Config.Labels["org.opencontainers.image.version"] != "0.1.0" {
			t.Errorf("%s: %s", arch, text)
		}

		layers := onThisMachine(t, nil, "sh", "-c", `for f in "$0"/*; do tar -xzOf "$f" mailpub 2>/dev/null || true; done`, out)
		if layers != "program for "+arch {
			t.Errorf("%s: its layer has %q", arch, layers)
		}
	}
}

// A release has a version of the changelog, a clean checkout, and a key.
func TestReleaseRefused(t *testing.T) {
	dir := cloned(t)
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindStringSubmatch(content(t, "../../CHANGELOG.md"))
	if newest == nil {
		t.Fatal("CHANGELOG.md has no version by Keep a Changelog")
	}

	put(t, filepath.Join(dir, "not-committed"), "")
	for _, c := range []struct {
		env  []string
		want string
	}{
		{[]string{"VERSION=9.9.9"}, "VERSION is 9.9.9, but the newest in CHANGELOG.md is " + newest[1]},
		{nil, "MINISIGN_KEY is not set"},
		{[]string{"MINISIGN_KEY=/nowhere"}, "the checkout has changes that are not committed"},
	} {
		cmd := exec.Command(".ci/release")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), c.env...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v, %s, want %q", c.env, err, out, c.want)
		}
	}
}
