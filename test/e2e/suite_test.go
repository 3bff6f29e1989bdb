//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// soon bounds a repair by the operator.
	soon = 10 * time.Second
	// start bounds how long a stack may take to become ready.
	start = 10 * time.Minute
	// poll is the pause between two polls where a watch is not possible.
	poll = 250 * time.Millisecond
)

// The suite's users.
var (
	environment *setup.Environment
	stack       *v1alpha1.OpenIMStack
)

func TestEndToEnd(t *testing.T) {
	log.SetLogger(GinkgoLogr)
	klog.LogToStderr(false) // the client library's messages about closed streams
	klog.SetOutput(io.Discard)
	RegisterFailHandler(Fail)
	SetDefaultEventuallyPollingInterval(poll)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "A sealed OpenIM")
}

var (
	_ = BeforeSuite(func(ctx SpecContext) { bringUp(ctx) }, NodeTimeout(45*time.Minute))
	_ = AfterSuite(func(ctx SpecContext) { tidyUp(ctx) }, NodeTimeout(10*time.Minute))
)

// The suite. Each function adds its specs, in this order.
var _ = Describe("An isolated OpenIM", Ordered, ContinueOnFailure, func() {
	AfterEach(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			keepArtifacts(ctx)
		}
	}, NodeTimeout(2*time.Minute))

	fromEarlier()
	message()
	userSpecs()
	sealed()
	rest()
	healing()
	reasons()
	storeFaults()
	missingReference()
	outages()
	crashes()
	upgrades()
	failingCheck()
	oneReplica()
	rollouts()
	breaches()
	operatorDies()
	negativeControls()
	mutations()
	unenforced()
	exceptions()
	monitored()
	exposures()
	guards()
	neighbour()
	helm()
	removal()
})

// bringUp sets up cluster, images, stores, operator and stack, as the demo does. The stack has two pods of the process that calls its own
// kind.
func bringUp(ctx context.Context) {
	var err error
	environment, err = setup.NewEnvironment(setup.NewJournal(GinkgoWriter))
	Expect(err).NotTo(HaveOccurred())
	if takesOver() {
		takeOver(ctx)
		return
	}
	Expect(environment.Up(ctx)).To(Succeed())
	stack, err = environment.Sample()
	Expect(err).NotTo(HaveOccurred())
	stack.Spec.Processes = &v1alpha1.Processes{MsgGateway: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](2)}}
	Expect(environment.Prepare(ctx, stack)).To(Succeed())
	environment.AskForUpdate(stack)
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
}

// admin returns an administrator's client of the suite's gateway with a fresh token. Its port-forward ends with the spec.
func admin(ctx SpecContext) chat.Admin {
	GinkgoHelper()
	a, err := environment.Admin(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	return a
}

// ready waits until a stack is ready in its current generation.
func ready(ctx context.Context, s *v1alpha1.OpenIMStack) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeoutCause(ctx, start, fmt.Errorf("the stack was not ready after %s", start))
	defer cancel()
	_, err := environment.WaitReady(ctx, client.ObjectKeyFromObject(s))
	Expect(err).NotTo(HaveOccurred())
}

// tidyUp deletes the stacks, and leaves cluster, stores and operator for the next run.
func tidyUp(ctx context.Context) {
	if environment == nil || environment.Cluster == nil {
		return
	}
	for _, name := range []string{stackName(), neighbourName} {
		s := &v1alpha1.OpenIMStack{}
		s.Namespace, s.Name = setup.StackNamespace, name
		Expect(environment.Cluster.Remove(ctx, s, &v1alpha1.OpenIMStackList{})).To(Succeed())
	}
	uninstallChart(ctx)
}

func stackName() string {
	if stack == nil {
		return "chat"
	}
	return stack.Name
}

// keepArtifacts dumps artifacts for the analysis of a failure and prints their folder.
func keepArtifacts(ctx context.Context) {
	if environment == nil || environment.Cluster == nil {
		return
	}
	folder := filepath.Join(environment.Root, "dist", "e2e", fmt.Sprint(CurrentSpecReport().LeafNodeLocation.LineNumber))
	err := environment.Cluster.Dump(ctx, folder, setup.OperatorNamespace, setup.StackNamespace, setup.StoresNamespace)
	if err != nil {
		GinkgoWriter.Printf("not all artifacts could be kept: %v\n", err)
	}
	GinkgoWriter.Printf("artifacts, without secrets: %s\n", folder)
}

// The time of each spec, in order, at the end.
var _ = ReportAfterSuite("times", func(report types.Report) {
	var total time.Duration
	for _, spec := range report.SpecReports {
		if spec.LeafNodeType != types.NodeTypeIt || spec.State == types.SpecStateSkipped && spec.Failure.Message == "" {
			continue
		}
		total += spec.RunTime
		_, _ = fmt.Fprintf(
			os.Stdout,
			"%8s  %-7s  %s\n",
			spec.RunTime.Round(100*time.Millisecond),
			spec.State,
			strings.Join(append(spec.ContainerHierarchyTexts[1:], spec.LeafNodeText), ": "),
		)
		for _, entry := range spec.ReportEntries {
			_, _ = fmt.Fprintf(os.Stdout, "                   %s: %s\n", entry.Name, entry.StringRepresentation())
		}
	}
	_, _ = fmt.Fprintf(
		os.Stdout,
		"%8s  in all specs, %s in all\n",
		total.Round(100*time.Millisecond),
		report.RunTime.Round(100*time.Millisecond),
	)
})
