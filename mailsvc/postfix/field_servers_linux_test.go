package postfix

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailRows are what the databases of the field know: domain, mailboxes and aliases of a site.
const mailRows = `CREATE TABLE domain (name VARCHAR(99));
INSERT INTO domain VALUES ('nomeazienda.it');
CREATE TABLE mailbox (address VARCHAR(99), path VARCHAR(99), login VARCHAR(99));
INSERT INTO mailbox VALUES ('mario@nomeazienda.it', 'mario/', 'mario');
INSERT INTO mailbox VALUES ('anna@nomeazienda.it', 'anna/', 'anna');
CREATE TABLE alias (address VARCHAR(99), target VARCHAR(99));
INSERT INTO alias VALUES ('info@nomeazienda.it', 'mario@nomeazienda.it');
INSERT INTO alias VALUES ('vendite@nomeazienda.it', 'anna@nomeazienda.it');
`

// fieldServers start what runs beside Postfix, until the test ends.
func fieldServers() map[string]func(*testing.T, *installed) {
	return map[string]func(*testing.T, *installed){
		"pgsql":     startPostgreSQL,
		"mysql":     startMariaDB,
		"ldap":      startSlapd,
		"socketmap": startSocketmap,
		"rspamd":    startRspamd,
		"filter":    startFilter,
		"policy":    startPolicy,
		"instance":  startInstance,
	}
}

// begin starts a program, on the lab's server with lan, and waits until ready. The test fails with what it
// printed.
func (i *installed) begin(t *testing.T, lan bool, ready func() error, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("%v: run .ci/setup as root", err)
		}
		t.Skipf("left out: %v", err)
	}

	if lan {
		args = append([]string{"netns", "exec", i.lab.Name + "-lan", name}, args...)
		name = "ip"
	}

	logPath := filepath.Join(i.Root, filepath.Base(args[len(args)-1])+".out")
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(name, args...)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(logPath)
			t.Logf("%s says\n%s", name, text)
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
		log.Close()
	})

	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ready()
		if err == nil {
			return
		}

		if time.Now().After(end) {
			text, _ := os.ReadFile(logPath)
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
	}
}

// listens is nil once something listens at a socket of a path, or at an address of the lab's server.
func (i *installed) listens(t *testing.T, at string) func() error {
	return func() error {
		var c net.Conn
		var err error
		if strings.HasPrefix(at, "/") {
			c, err = net.Dial("unix", at)
		} else {
			c, err = i.lab.Dial("lan")(t.Context(), "tcp", at)
		}

		if err == nil {
			c.Close()
		}

		return err
	}
}

// directory makes one that belongs to a user.
func (i *installed) directory(t *testing.T, name, owner string) string {
	t.Helper()
	dir := filepath.Join(i.Root, name)
	run(t, "install", "-d", "-m", "755", "-o", owner, dir)
	return dir
}

func startPostgreSQL(t *testing.T, i *installed) {
	const programs = "/usr/lib/postgresql/15/bin/"
	data := filepath.Join(i.directory(t, "pg", "postgres"), "data")
	run(t, "runuser", "-u", "postgres", "--", programs+"initdb", "-D", data, "-A", "trust",
		"--no-sync")

	socket := filepath.Dir(data)
	i.begin(t, false, i.listens(t, socket+"/.s.PGSQL.5432"), "runuser", "-u", "postgres", "--",
		programs+"postgres",
		"-c", "listen_addresses=", "-c", "fsync=off", "-k", socket, "-D", data)

	rows := filepath.Join(i.Root, "rows.sql")
	if err := os.WriteFile(rows, []byte(mailRows), 0o644); err != nil {
		t.Fatal(err)
	}

	run(t, "sh", "-c", "for try in 1 2 3 4 5 6 7 8 9; do "+programs+"pg_isready -q -h "+socket+
		" && break; sleep 0.5; done")

	run(t, "psql", "-q", "-h", socket, "-U", "postgres", "-f", rows)
}

func startMariaDB(t *testing.T, i *installed) {
	dir := i.directory(t, "my", "nobody")
	rows := filepath.Join(i.Root, "rows.sql")
	if err := os.WriteFile(rows, []byte("CREATE DATABASE mail;\nUSE mail;\n"+mailRows),
		0o644); err != nil {
		t.Fatal(err)
	}

	i.begin(t, false, i.listens(t, dir+"/s"), "mariadbd", "--no-defaults", "--user=nobody",
		"--skip-networking", "--skip-grant-tables",
		"--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M",
		"--innodb-flush-log-at-trx-commit=0", "--innodb-data-file-path=ibdata1:4M:autoextend",
		"--pid-file="+dir+"/pid", "--socket="+dir+"/s", "--init-file="+rows, "--datadir="+dir)
}

func startSlapd(t *testing.T, i *installed) {
	dir := i.directory(t, "ldap", "root")
	i.directory(t, "ldap/db", "root")
	config := "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n" +
		"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile " + dir +
		"/pid\ndatabase mdb\nsuffix \"dc=it\"\ndirectory " + dir + "/db\n"

	rows := "dn: dc=it\nobjectClass: dcObject\nobjectClass: organization\ndc: it\no: nomeazienda.it\n"
	for _, name := range []string{"mario", "anna"} {
		rows += fmt.Sprintf("\ndn: uid=%[1]s,dc=it\nobjectClass: inetOrgPerson\ncn: %[1]s\nsn: %[1]s\nuid: %[1]s\nmail: %[1]s@nomeazienda.it\ndescription: %[1]s/\n", name)
	}

	rows += "\ndn: cn=info,dc=it\nobjectClass: inetOrgPerson\ncn: info\nsn: info\nmail: info@nomeazienda.it\ninitials: mario@nomeazienda.it\n"
	for name, text := range map[string]string{"slapd.conf": config, "rows.ldif": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	run(t, "slapadd", "-f", dir+"/slapd.conf", "-l", dir+"/rows.ldif")

	i.begin(t, false, func() error {
		if err := os.Chmod(dir+"/s", 0o777); err != nil {
			return err
		}
		return i.listens(t, dir+"/s")()
	}, "slapd", "-h", "ldapi://"+strings.ReplaceAll(dir+"/s", "/", "%2F"), "-d", "0", "-f",
		dir+"/slapd.conf")
}

// startSocketmap is a server of tables (socketmap_table(5)), as Mailu has one.
func startSocketmap(t *testing.T, i *installed) {
	tables := map[string]map[string]string{
		"domain":  {"nomeazienda.it": "nomeazienda.it"},
		"mailbox": {"mario@nomeazienda.it": "mario@nomeazienda.it", "anna@nomeazienda.it": "anna@nomeazienda.it"},
		"alias":   {"info@nomeazienda.it": "mario@nomeazienda.it", "mario@nomeazienda.it": "mario@nomeazienda.it"},
		"senders": {"mario@nomeazienda.it": "mario"},
	}

	listener := i.lab.Listen(t, "lan", "127.0.0.1:5000")
	serve := func(c net.Conn) {
		defer c.Close()

		in := bufio.NewReader(c)
		for {
			size, err := in.ReadString(':')
			if err != nil {
				return
			}

			n, _ := strconv.Atoi(strings.TrimSuffix(size, ":"))
			request := make([]byte, n+1) // and the comma
			if _, err := io.ReadFull(in, request); err != nil {
				return
			}

			table, key, _ := strings.Cut(string(request[:n]), " ")
			answer := "NOTFOUND "
			if value, ok := tables[table][key]; ok {
				answer = "OK " + value
			}

			fmt.Fprintf(c, "%d:%s,", len(answer), answer)
		}
	}

	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
}

func startRspamd(t *testing.T, i *installed) {
	dir := i.directory(t, "rspamd", "_rspamd")
	// The list of top-level domains is short, as it is compiled for half a minute.
	config := fmt.Sprintf(`options {
  disable_hyperscan = true; filters = ""; rrd = ""; history_file = ""; stats_file = "";
  pidfile = "%[1]s/pid"; tempdir = "%[1]s"; cache_file = "%[1]s/cache"; hs_cache_dir = "%[1]s"; url_tld = "%[1]s/tld.dat";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; "add header" = 6; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:11332"; milter = yes; timeout = 20s; count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`, dir)

	for name, text := range map[string]string{"rspamd.conf": config, "tld.dat": "it\norg\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	i.begin(t, true, i.listens(t, "127.0.0.1:11332"), "rspamd", "-f", "-u", "_rspamd", "-g",
		"_rspamd", "-c", dir+"/rspamd.conf")
}

// startFilter is a filter after the queue that passes everything on, from where amavis listens to where it
// brings mail back.
func startFilter(t *testing.T, i *installed) {
	listener := i.lab.Listen(t, "lan", "127.0.0.1:10024")
	dial := i.lab.Dial("lan")
	pass := func(c net.Conn) {
		defer c.Close()

		back, err := dial(context.Background(), "tcp", "127.0.0.1:10025")
		if err != nil {
			return
		}

		defer back.Close()

		go io.Copy(back, c)
		io.Copy(c, back)
	}

	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(c)
		}
	}()
}

// startPolicy is a policy service that has nothing against anybody.
func startPolicy(t *testing.T, i *installed) {
	policy(t, i.lab, func(map[string]string) string { return "DUNNO" })
}

// startInstance makes a second instance of Postfix below the first (postmulti(1)): it starts and stops with
// it, takes mail at a port of its own, whose options are its alone, and no plan touches its files.
func startInstance(t *testing.T, i *installed) {
	second := i.Root + "/postfix-out"
	run(t, "cp", "-a", i.Postfix, second)
	i.directory(t, "spool-out", "root")
	i.directory(t, "lib-out", "postfix")
	of := func(args ...string) {
		run(t, "postconf", append([]string{"-c", second}, args...)...)
	}

	for _, s := range []string{"queue_directory=" + i.Root + "/spool-out",
		"data_directory=" + i.Root + "/lib-out", "multi_instance_name=postfix-out",
		"multi_instance_enable=yes", "mydestination=", "inet_interfaces=127.0.0.1",
		"maillog_file=" + i.Root + "/log-out"} {
		of("-e", s)
	}

	of("-M#", "smtp/inet")
	of("-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd -o smtpd_sender_restrictions= -o mynetworks=127.0.0.0/8 -o smtpd_forbid_bare_newline=no")
	i.set(t, "multi_instance_directories="+second, "multi_instance_enable=yes",
		"multi_instance_wrapper=/usr/sbin/postmulti -p --")

	before, err := os.ReadFile(second + "/main.cf")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		now, err := os.ReadFile(second + "/main.cf")
		if err != nil || string(now) != string(before) {
			t.Errorf("the other instance's main.cf is %q (%v), and was %q", now, err, before)
		}
		if err := i.listens(t, "127.0.0.1:10026")(); err != nil && t.Context().Err() == nil {
			t.Errorf("the other instance: %v", err)
		}
	})
}
