package host

import (
	"fmt"
	"slices"
	"strings"
)

// Cluster identifies the objects of a cluster on the host.
type Cluster struct {
	// Name is the prefix of the cluster's network namespace, links and cgroup.
	Name string
	// Mark is the environment variable of each process of the cluster.
	Mark string
	// StateDir holds all state of the cluster.
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

// Leftover is an object that exists after the cluster and did not exist before.
type Leftover struct {
	Kind Kind
	Name string
}

func (l Leftover) String() string { return fmt.Sprintf("%s %s", l.Kind, l.Name) }

// Leftovers compares two snapshots. The first list is what the cluster has left behind; the second holds new objects of other programs,
// since the machine may run other things meanwhile. Without an earlier snapshot, objects with the cluster's name count.
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

// programs lists the programs of a node by words in the names of their objects on a host.
var programs = []string{"kube", "KUBE", "containerd", "cni", "CNI", "k8s", "runc", "etcd"}

// owns reports whether an object can only belong to the cluster.
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

// Suspicious reports whether a leftover without the cluster's name still looks like a node's.
func (l Leftover) Suspicious() bool {
	return slices.ContainsFunc(programs, func(word string) bool { return strings.Contains(l.Name, word) })
}
