package seal_test

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/seal"
)

var common = map[string]string{"app.kubernetes.io/instance": "chat"}

func stack() *v1alpha1.OpenIMStack {
	return &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", UID: "u1"}}
}

func revision(t *testing.T, owner types.UID, sequence int64, addresses ...string) appsv1.ControllerRevision {
	t.Helper()
	made, err := seal.Revision("chat", "im", common, metav1.OwnerReference{UID: owner, Controller: ptr.To(true)},
		seal.Next(seal.Record{}, redis(addresses...)), sequence)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return *made
}

func TestTheNewestRevisionOfTheStackCounts(t *testing.T) {
	g := NewWithT(t)
	unlabelled := revision(t, "u1", 9, "r7")
	delete(unlabelled.Labels, v1alpha1.LabelRevision)
	record, sequence, err := seal.Newest(stack(), common, []appsv1.ControllerRevision{
		revision(t, "u1", 1, "r1"), revision(t, "u1", 2, "r2"), revision(t, "another stack", 8, "r3"), unlabelled,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sequence).To(Equal(int64(2)))
	g.Expect(record).To(Equal(seal.Next(seal.Record{}, redis("r2"))))
	record, sequence, err = seal.Newest(stack(), common, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sequence).To(BeZero())
	g.Expect(record).To(Equal(seal.Record{}))
}

func TestAnEqualRecordHasTheSameNameAndANewNumberAnother(t *testing.T) {
	g := NewWithT(t)
	g.Expect(revision(t, "u1", 1, "r1").Name).To(MatchRegexp("^chat-seal-[0-9a-f]{10}$"))
	g.Expect(revision(t, "u1", 1, "r1").Name).To(Equal(revision(t, "u1", 1, "r1").Name))
	g.Expect(revision(t, "u1", 2, "r1").Name).NotTo(Equal(revision(t, "u1", 1, "r1").Name))
}

// Each change makes data that the operator did not write. It is never used, and the error says what to do.
func TestDataThatTheOperatorDidNotWriteIsRefused(t *testing.T) {
	cases := []struct {
		name   string
		change func(string) string
		newer  bool
	}{
		{"a newer operator", func(s string) string { return strings.Replace(s, `"schemaVersion":1`, `"schemaVersion":2`, 1) }, true},
		{"no version", func(s string) string { return strings.Replace(s, `"schemaVersion":1`, `"schemaVersion":0`, 1) }, false},
		{"not JSON", func(string) string { return "{" }, false},
		{"a wider place", func(s string) string { return strings.Replace(s, "10.0.0.1/32", "0.0.0.0/0", 1) }, false},
		{"another number", func(s string) string { return strings.Replace(s, `"sequence":1`, `"sequence":7`, 1) }, false},
		{"an unknown field", func(s string) string { return strings.Replace(s, `"sequence"`, `"x":1,"sequence"`, 1) }, false},
		{"an unknown party", func(s string) string { return strings.Replace(s, `"redis"`, `"everybody"`, 1) }, false},
		{"an endpoint without peers", func(s string) string {
			return strings.Replace(s, `[{"ipBlock":{"cidr":"10.0.0.1/32"}}]`, `[]`, 1)
		}, false},
		{"a peer without anything", func(s string) string { return strings.Replace(s, `{"ipBlock":{"cidr":"10.0.0.1/32"}}`, `{}`, 1) }, false},
		{"a port of 0", func(s string) string { return strings.Replace(s, `"port":6379`, `"port":0`, 1) }, false},
		{"too much", func(string) string { return `{"schemaVersion":1,"x":"` + strings.Repeat("x", 1<<20) + `"}` }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := revision(t, "u1", 1, "r1")
			text := c.change(string(r.Data.Raw))
			g.Expect(text).NotTo(Equal(string(r.Data.Raw)), "the case changes nothing")
			r.Data.Raw = []byte(text)
			_, _, err := seal.Newest(stack(), common, []appsv1.ControllerRevision{r})
			refused, ok := errors.AsType[*seal.RevisionError](err)
			g.Expect(ok).To(BeTrue(), "%v", err)
			g.Expect(refused.Newer).To(Equal(c.newer))
			g.Expect(err.Error()).To(ContainSubstring(r.Name))
		})
	}
}

func FuzzNewest(f *testing.F) {
	f.Add(`{"schemaVersion":1,"sequence":1,"parties":[{"name":"redis","places":[{"address":"r1:1","endpoints":[]}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := revision(t, "u1", 1, "r1")
		genuine := string(r.Data.Raw)
		r.Data.Raw = []byte(text)
		record, _, err := seal.Newest(stack(), common, []appsv1.ControllerRevision{r})
		if err == nil && len(record.Parties) != 1 {
			t.Fatalf("%q was taken for %q", text, genuine)
		}
	})
}
