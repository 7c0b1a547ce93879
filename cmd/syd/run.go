// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	_ "embed" // esyd.sh
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"syd/syd"
	"syd/syd/audit"
)

const (
	version    = "3.52.0-go.1"
	apiVersion = 3
	usage      = `Usage: syd [options] [--] COMMAND [ARGUMENT...]
       syd [options] --print
       syd --api | --check | --sh | -p list
       syd

Runs COMMAND in a sandbox and exits with its status: its exit code, 128+N if
signal N killed it. Without a rule that allows it nothing is executed. Without
any argument the user's shell is run, as a login shell with -p user.

Options:
  -m COMMAND   one configuration command (below)
  -P FILE      a file of them, NAME.syd-3, that only root or you may write
  -p NAME      a built-in profile (below); list = print the names
               (-m, -P and -p may be repeated; later ones win)
  --print      print the configuration that -m, -P and -p make; start nothing
  -a NAME      argv[0] of COMMAND
  -e VAR=VAL   set an environment variable; VAR unsets it; VAR= passes on one
               that would be dropped (LD_*, and names with PASSWORD,
               CREDENTIAL, TOKEN or KEY as a word)
  -x           observe: log what would be denied, and let it happen
  --learn FILE run COMMAND, which may do whatever no rule denies, and write to
               FILE, NAME.syd-3, what it did as a policy that allows it: the
               rules of -m, -P and -p, and as many as it needs besides
  -E FILTER:FORMAT  print a filter and exit. FILTER: sandbox, process (all of
               syd's own threads), tracer, monitor, worker, writer; FORMAT: rules
               (a table), pfc (libseccomp's pseudo code), bpf (what is loaded)
  -h, -V       print this help, the version
  --api        print the number of the configuration language's version
  --check      exit 0 inside a sandbox of syd, 1 outside
  --sh         print a shell function that speaks to the sandbox: eval "$(syd --sh)"

Configuration commands:
  ACTION/CATEGORIES+PATTERN    add a rule; the last rule that matches wins
  ACTION/CATEGORIES-PATTERN    remove the newest equal rule; ^ removes all equal
  reset                        forget all that was said before
  include FILE                 read FILE here, relative to the including file
  include_profile NAME         read a built-in profile here
  default/CATEGORIES:ACTION    what happens where no rule matches
  sandbox/CATEGORIES:on|off    whether the categories are decided on at all
  mask+PATTERN                 calls on these files work on /dev/null (- and ^ remove)
  append+PATTERN               these files are written at their end only (- ^)
  lock:off|exec|ipc|drop|read|on  who may change the policy of the running sandbox
  config/expand:SECONDS        if it isn't 0, what follows may have $NAME and ${NAME}
  pid/max:N                    from how many tasks on the pid category decides
  segvguard/expiry:SECONDS     how long a crash counts; 0 = off
  segvguard/maxcrashes:N       how many suspend an executable
  segvguard/suspension:SECONDS and for how long
  trace/exit_wait_all:on|off   wait for all processes, not only for COMMAND
  trace/allow_unsafe_env:on|off        pass the environment on as it is
  trace/allow_unsafe_nocookie:on|off   syd's own system calls need no cookies
  trace/allow_unsafe_nomseal:on|off    their page is not sealed
  trace/allow_unsafe_exec_speculative:on|off  no mitigation of Speculative Store
                               Bypass
  trace/allow_safe_kcapi:on|off        syd may use the kernel's crypto interface
  trace/allow_safe_setuid:on|off       syd may make the transitions that
  trace/allow_safe_setgid:on|off       setuid+SRC:DST, setgid+SRC:DST add (- and ^
                               remove: ^SRC all of a source)
  ACTION: allow warn filter deny panic stop abort kill exit
  CATEGORIES, joined by commas: walk list stat read write exec ioctl create delete
           rename symlink truncate chdir readdir mkdir rmdir chown chgrp chmod
           chattr chroot utime mkbdev mkcdev mkfifo mktemp, all = all of these; pid
  PATTERN: an absolute path; ? * ** [...] [!...] {a,b}; DIR/*** = DIR and all below
           it; a backslash takes the next character as it is

Profiles (-p NAME --print shows what one says):
  off          no policy, the sandbox only traces
  lib          every category off, to turn on what is needed
  linux        the system's programs and libraries, nothing to be changed
  container    linux, and the working directory to work in
  user         linux, terminals, the home directory, temporary files; then
               /etc/user.syd-3 and ~/.user.syd-3, if they exist
  tty          terminals
  readonly     nothing is changed, whatever was allowed before
  trace        what no rule speaks of happens, with a record
  quiet        what no rule allows is denied without a record
  nomem, nopie change nothing in this version

Environment:
  SYD_LOG      the least important level to log: emerg alert crit error warn
               notice info debug (default: warn)
  SYD_LOG_FD   the descriptor that records go to (default: 2)

Example: syd -m 'allow/all+/***' -m 'deny/exec+/usr/bin/id' -- sh -c 'id; echo $?'
`
)

// shellLibrary is a function for shells, which speaks to the sandbox.
//
//go:embed esyd.sh
var shellLibrary string

// run is the whole command: it returns the status to exit with.
func run(args []string, stdout, stderr io.Writer) int {
	o, verb, err := parse(args)
	if err != nil {
		return complain(stderr, err, int(syscall.EINVAL))
	}
	switch verb {
	case verbHelp:
		fmt.Fprint(stdout, usage)
		return 0
	case verbVersion:
		fmt.Fprintf(stdout, "syd %s (configuration language %d)\n", version, apiVersion)
		return 0
	case verbAPI:
		fmt.Fprintln(stdout, apiVersion)
		return 0
	case verbShell:
		fmt.Fprint(stdout, shellLibrary)
		return 0
	case verbProfiles:
		fmt.Fprintln(stdout, strings.Join(syd.Profiles(), "\n"))
		return 0
	case verbCheck:
		if syd.Inside() {
			return 0
		}
		return 1
	}
	return configured(o, verb, stdout, stderr)
}

// configured is the verbs that a configuration is made for.
func configured(o options, verb verb, stdout, stderr io.Writer) int {
	err := logging(&o.Options)
	status := syd.Exit(syscall.EINVAL)
	switch {
	case err != nil:
	case verb == verbExport:
		status, err = syd.Export(stdout, o.Options, o.filter, o.format)
	case verb == verbPrint:
		var text string
		text, status, err = syd.Configuration(o.Options)
		fmt.Fprint(stdout, text)
	default:
		status, err = syd.Run(context.Background(), o.Options)
	}
	if err != nil {
		return complain(stderr, err, int(status))
	}
	return int(status)
}

// complain says what is wrong, a line for each thing.
func complain(stderr io.Writer, err error, status int) int {
	all := []error{err}
	if wrong, ok := errors.AsType[syd.ConfigErrors](err); ok {
		all = wrong.Unwrap()
	}
	for _, one := range all {
		fmt.Fprintf(stderr, "syd: %s\n", strings.ReplaceAll(one.Error(), "\n", " "))
	}
	return status
}

// logging reads SYD_LOG and SYD_LOG_FD.
func logging(o *syd.Options) error {
	o.LogFD, o.LogLevel = 2, audit.Warn
	if name, set := os.LookupEnv("SYD_LOG"); set {
		level, ok := audit.ParseLevel(name)
		if !ok {
			return fmt.Errorf("SYD_LOG: %q: expected one of %s", name, strings.Join(audit.LevelNames(), ", "))
		}
		o.LogLevel = level
	}
	if text, set := os.LookupEnv("SYD_LOG_FD"); set {
		fd, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fmt.Errorf("SYD_LOG_FD: %q: expected the number of an open descriptor", text)
		}
		o.LogFD = int(fd)
	}
	return nil
}
