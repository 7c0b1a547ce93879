// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// firstID is above any TID that Linux hands out (PID_MAX_LIMIT is 2^22), so
// that the cache's questions to the kernel find no real task.
const firstID = 1 << 23

// check holds the cache to what must be true of it at any time.
func (c *cache) check(t *testing.T) {
	t.Helper()
	for tid, task := range c.tasks {
		if task.tid != tid {
			t.Errorf("task %d stands under %d", task.tid, tid)
		}
		if p := task.process; p != nil && (c.processes[p.tgid] != p || p.threads[tid] != task) {
			t.Errorf("task %d is in a process that doesn't know it", tid)
		}
		if c.stillborn[tid] {
			t.Errorf("task %d is stillborn and alive", tid)
		}
	}
	for tgid, p := range c.processes {
		if p.tgid != tgid {
			t.Errorf("process %d stands under %d", p.tgid, tgid)
		}
		for tid, task := range p.threads {
			if c.tasks[tid] != task || task.process != p {
				t.Errorf("process %d has task %d that doesn't know it", tgid, tid)
			}
		}
	}
}

// group makes a thread group: its leader, then threads.
func (c *cache) group(tgid int, threads ...int) {
	leader := c.task(tgid)
	leader.known = true
	c.join(leader, tgid)
	for _, tid := range threads {
		c.born(tid, leader)
	}
}

func (c *cache) ids() (tids []int) {
	for tid := range c.tasks {
		tids = append(tids, tid)
	}
	slices.Sort(tids)
	return tids
}

func expectIDs(t *testing.T, c *cache, want ...int) {
	t.Helper()
	c.check(t)
	if got := c.ids(); !slices.Equal(got, want) {
		t.Errorf("tasks: got %v, want %v", got, want)
	}
}

const (
	a = firstID + iota
	b
	a1
	a2
	b1
)

func TestForgetThread(t *testing.T) {
	c := newCache()
	c.group(a, a1, a2)
	c.task(a1).pending.row = &deniedFork
	c.forget(a1)
	expectIDs(t, c, a, a2)
	if c.processes[a] == nil || len(c.processes[a].threads) != 2 {
		t.Errorf("process: got %+v", c.processes[a])
	}
	if c.task(a1).pending.row != nil {
		t.Error("a recycled TID has its predecessor's call")
	}
}

func TestForgetProcessDropsItsThreads(t *testing.T) {
	c := newCache()
	c.group(a, a1, a2)
	c.group(b, b1)
	c.processes[a].crashed = true
	c.forget(a)
	expectIDs(t, c, b, b1)
	if len(c.processes) != 1 {
		t.Errorf("processes: got %v", c.processes)
	}
	if c.process(c.task(a)).crashed {
		t.Error("a recycled TGID has its predecessor's crash")
	}
}

func TestForgetUnknown(t *testing.T) {
	c := newCache()
	c.group(a)
	c.forget(b)
	c.forget(b)
	expectIDs(t, c, a)
	c.task(b) // stopped, and no event named it yet
	c.forget(b)
	expectIDs(t, c, a)
}

func TestStillborn(t *testing.T) {
	c := newCache()
	c.group(a)
	c.died(a1)
	if got := c.born(a1, c.task(a)); got != nil {
		t.Errorf("a dead task was born: %+v", got)
	}
	expectIDs(t, c, a)
	if len(c.stillborn) != 0 {
		t.Errorf("stillborn: got %v", c.stillborn)
	}
	if c.born(a1, c.task(a)) == nil {
		t.Error("the next task of that number was not born")
	}
	expectIDs(t, c, a, a1)
}

func TestStillbornIsForgottenWhenItsNumberLivesAgain(t *testing.T) {
	c := newCache()
	c.group(a)
	c.died(b) // and its fork event never comes: its parent was killed
	c.task(b)
	expectIDs(t, c, a, b)
	if c.born(b, c.task(a)) == nil {
		t.Error("a task that has stopped counts as dead")
	}
}

// waitid may tell of all of a child's life before its parent's fork event.
func TestAWholeLifeBeforeTheForkEvent(t *testing.T) {
	c := newCache()
	c.group(a)
	for _, live := range []func(){
		func() { c.task(b) },
		func() { c.process(c.task(b)) },
		func() { c.task(b); c.exec(b, b) },
	} {
		live()
		c.died(b)
		if got := c.born(b, c.task(a)); got != nil {
			t.Errorf("a dead task was born: %+v", got)
		}
		expectIDs(t, c, a)
		if len(c.stillborn) != 0 {
			t.Errorf("stillborn: got %v", c.stillborn)
		}
	}
}

func TestDeathOfAKnownTaskIsNotStillborn(t *testing.T) {
	c := newCache()
	c.group(a, a1)
	c.died(a1)
	c.died(a)
	expectIDs(t, c)
	if len(c.stillborn) != 0 || len(c.processes) != 0 {
		t.Errorf("left: %v %v", c.stillborn, c.processes)
	}
}

func TestExecByTheLeader(t *testing.T) {
	c := newCache()
	c.group(a, a1, a2)
	c.task(a).pending.row = &deniedFork
	c.processes[a].crashed = true
	got := c.exec(a, a)
	expectIDs(t, c, a)
	if got != c.tasks[a] || got.pending.row != nil || got.process.crashed || got.process.tgid != a {
		t.Errorf("got %+v", got)
	}
}

func TestExecByAThread(t *testing.T) {
	c := newCache()
	c.group(a, a1, a2)
	c.group(b)
	c.task(a1).pending.row = &deniedFork
	c.exec(a, a1)
	expectIDs(t, c, a, b)
	if c.task(a).pending.row != nil {
		t.Error("the leader has the former thread's call")
	}
	c.born(a1, c.task(b)) // the former TID's next owner
	if c.task(a1).process.tgid != b {
		t.Errorf("thread of %d, want %d", c.task(a1).process.tgid, b)
	}
	c.check(t)
}

// The fork event that would have told the thread's group may never have come.
func TestExecByAThreadOfAnUnknownGroup(t *testing.T) {
	c := newCache()
	c.group(a, a1)
	c.task(a2)
	c.exec(a, a2)
	expectIDs(t, c, a)
}

func TestProcessOfAnUnheardOfTask(t *testing.T) {
	c := newCache()
	p := c.process(c.task(a))
	if p.tgid != a || c.process(c.task(a)) != p {
		t.Errorf("got %+v", p)
	}
	c.check(t)
}

// model is the cache without an index: the TGID of each task, 0 while nothing
// told it, and how many deaths were seen before their births.
type model struct {
	tgid      map[int]int
	named     map[int]bool // by a fork event
	stillborn map[int]bool
}

func (m *model) forget(id int) {
	whole := m.tgid[id] == id
	delete(m.tgid, id)
	delete(m.named, id)
	for tid, tgid := range m.tgid {
		if whole && tgid == id {
			delete(m.tgid, tid)
			delete(m.named, tid)
		}
	}
}

// leaderless: the group's leader is gone while threads are left, which no
// kernel shows to a tracer, but for exec, which is a step of its own.
func (m *model) leaderless(id int) bool {
	if m.tgid[id] != 0 {
		return false
	}
	for _, tgid := range m.tgid {
		if tgid == id {
			return true
		}
	}
	return false
}

func TestCacheAgainstAModel(t *testing.T) {
	const ids, steps, runs = 12, 300, 100
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		c, m := newCache(), model{map[int]int{}, map[int]bool{}, map[int]bool{}}
		var history []string
		for range steps {
			id := firstID + r.IntN(ids)
			other := firstID + r.IntN(ids)
			if m.leaderless(id) || m.leaderless(other) {
				t.Fatalf("seed %d: the model lost a leader", seed)
			}
			_, known := m.tgid[id]
			_, otherKnown := m.tgid[other]
			step := ""
			switch r.IntN(6) {
			case 0: // a stop
				step = fmt.Sprintf("stop %d", id-firstID)
				c.task(id)
				if !known {
					m.tgid[id] = 0
				}
				delete(m.stillborn, id)
			case 1: // a stop that asks for the process
				step = fmt.Sprintf("process of %d", id-firstID)
				c.process(c.task(id))
				if m.tgid[id] == 0 {
					m.tgid[id] = id
				}
				delete(m.stillborn, id)
			case 2: // a thread's birth, before or after its first stop
				if id == other || m.tgid[id] != 0 || !otherKnown {
					continue
				}
				step = fmt.Sprintf("%d born by %d", id-firstID, other-firstID)
				if m.tgid[other] == 0 && !m.stillborn[id] {
					m.tgid[other] = other
				}
				if born := c.born(id, c.task(other)); (born == nil) != m.stillborn[id] {
					t.Errorf("seed %d: %s: got %v, stillborn is %v", seed, step, born, m.stillborn[id])
				}
				if !m.stillborn[id] {
					m.tgid[id] = m.tgid[other]
					m.named[id] = true
				}
				delete(m.stillborn, id)
			case 3, 4: // a death
				step = fmt.Sprintf("%d died", id-firstID)
				c.died(id)
				if !m.named[id] {
					m.stillborn[id] = true
				}
				m.forget(id)
			case 5: // an exec by id, which becomes its group's leader
				if m.tgid[id] == 0 {
					continue
				}
				tgid := m.tgid[id]
				step = fmt.Sprintf("%d execs in %d", id-firstID, tgid-firstID)
				c.exec(tgid, id)
				named := m.named[tgid]
				m.forget(tgid)
				m.tgid[tgid] = tgid
				if named {
					m.named[tgid] = true
				}
			}
			history = append(history, step)
			compare(t, c, m)
			if t.Failed() {
				t.Fatalf("seed %d, after %q", seed, history)
			}
		}
	}
}

func compare(t *testing.T, c *cache, m model) {
	t.Helper()
	c.check(t)
	if len(c.tasks) != len(m.tgid) {
		t.Errorf("%d tasks, the model has %d", len(c.tasks), len(m.tgid))
	}
	groups := map[int]bool{}
	for tid, tgid := range m.tgid {
		task := c.tasks[tid]
		switch {
		case task == nil:
			t.Errorf("task %d is missing", tid)
		case tgid == 0 && task.process != nil:
			t.Errorf("task %d has a process that nothing told", tid)
		case tgid != 0 && (task.process == nil || task.process.tgid != tgid):
			t.Errorf("task %d is not in process %d", tid, tgid)
		}
		if tgid != 0 {
			groups[tgid] = true
		}
	}
	if len(c.processes) != len(groups) {
		t.Errorf("%d processes, the model has %d", len(c.processes), len(groups))
	}
	if fmt.Sprint(c.stillborn) != fmt.Sprint(m.stillborn) {
		t.Errorf("stillborn: got %v, the model has %v", c.stillborn, m.stillborn)
	}
}
