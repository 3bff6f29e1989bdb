package host

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

var cluster = Cluster{Name: "openimstack", Mark: "M", StateDir: "/var/lib/oc"}

func TestNothingIsLeftWhenBeforeAndAfterAreTheSame(t *testing.T) {
	g := NewWithT(t)
	s := Snapshot{KindLink: {"lo", "eth0"}, KindMount: {"proc on /proc"}, KindCgroup: {"/sys/fs/cgroup/memory/docker"}}
	ours, others := cluster.Leftovers(s, s)
	g.Expect(ours).To(BeEmpty())
	g.Expect(others).To(BeEmpty())
}

func TestEachKindOfThingThatStaysIsNamed(t *testing.T) {
	for kind, name := range map[Kind]string{
		KindProcess:   "4711 (containerd-shim)",
		KindMount:     "tmpfs on /var/lib/oc/kubelet/pods/x/volumes/token",
		KindLink:      "openimstack-h",
		KindNamespace: "openimstack",
		KindCgroup:    "/sys/fs/cgroup/memory/openimstack",
		KindPath:      "/var/lib/oc",
	} {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			ours, others := cluster.Leftovers(Snapshot{}, Snapshot{kind: {name}})
			g.Expect(ours).To(Equal([]Leftover{{kind, name}}))
			g.Expect(others).To(BeEmpty())
			g.Expect(ours[0].String()).To(ContainSubstring(name))
		})
	}
}

func TestWhatCarriesTheClustersNameCountsEvenIfItWasThereBefore(t *testing.T) {
	g := NewWithT(t)
	remains := Snapshot{KindLink: {"openimstack-h"}} // of a cluster that was killed
	ours, _ := cluster.Leftovers(remains, remains)
	g.Expect(ours).To(HaveLen(1))
	ours, _ = cluster.Leftovers(nil, remains)
	g.Expect(ours).To(HaveLen(1), "without a snapshot from before as well")
}

func TestWhatOthersDoMeanwhileIsToldApart(t *testing.T) {
	g := NewWithT(t)
	after := Snapshot{
		KindMount: {"overlay on /var/lib/containers/storage/x"},
		KindLink:  {"veth1"},
		KindPath:  {"/var/lib/kubelet"},
		KindRule:  {"iptables-save: -A KUBE-X"},
	}
	ours, others := cluster.Leftovers(Snapshot{}, after)
	g.Expect(ours).To(BeEmpty())
	g.Expect(others).To(HaveLen(4))
	suspicious := map[string]bool{}
	for _, l := range others {
		suspicious[l.Name] = l.Suspicious()
	}
	g.Expect(suspicious).To(Equal(map[string]bool{
		"overlay on /var/lib/containers/storage/x": false,
		"veth1":                    false,
		"/var/lib/kubelet":         true, // no one else would have made it in the meantime
		"iptables-save: -A KUBE-X": true,
	}))

	_, others = cluster.Leftovers(nil, after)
	g.Expect(others).To(BeEmpty(), "without a snapshot from before nobody can say what is new")
}

func TestASnapshotIsReadAsItWasWritten(t *testing.T) {
	g, file := NewWithT(t), filepath.Join(t.TempDir(), "before.json")
	none, err := Load(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none).To(BeNil())

	s, err := Take(Cluster{Name: "no-such-cluster", Mark: "NO_SUCH_MARK"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s[KindLink]).To(ContainElement("lo"))
	g.Expect(s[KindMount]).To(ContainElement(ContainSubstring(" on /proc")))
	g.Expect(s[KindProcess]).To(BeEmpty())
	g.Expect(s.Save(file)).To(Succeed())
	g.Expect(Load(file)).To(Equal(s))
}

func TestMountsAreReadFromTheKernelsTable(t *testing.T) {
	g := NewWithT(t)
	table := []byte(
		"tmpfs /var/lib/oc/a tmpfs rw 0 0\ntmpfs /var/lib/oc/a/b tmpfs rw 0 0\nproc /proc proc rw 0 0\next4 /var/lib/ocean ext4 rw 0 0\n",
	)
	g.Expect(mountPoints(table)).
		To(Equal([]string{"ext4 on /var/lib/ocean", "proc on /proc", "tmpfs on /var/lib/oc/a", "tmpfs on /var/lib/oc/a/b"}))
	g.Expect(MountsBelow(table, "/var/lib/oc")).To(Equal([]string{"/var/lib/oc/a/b", "/var/lib/oc/a"}), "innermost first")
}
