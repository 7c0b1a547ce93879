// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// programEnv is for programs whose output would have the time, a host's settings
// or a user's in it.
var programEnv = []string{
	"GIT_AUTHOR_DATE=2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
	"GIT_COMMITTER_EMAIL=a@b", "GIT_CONFIG_NOSYSTEM=1", "TZ=UTC", "TERM=xterm", "GOTOOLCHAIN=local", "GOFLAGS=-mod=mod", "GO111MODULE=on", "CGO_ENABLED=0",
}

// realProgram is a script of real programs, which works in an empty directory.
type realProgram struct {
	id     int
	text   string
	needs  []string
	pty    bool
	script string
	slow   bool // it takes long natively, too
}

func (p realProgram) decorators() []any {
	if p.slow {
		return []any{Slow}
	}
	return nil
}

var realPrograms = []realProgram{
	{id: 301, text: "git, which makes, clones, packs and checks a repository", needs: []string{"git"}, script: `
git init -q r; cd r
for i in 1 2 3; do echo "$i" >"f$i"; git add .; git commit -qm "$i"; done
git checkout -qb side HEAD~1; echo side >s; git add s; git commit -qm side; git merge -q -m merge master || git merge -q -m merge main
git clone -q . ../c; git gc -q; git fsck; git log --graph --format='%H %s'; git mv f1 g1; git status --short; git stash -q; git stash list
cd ../c; git status; git log --stat --format=%s; git grep -c side; find .git -type f -name '*.pack' | wc -l`},

	{id: 302, text: "go, which builds a module that runs", slow: true, needs: []string{"go"}, script: `
export PATH=$PATH:/usr/local/go/bin GOCACHE=$TMPDIR/go-cache GOPATH=$PWD/go
mkdir -p m/sub; cd m; printf 'module m\n\ngo 1.21\n' >go.mod
printf 'package main\n\nimport "m/sub"\n\nfunc main() { println(sub.Answer()) }\n' >main.go
printf 'package sub\n\nfunc Answer() int { return 42 }\n' >sub/sub.go
go build -o hello .; ./hello 2>&1; go list ./...; go vet ./sub`},

	{id: 303, text: "make -j, which has gcc build a program of many files", needs: []string{"make", "gcc"}, script: `
for i in 1 2 3 4 5 6; do echo "int f$i(void) { return $i; }" >f$i.c; done
cat >main.c <<'.'
#include <stdio.h>
int f1(void), f6(void);
int main(void) { printf("%d\n", f1() + f6()); return 0; }
.
cat >Makefile <<'.'
OBJECTS = main.o f1.o f2.o f3.o f4.o f5.o f6.o
prog: $(OBJECTS)
	@gcc -o $@ $(OBJECTS)
%.o: %.c
	@gcc -O1 -c -o $@ $<
.
make -j4; ./prog; make -j4; touch f1.c; make -j4 -n | wc -l; ar rc lib.a f1.o f2.o; nm lib.a | grep -c ' T '; ls`},

	{id: 304, text: "python3 with subprocesses, pools, sockets and temporary files", needs: []string{"python3"}, script: `
cat >p.py <<'.'
import multiprocessing, os, shutil, socket, subprocess, tempfile, threading
if __name__ == "__main__":
    print(subprocess.run(["sh", "-c", "echo sub; exit 3"], capture_output=True))
    s = socket.create_server(("127.0.0.1", 0))
    def serve():
        c, _ = s.accept(); c.sendall(c.recv(9) + b" back"); c.close()
    t = threading.Thread(target=serve); t.start()
    c = socket.create_connection(s.getsockname()); c.sendall(b"hello"); print(c.recv(99)); t.join()
    a = socket.socket(socket.AF_UNIX); a.bind("sock"); a.listen(); b = socket.socket(socket.AF_UNIX); b.connect("sock"); print(sorted(os.listdir(".")))
    with tempfile.TemporaryDirectory() as d:
        open(d + "/x", "w").write("y"); shutil.copytree(d, "copy"); print(os.listdir(d), os.listdir("copy"))
    with tempfile.TemporaryFile() as f:
        f.write(b"abc"); f.seek(1); print(f.read(), os.fstat(f.fileno()).st_nlink)
    with multiprocessing.Pool(2) as p:
        print(p.map(abs, [-1, -2]))
    print(os.path.realpath("/proc/self") == "/proc/%d" % os.getpid(), os.access("p.py", os.X_OK), oct(os.stat("p.py").st_mode))
.
python3 p.py; python3 -m compileall -q p.py; ls __pycache__ | wc -l`},

	{id: 305, text: "node with files, children and sockets", needs: []string{"node"}, script: `
exec node -e 'const fs = require("fs"), cp = require("child_process"), net = require("net");
fs.writeFileSync("a", "x"); fs.appendFileSync("a", "y"); fs.mkdirSync("d/e", {recursive: true}); fs.renameSync("a", "d/b"); fs.symlinkSync("b", "d/l");
console.log(fs.readFileSync("d/l", "utf8"), fs.readdirSync("d"), fs.realpathSync("d/l") === process.cwd() + "/d/b", fs.existsSync("none"));
try { fs.openSync("none/x") } catch (e) { console.log(e.code) }
console.log(String(cp.execSync("echo sub")), cp.spawnSync("sh", ["-c", "exit 4"]).status);
fs.rmSync("d", {recursive: true}); console.log(fs.readdirSync("."));
const s = net.createServer(c => c.end("hi")).listen(0, "127.0.0.1", () => net.connect(s.address().port, "127.0.0.1").on("data", d => { console.log(String(d)); s.close() }));
fs.promises.writeFile("p", "12345").then(() => fs.promises.stat("p")).then(v => console.log(v.size));'`},

	{id: 306, text: "tar, which packs and unpacks all kinds of files", needs: []string{"tar"}, script: `
mkdir -p a/b; echo x >a/b/f; ln -s f a/b/l; ln a/b/f a/h; mkfifo a/p; chmod 640 a/h; chmod 750 a/b; touch -d 2001-01-01 a/b/f a/p a/b a
tar cf t.tar a; tar tf t.tar; mkdir o; tar xf t.tar -C o; tar df t.tar -C o; gzip t.tar; tar tzf t.tar.gz
tar cf - a | tar xf - -C o; find o -mindepth 1 ! -type l -printf '%P %m %y %n %s %T@\n' | sort; readlink o/a/b/l`},

	{id: 307, text: "find, with all that it says of files", needs: []string{"find"}, script: `
mkdir -p d/1/2/3 d/4; touch -d 2001-01-01 d/1/f d/1/2/g d/1/2/3/h; ln -s ../1 d/4/loop; chmod 0 d/1/2/g
find d -mindepth 1 | sort; find -L d -name '[fgh]' | sort; find d -type f -perm 0 -newermt 2000-01-01 -printf '%p %s %m %Y %d %l\n'
find d -type f -exec basename {} \; | sort; find d -depth -name h -delete; find d -empty | sort; find /etc -maxdepth 1 -type f 2>&1 | sort`},

	{id: 308, text: "sqlite3, which locks, journals and maps its file", needs: []string{"sqlite3"}, script: `
sqlite3 db 'create table t(a); insert into t values(1),(2); begin; update t set a=a+1; commit; select sum(a) from t;
pragma journal_mode=wal; pragma mmap_size=1000000; insert into t values(3); select * from t; vacuum; pragma integrity_check; attach "other" as o; create table o.u as select * from t;'
ls; sqlite3 -readonly other 'select count(*) from u'; sqlite3 /nowhere-at-all/db 'select 1' 2>&1 || echo $?`},

	{id: 309, text: "bash, which controls jobs on a terminal", needs: []string{"bash", "pty"}, pty: true, script: `
exec bash --norc --noprofile -c 'set -m; sh -c "kill -STOP \$\$; echo resumed; exit 5" &
until jobs | grep -q Stopped; do :; done; jobs; fg %1; echo $?
tty </dev/tty; echo typed >/dev/tty; (exec sh -c "exit 3") & wait $!; echo $?; test -t 0 && stty -a | grep -c isig
cat </dev/tty >/dev/null & until jobs | grep -q Stopped; do :; done; jobs; kill -KILL %1'`},

	{id: 310, text: "perl with files, children and temporary names", needs: []string{"perl"}, script: `
exec perl -MFile::Temp=tempfile -MFile::Find -MFile::Copy -MFile::Path -MCwd -e '$| = 1; mkdir "d"; open F, ">d/f" or die; print F "x\n"; close F; rename "d/f", "d/g";
find(sub { print "$File::Find::name\n" }, "d"); ($f, $n) = tempfile(); print -e $n ? "made\n" : "no\n"; unlink $n; print qx(echo sub);
$p = fork; exit 4 unless $p; waitpid $p, 0; print $? >> 8, "\n"; symlink "g", "d/l"; print readlink("d/l"), "\n"; utime 1, 2, "d/g"; print((stat "d/g")[9], "\n");
chmod 0600, "d/g"; copy("d/g", "d/h"); truncate "d/g", 1; print -s "d/g", -s "d/h", "\n"; opendir D, "d"; print join(" ", sort readdir D), "\n";
print cwd() eq Cwd::realpath("d/.."), "\n"; rmtree("d"); print -e "d" ? "there\n" : "gone\n"; print "$!\n" unless open F, "<none";'`},

	{id: 311, text: "tmux, whose windows have terminals of their own", needs: []string{"tmux", "pty"}, script: `
export TMUX_TMPDIR=$PWD SHELL=/bin/sh
tmux -f /dev/null new-session -d -s x 'stty size >size </dev/tty; echo inner >/dev/tty; test -t 0 && echo terminal >is; echo $((40 + 2)) >out; tmux capture-pane -p >pane; tmux wait-for -S done; cat'
tmux wait-for done; cat size is out; grep inner pane; tmux display-message -p '#{session_name} #{window_panes}'; tmux kill-server`},

	{id: 312, text: "vim -es, which sorts and writes a file", needs: []string{"vim"}, script: `
printf 'b\na\nc\n' >f; chmod 640 f
vim -Nu NONE -es -c '%sort' -c 'w' -c 'w copy' -c 'r !echo shell' -c '$d' -c 'saveas third' -c 'q' f; echo $?; cat f copy third; ls -A; stat -c %a f`},
}

var _ = Describe("with everything intercepted and allowed, a program of the real world is as natively:", func() {
	everything := Rules("sandbox/all:on", "allow/all+/***", "deny/all+/nowhere/***")
	for _, p := range realPrograms {
		Spec(fmt.Sprintf("PTH-04.%d", p.id), p.text, func(ctx context.Context) {
			options := []LaunchOption{Env(programEnv...)}
			if p.pty {
				options = append(options, Pty())
			}
			result, native := With(options...).SameAsNative(ctx, everything, "/bin/sh", "-ec", "rm -rf work; mkdir work; cd work"+p.script)
			Expect(native).To(ExitWith(0))
			Expect(Normalise(result.Stderr)).To(Equal(Normalise(native.Stderr)))
		}, append(p.decorators(), Requires(p.needs...), TimeLimit(3*time.Minute))...)
	}
})
