package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/kube"
)

const built = `[1/8] image openim-operator: built in 1s
openim-operator=openimstack/openim-operator:dev-1
openim-wrapper=openimstack/openim-wrapper:dev-2
openim-supervisor=openimstack/openim-supervisor:dev-4
openim-server=openimstack/openim-server:v3.8.3
openim-server-upstream-layout=openimstack/openim-server-upstream-layout:v3.8.3
infra-kafka=openimstack/infra-kafka:dev-3
`

func TestReferencesAreReadFromWhatTheBuildPrints(t *testing.T) {
	g := NewWithT(t)
	images := parseImages([]byte(built))
	g.Expect(images).To(HaveLen(6))
	g.Expect(images).To(HaveKeyWithValue(OperatorImage, "openimstack/openim-operator:dev-1"))
	g.Expect(images.need(WrapperImage)).To(Succeed())
	without := parseImages([]byte(strings.ReplaceAll(built, "openim-wrapper=", "")))
	g.Expect(without.need(OperatorImage, WrapperImage)).To(MatchError(ContainSubstring("did not build openim-wrapper")))
}

func TestImagesOfTheProjectAreRetaggedAndOthersLeftAlone(t *testing.T) {
	g := NewWithT(t)
	images := parseImages([]byte(built))
	objects, err := kube.Decode([]byte(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kafka, labels: {image: "openimstack/unknown:dev"}}
spec: {template: {spec: {containers: [{name: a, image: "openimstack/infra-kafka:dev"}, {name: b, image: "example.com/infra-kafka:dev"}]}}}
`))
	g.Expect(err).NotTo(HaveOccurred())
	images.Retag(objects)
	text := fmt.Sprint(objects[0].Object)
	g.Expect(text).
		To(And(ContainSubstring("openimstack/infra-kafka:dev-3"), ContainSubstring("example.com/infra-kafka:dev"),
			ContainSubstring("openimstack/unknown:dev")))
}

func TestStoresMoveToAnotherNamespaceWithTheirNames(t *testing.T) {
	g := NewWithT(t)
	objects, err := kube.Decode([]byte(`
apiVersion: v1
kind: Namespace
metadata: {name: infra}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: infra, namespace: infra}
spec: {template: {spec: {containers: [{name: kafka, args: ["--advertise=kafka.infra.svc:9092", "infra"]}]}}}
`))
	g.Expect(err).NotTo(HaveOccurred())
	moveTo(objects, "elsewhere")
	g.Expect(objects[0].GetName()).To(Equal("elsewhere"))
	g.Expect(objects[1].GetNamespace()).To(Equal("elsewhere"))
	g.Expect(objects[1].GetName()).To(Equal("infra"), "only a namespace's own name is one")
	g.Expect(fmt.Sprint(objects[1].Object["spec"])).To(ContainSubstring("[--advertise=kafka.elsewhere.svc:9092 infra]"))
	g.Expect(InNamespace("redis.infra.svc:6379", "x")).To(Equal("redis.x.svc:6379"))
}

func TestTheJournalSaysWhatIsDoneAndHowLongItTook(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	journal := NewJournal(&out)
	g.Expect(journal.Step(t.Context(), "first", func(context.Context) error {
		journal.Say("one\ntwo")
		_, _ = fmt.Fprint(journal.Lines(), "half")
		return nil
	})).To(Succeed())
	err := journal.Step(t.Context(), "second", func(context.Context) error { return errors.New("broken") })
	g.Expect(err).To(MatchError("step 2, second: broken"))
	g.Expect(out.String()).To(MatchRegexp(`^\n 1  first\n    one\n    two\n    done in .*\n\n 2  second\n    FAILED after .*\n$`))
}

func TestTheSampleIsAStack(t *testing.T) {
	g := NewWithT(t)
	e, err := NewEnvironment(NewJournal(&bytes.Buffer{}))
	g.Expect(err).NotTo(HaveOccurred())
	stack, err := e.Sample()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(stack.Namespace + "/" + stack.Name).To(Equal("im/chat"))
	g.Expect(stack.Spec.Image.Repository).To(Equal("openimstack/openim-server"))

	e.Local, e.ImagePrefix = false, "registry.example.com/im/"
	stack, err = e.Sample()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(stack.Spec.Image.Repository).To(Equal("registry.example.com/im/openim-server"))
	g.Expect(e.Repository(UpstreamLayoutImage)).To(Equal("registry.example.com/im/openim-server-upstream-layout"))
}

func TestAnUnknownClusterIsRefused(t *testing.T) {
	t.Setenv(clusterVariable, "cloud")
	_, err := NewEnvironment(NewJournal(&bytes.Buffer{}))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("CLUSTER=cloud: write local")))
}

func TestProgressNamesWhatIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	g.Expect(Progress(stack)).To(Equal("this generation is not applied yet"))
	stack.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Message: "Secret redis does not exist"}}
	g.Expect(Progress(stack)).To(Equal("this generation is not applied yet; Secret redis does not exist"))
	stack.Status.Conditions = nil
	stack.Status.ObservedGeneration = 2
	stack.Status.Processes = []v1alpha1.ProcessStatus{
		{Name: "api", Ready: ptr.To[int32](1), Desired: ptr.To[int32](1)}, {Name: "push", Ready: ptr.To[int32](0), Desired: ptr.To[int32](2)},
	}
	g.Expect(Progress(stack)).To(Equal("1 of 3 pods ready, waiting for push 0/2"))
}

func TestAConditionOfAnotherGenerationIsNotNow(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}
	stack.Status.Conditions = []metav1.Condition{ready}
	g.Expect(currentTrue(stack, v1alpha1.ConditionReady)).To(BeNil())
	stack.Status.Conditions[0].ObservedGeneration = 2
	g.Expect(currentTrue(stack, v1alpha1.ConditionReady)).NotTo(BeNil())
	stack.Status.Conditions[0].Status = metav1.ConditionFalse
	g.Expect(currentTrue(stack, v1alpha1.ConditionReady)).To(BeNil())
}

// delivered is a message that arrived as it should.
func delivered() Delivery {
	content := `{"content":"hi"}`
	return Delivery{
		Sent: chat.Message{ServerID: "s"}, Seq: 7, Cached: chat.Cached{CurrentSeq: 7}, Took: time.Second,
		Pulled: chat.Pulled{ServerID: "s", SendID: "alice", RecvID: "bob", Content: []byte(content)},
		Stored: chat.Stored{ServerID: "s", SendID: "alice", RecvID: "bob", Content: content, Seq: 7},
	}
}

func TestADeliveryIsComparedWithWhatWasSent(t *testing.T) {
	NewWithT(t).Expect(delivered().check("alice", "bob", "hi")).To(Succeed())
	for says, spoil := range map[string]func(*Delivery){
		"another message than the one sent":    func(d *Delivery) { d.Pulled.ServerID = "x" },
		"pulled by seq 7":                      func(d *Delivery) { d.Pulled.SendID = "carol" },
		"MongoDB holds another message":        func(d *Delivery) { d.Stored.RecvID = "carol" },
		"in MongoDB \"{\\\"content\\\":\\\"ho": func(d *Delivery) { d.Stored.Content = `{"content":"ho"}` },
		"pulled \"not json\"":                  func(d *Delivery) { d.Pulled.Content = []byte("not json") },
		"Redis has handed out":                 func(d *Delivery) { d.Cached.CurrentSeq = 6 },
	} {
		d := delivered()
		spoil(&d)
		NewWithT(t).Expect(d.check("alice", "bob", "hi")).To(MatchError(ContainSubstring(says)))
	}
}

func TestCountersAreAwaited(t *testing.T) {
	g := NewWithT(t)
	looks := 0
	up, err := increases(t.Context(), map[string]float64{"a": 1, "b": 5}, func(context.Context) (map[string]float64, error) {
		looks++
		if looks == 1 {
			return map[string]float64{"a": 2, "b": 5}, nil
		}
		return map[string]float64{"a": 2, "b": 7}, nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(up).To(Equal(map[string]float64{"a": 1, "b": 2}))
	_, err = increases(t.Context(), nil, func(context.Context) (map[string]float64, error) { return nil, errors.New("gone") })
	g.Expect(err).To(MatchError(ContainSubstring("gone")))
}
