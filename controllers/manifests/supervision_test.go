package manifests_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor"
)

// unsupervised returns the children of a case with spec.supervision Disabled.
func unsupervised(t *testing.T, folder string) []client.Object {
	t.Helper()
	stack, cluster := manifeststest.Read(t, folder)
	stack.Spec.Supervision = v1alpha1.SupervisionDisabled
	return manifeststest.Children(t, stack, cluster)
}

// The supervisor parses what the operator writes for it.
func TestTheSupervisorUnderstandsItsArguments(t *testing.T) {
	for _, folder := range []string{"testdata/minimal", "testdata/everything"} {
		_, objects := build(t, folder)
		for _, d := range deployments(objects) {
			p, ok := openim.Lookup(openim.Name(d.Labels[v1alpha1.LabelComponent]))
			if !ok {
				continue
			}
			g, pod := NewWithT(t), d.Spec.Template.Spec
			c := pod.Containers[0]
			g.Expect(c.Command).To(Equal([]string{"/run/supervisor/supervisor"}), d.Name)
			var words []string
			for _, word := range c.Args {
				if word == "--host=$(POD_IP)" { // which the kubelet expands
					word = "--host=10.0.0.7"
				}
				words = append(words, word)
			}
			a, err := supervisor.ParseArguments(words)
			g.Expect(err).NotTo(HaveOccurred(), d.Name)
			g.Expect(a.Health).To(Equal(":12900"))
			g.Expect(a.Listen).To(HaveLen(len(p.Ports)-1), "all but the supervisor's own")
			g.Expect(a.Key != "" && a.Program[0] != "").To(BeTrue())
			if p.Registered != "" {
				g.Expect(a.Key).To(HaveSuffix("/" + p.Registered))
			}
		}
	}
}

func TestTheSupervisorIsInstalledBeforeTheProgramStarts(t *testing.T) {
	_, objects := build(t, "testdata/everything")
	for _, d := range deployments(objects) {
		g, pod := NewWithT(t), d.Spec.Template.Spec
		for _, c := range append(append([]corev1.Container{}, pod.InitContainers...), pod.Containers...) {
			g.Expect(c.TerminationMessagePolicy).NotTo(Equal(corev1.TerminationMessageFallbackToLogsOnError), "OpenIM prints passwords")
			g.Expect(*c.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
		}
		if d.Labels[v1alpha1.LabelName] != v1alpha1.NameOpenIM {
			continue
		}
		g.Expect(pod.InitContainers).To(HaveLen(1))
		prepare, c := pod.InitContainers[0], pod.Containers[0]
		g.Expect(prepare.Image).To(Equal(manifeststest.SupervisorImage))
		g.Expect(c.Env).To(ContainElements(prepare.Env), "the credentials of the process's stores")
		g.Expect(prepare.Env).NotTo(ContainElement(HaveField("Name", openim.EnvName(openim.ShareFile, openim.KeySecret))))
		mount := HaveField("Name", "supervisor")
		g.Expect(prepare.VolumeMounts).To(ContainElement(And(mount, HaveField("ReadOnly", false))))
		g.Expect(c.VolumeMounts).To(ContainElement(And(mount, HaveField("ReadOnly", true))))
		g.Expect(c.ReadinessProbe.HTTPGet.Path).To(Equal("/readyz"))
		g.Expect(c.LivenessProbe.HTTPGet.Path).To(Equal("/livez"))
		g.Expect(c.StartupProbe).To(BeNil(), "the supervisor bounds the start and can say why")
	}
}

func TestWithoutSupervisionNothingOfItIsLeft(t *testing.T) {
	for _, o := range unsupervised(t, "testdata/everything") {
		NewWithT(t).Expect(o).NotTo(And(BeAssignableToTypeOf(&corev1.Service{}),
			HaveField("Spec.Ports", ContainElement(HaveField("Name", "health")))))
	}
	for _, d := range deployments(unsupervised(t, "testdata/everything")) {
		g, pod := NewWithT(t), d.Spec.Template.Spec
		g.Expect(pod.InitContainers).To(BeEmpty())
		g.Expect(pod.Containers[0].Ports).NotTo(ContainElement(HaveField("Name", "health")))
		g.Expect(pod.Volumes).NotTo(ContainElement(HaveField("Name", "supervisor")))
	}
}

func TestTheHealthPortIsInNoService(t *testing.T) {
	_, objects := build(t, "testdata/everything")
	for _, o := range objects {
		if s, ok := o.(*corev1.Service); ok {
			NewWithT(t).Expect(s.Spec.Ports).NotTo(ContainElement(HaveField("Name", "health")), s.Name)
			NewWithT(t).Expect(s.Name).NotTo(HaveSuffix("-crontask"))
		}
	}
}
