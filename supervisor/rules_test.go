package supervisor

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/registry"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(d time.Duration) time.Time { return begin.Add(d) }

func rulesFor(kinds ...Kind) *rules {
	a := &Arguments{Key: "openim.im.chat/user", Host: "10.0.0.7", StartTimeout: 5 * time.Minute}
	for i, kind := range kinds {
		a.Listen = append(a.Listen, Listen{kind, uint16(1000 + i)})
	}
	return newRules(a, DefaultTiming(), begin)
}

var present = registry.State{Present: true, Value: []byte("v"), Lease: 7, Revision: 100, Term: 3, Cluster: 1}

func absent() registry.State { return registry.State{Revision: 100, Term: 3, Cluster: 1} }

func TestReadinessByComponent(t *testing.T) {
	for _, c := range []struct {
		name    string
		kinds   []Kind
		answers []bool
		key     *registry.State
		at      time.Duration
		unmet   []string
	}{
		{"rpc", []Kind{GRPC, Metrics}, []bool{true, false}, &present, 0, nil},
		{"rpc that does not serve", []Kind{GRPC, Metrics}, []bool{false, true}, &present, 0, []string{"grpc" + portSilent}},
		{"rpc that is not registered", []Kind{GRPC}, []bool{true}, ptr(absent()), 0, []string{keyAbsent}},
		{"rpc without etcd", []Kind{GRPC}, []bool{true}, nil, time.Hour, []string{keyAbsent}},
		{"msggateway", []Kind{WebSocket, GRPC, Metrics}, []bool{true, true, false}, &present, 0, nil},
		{"msggateway without clients", []Kind{WebSocket, GRPC}, []bool{false, true}, &present, 0, []string{"websocket" + portSilent}},
		{"api", []Kind{HTTP, Metrics}, []bool{true, false}, nil, 0, nil},
		{"api that hangs", []Kind{HTTP, Metrics}, []bool{false, true}, nil, 0, []string{"http" + portSilent}},
		{"msgtransfer", []Kind{Metrics}, []bool{true}, nil, 0, nil},
		{"msgtransfer at the start", []Kind{Metrics}, []bool{false}, nil, 0, []string{"metrics" + portSilent}},
		{"crontask", nil, nil, ptr(absent()), 10 * time.Second, nil},
		{"crontask at the start", nil, nil, ptr(absent()), 9 * time.Second, []string{justStarted}},
		{"crontask without etcd", nil, nil, nil, time.Hour, []string{etcdNeverHeard}},
	} {
		r := rulesFor(c.kinds...)
		for i, answers := range c.answers {
			r.sawPort(i, answers, begin)
		}
		if c.key != nil {
			r.sawKey(*c.key, 0, begin)
		}
		NewWithT(t).Expect(r.unmet(after(c.at))).To(Equal(c.unmet), c.name)
		NewWithT(t).Expect(r.served).To(Equal(c.unmet == nil), c.name)
	}
}

func ptr[T any](v T) *T { return &v }

func TestTheLastAnswerOfEtcdCounts(t *testing.T) {
	g, r := NewWithT(t), rulesFor(GRPC)
	r.sawPort(0, true, begin)
	r.sawKey(present, 0, begin)
	r.sawNoKey()
	g.Expect(r.unmet(after(24 * time.Hour))).To(BeEmpty())
	g.Expect(r.wantsKey(after(24 * time.Hour))).To(BeFalse())
	g.Expect(r.pause(true)).To(Equal(time.Second))
	r.sawKey(absent(), 0, after(time.Minute))
	g.Expect(r.unmet(after(time.Minute))).To(ConsistOf(keyAbsent))
}

// H1.
func TestWhenTheKeyIsRestored(t *testing.T) {
	registered := func() *rules {
		r := rulesFor(GRPC)
		r.arguments.RestoreAfter = 15 * time.Second
		r.sawPort(0, true, begin)
		r.sawKey(present, 0, begin)
		r.sawKey(absent(), 0, begin)
		return r
	}
	g := NewWithT(t)
	r := registered()
	g.Expect(r.wantsKey(after(14*time.Second))).To(BeFalse(), "the program tries first")
	g.Expect(r.wantsKey(after(15 * time.Second))).To(BeTrue())
	r.sawPort(0, false, begin)
	g.Expect(r.wantsKey(after(time.Minute))).To(BeFalse(), "nobody is sent to a program that does not serve")
	r = registered()
	r.sawNoKey()
	g.Expect(r.wantsKey(after(time.Minute))).To(BeFalse(), "etcd does not answer")
	r = rulesFor(GRPC)
	r.sawPort(0, true, begin)
	r.sawKey(absent(), 0, begin)
	g.Expect(r.wantsKey(after(time.Hour))).To(BeFalse(), "a program that never registered has a reason")
}

func TestTheLeaseOfARestoredKey(t *testing.T) {
	g, r := NewWithT(t), rulesFor(GRPC)
	r.sawKey(present, 0, begin)
	g.Expect(r.dropsLease()).To(BeFalse())
	r.etcd.lease, r.etcd.renewed = 9, begin
	g.Expect(r.dropsLease()).To(BeTrue(), "the program's own lease carries the key")
	g.Expect(r.renews(after(9 * time.Second))).To(BeFalse())
	g.Expect(r.renews(after(10 * time.Second))).To(BeTrue())
	own := present
	own.Lease = 9
	r.sawKey(own, 0, begin)
	g.Expect(r.dropsLease()).To(BeFalse())
}

// H2.
func TestWhatCountsAsAReset(t *testing.T) {
	for name, c := range map[string]struct {
		state registry.State
		at    time.Duration
		reset bool
	}{
		"nothing":                     {absent(), time.Minute, false},
		"a later revision":            {registry.State{Revision: 500, Term: 3, Cluster: 1}, time.Minute, false},
		"another leader":              {registry.State{Revision: 100, Term: 4, Cluster: 1}, time.Minute, false},
		"an earlier revision":         {registry.State{Revision: 99, Term: 3, Cluster: 1}, time.Minute, true},
		"an earlier term":             {registry.State{Revision: 100, Term: 2, Cluster: 1}, time.Minute, true},
		"another cluster":             {registry.State{Revision: 200, Term: 9, Cluster: 2}, time.Minute, true},
		"five minutes":                {absent(), 5 * time.Minute, false},
		"more than five minutes away": {absent(), 5*time.Minute + time.Second, true},
	} {
		g, r := NewWithT(t), rulesFor(GRPC)
		r.sawKey(present, 0, begin)
		r.served = true
		r.sawKey(c.state, 40*time.Second, after(c.at))
		_, must := r.end(after(c.at + 39*time.Second))
		g.Expect(must).To(BeFalse(), name)
		end, must := r.end(after(c.at + 40*time.Second))
		g.Expect(must).To(Equal(c.reset), name)
		if c.reset {
			g.Expect(end).To(Equal(ending{termination.EtcdReset, after(c.at)}), name)
			r.sawKey(c.state, 0, after(c.at+time.Second))
			_, must = r.end(after(c.at + 2*time.Second))
			g.Expect(must).To(BeFalse(), "one reset has one delay")
		}
	}
}

// H3 and H4.
func TestWhenTheProgramIsRestarted(t *testing.T) {
	g, r := NewWithT(t), rulesFor(GRPC, Metrics)
	r.sawPort(0, true, begin)
	_, must := r.end(after(299 * time.Second))
	g.Expect(must).To(BeFalse())
	end, must := r.end(after(300 * time.Second))
	g.Expect(must).To(BeTrue())
	g.Expect(end).To(Equal(ending{termination.StartTimeout, begin}))

	r.sawKey(present, 0, begin)
	g.Expect(r.unmet(begin)).To(BeEmpty())
	_, must = r.end(after(time.Hour))
	g.Expect(must).To(BeFalse(), "metrics never answered, which says nothing")
	r.sawPort(0, false, after(time.Minute))
	r.sawPort(0, false, after(100*time.Second))
	_, must = r.end(after(119 * time.Second))
	g.Expect(must).To(BeFalse())
	end, must = r.end(after(120 * time.Second))
	g.Expect(must).To(BeTrue())
	g.Expect(end).To(Equal(ending{termination.Stuck, after(time.Minute)}))
	r.sawPort(0, true, after(119*time.Second))
	_, must = r.end(after(time.Hour))
	g.Expect(must).To(BeFalse())
}
