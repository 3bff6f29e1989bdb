package host

import (
	"fmt"
	"slices"
	"strings"
)

// Cluster says how to recognise what belongs to a cluster.
type Cluster struct {
	// Name is the prefix of its network namespace, links and cgroup.
	Name string
	// Mark is the environment variable that each of its processes carries.
	Mark string
	// StateDir holds all its state.
	StateDir string
}

// Processes lists the running processes of the cluster.
func (c Cluster) Processes() ([]Process, error) {
	all, err := Processes("/proc", c.Mark)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p Process) bool { return p.Mark == "" && !p.InCgroup(c.Name) }), nil
}

// Leftover is something that is there after and was not there before.
type Leftover struct {
	Kind Kind
	Name string
}

func (l Leftover) String() string { return fmt.Sprintf("%s %s", l.Kind, l.Name) }

// Leftovers compares two snapshots. The first list is what the cluster has left; the second is what
// has come meanwhile and is somebody else's, for the machine may be busy with other things. Without a snapshot
// from before, what carries the cluster's name counts.
func (c Cluster) Leftovers(before, after Snapshot) (ours, others []Leftover) {
	for _, kind := range []Kind{KindProcess, KindMount, KindLink, KindNamespace, KindCgroup, KindRule, KindPath} {
		for _, name := range after[kind] {
			switch l := (Leftover{kind, name}); {
			case c.owns(l):
				ours = append(ours, l)
			case before != nil && !slices.Contains(before[kind], name):
				others = append(others, l)
			}
		}
	}
	return ours, others
}

// programs of a node, by the words that they put into names on a host.
var programs = []string{"kube", "KUBE", "containerd", "cni", "CNI", "k8s", "runc", "etcd"}

// owns tells that a thing can only be the cluster's.
func (c Cluster) owns(l Leftover) bool {
	switch l.Kind {
	case KindProcess:
		return true // only marked processes are in a snapshot
	case KindMount:
		return strings.Contains(l.Name, c.Name) || c.StateDir != "" && strings.Contains(l.Name, " on "+c.StateDir)
	case KindPath:
		return l.Name == c.StateDir || strings.HasPrefix(l.Name[strings.LastIndex(l.Name, "/")+1:], c.Name)
	default:
		return strings.Contains(l.Name, c.Name)
	}
}

// Suspicious tells that a leftover that does not carry the cluster's name looks like a node's all the same.
func (l Leftover) Suspicious() bool {
	return slices.ContainsFunc(programs, func(word string) bool { return strings.Contains(l.Name, word) })
}
