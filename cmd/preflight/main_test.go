package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/openim"
)

// flagsOf returns the flags of topics with which the operator starts this program in the pods of a process.
func flagsOf(t *testing.T, process openim.Name) (flags []string) {
	t.Helper()
	_, objects := manifeststest.Build(t, filepath.Join(manifeststest.Dir(), "stores"))
	for _, object := range objects {
		d, ok := object.(*appsv1.Deployment)
		if !ok || d.Labels[v1alpha1.LabelComponent] != string(process) {
			continue
		}
		for _, c := range d.Spec.Template.Spec.InitContainers {
			if c.Name != manifests.PrepareContainer {
				continue
			}
			for _, word := range c.Command[1:] {
				if strings.HasPrefix(word, "--topic-") {
					flags = append(flags, word)
				}
			}
			return flags
		}
	}
	t.Fatalf("%s has no init container", process)
	return nil
}

// The operator's flags make the topics of the operator's configuration, with the numbers of the spec.
func TestTheOperatorsFlagsMakeTheTopics(t *testing.T) {
	g := NewWithT(t)
	broker, err := kfake.NewCluster(kfake.NumBrokers(3))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(broker.Close)
	process, _ := openim.Lookup(openim.Push)
	files, err := openim.Render(process, openim.Settings{Brokers: broker.ListenAddrs(), TopicPrefix: "im.chat."})
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	for name, text := range files {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	var log bytes.Buffer
	args := append([]string{"--stores=kafka", "--config=" + dir}, flagsOf(t, openim.Push)...)
	g.Expect(run(t.Context(), args, &log)).To(Equal(exitOK), log.String())
	for _, topic := range []string{"toRedis", "toMongo", "toPush", "toOfflinePush"} {
		g.Expect(broker.PartitionInfos("im.chat."+topic)).To(HaveLen(24), topic)
		g.Expect(broker.TopicInfo("im.chat." + topic).NumReplicas).To(Equal(3))
	}
	g.Expect(flagsOf(t, openim.RPCUser)).To(BeEmpty(), "a process that uses no Kafka makes no topics")
}

func TestFlagsOutOfRangeAreRefused(t *testing.T) {
	for _, flag := range []string{
		"--topic-partitions=-1", "--topic-partitions=1001", "--topic-replication=-1", "--topic-replication=11", "--topic-replication=65539",
		"--topic-partitions=many", "--topics",
	} {
		var log bytes.Buffer
		NewWithT(t).Expect(run(t.Context(), []string{flag}, &log)).To(Equal(exitUsage), flag)
		NewWithT(t).Expect(log.String()).NotTo(BeEmpty())
	}
}
