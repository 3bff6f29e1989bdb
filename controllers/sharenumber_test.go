package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/openim"
)

func TestTheNumberOfAGeneratedShareSecret(t *testing.T) {
	g := NewWithT(t)
	for name, number := range map[string]int{
		"chat-share-secret": 1, "chat-share-secret-2": 2, "chat-share-secret-17": 17,
		"chat-share-secret-1": 0, "chat-share-secret-0": 0, "chat-share-secret-02": 0, "chat-share-secret--2": 0, "chat-share-secret-+2": 0,
		"chat-share-secret-": 0, "chat-share-secret-2x": 0, "chat-share-secrets": 0, "other-share-secret": 0, "": 0,
		"chat-share-secret-1000000": 0, "chat-share-secret-99999999999999999999": 0,
	} {
		g.Expect(shareNumber("chat", name)).To(Equal(number), name)
	}
	for _, number := range []int{1, 2, 10, maxShareNumber} {
		g.Expect(shareNumber("chat", "chat-"+shareSuffix(number))).To(Equal(number))
	}
}

// Templates of pods are kept from what has such a name: a Secret that is generated and has another one would be open to them.
func TestGeneratedSecretsAreKnownByTheirNames(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat"}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	made := generated(stack, shareSuffix(1))
	g.Expect(made).To(HaveLen(len(v1alpha1.GeneratedKeys())))
	for _, secret := range append(made, generated(stack, shareSuffix(maxShareNumber))...) {
		g.Expect(v1alpha1.IsGenerated("chat-"+secret.suffix)).To(BeTrue(), secret.suffix)
	}
}

func TestTheNextStepFollowsFromTheCompletedRevision(t *testing.T) {
	const before, next = "before", "next"
	auth := func(secret string) corev1.PodSpec {
		return corev1.PodSpec{Containers: []corev1.Container{{Env: []corev1.EnvVar{{
			Name: openim.EnvName(openim.ShareFile, openim.KeySecret),
			ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "secret",
			}},
		}}}}}
	}
	backend := func(secrets ...string) corev1.PodSpec {
		// A Secret with other keys may be mounted too, for another purpose.
		pod := corev1.PodSpec{Volumes: []corev1.Volume{
			{Name: "redis", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: next}}},
		}}
		for i, secret := range secrets {
			source := corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}
			pod.Volumes = append(pod.Volumes, corev1.Volume{Name: []string{"share", "previous-share"}[i], VolumeSource: source})
		}
		return pod
	}
	component := func(pod corev1.PodSpec) revision.Component {
		return revision.Component{Template: corev1.PodTemplateSpec{Spec: pod}}
	}
	for name, c := range map[string]struct {
		auth     corev1.PodSpec
		backend  corev1.PodSpec
		previous string
		waits    bool
	}{
		"at rest":                             {auth(next), backend(next), "", false},
		"nobody has it yet":                   {auth(before), backend(before), before, true},
		"the backend has it":                  {auth(before), backend(next, before), before, false},
		"rpc-auth has it":                     {auth(next), backend(next, before), "", false},
		"another one was on its way":          {auth(before), backend("other", before), before, true},
		"rpc-auth of an unknown release":      {corev1.PodSpec{}, backend(before), "", true},
		"a backend that has nothing (unsafe)": {auth(before), backend(), before, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := revision.Data{Components: map[string]revision.Component{"rpc-auth": component(c.auth), "backend": component(c.backend)}}
			previous, waits := sharesIn(d).replaced(next)
			g.Expect(previous).To(Equal(c.previous))
			g.Expect(waits).To(Equal(c.waits))
		})
	}
	g := NewWithT(t)
	previous, waits := sharesIn(revision.Data{Components: map[string]revision.Component{"rpc-auth": component(auth(before))}}).replaced(next)
	g.Expect(previous).To(BeEmpty(), "an external wrapper is not ours to prepare")
	g.Expect(waits).To(BeFalse())
}

// A request that cannot be answered yet asks for the same number again and again, and a new Secret each time would have no end.
func TestANewShareSecretIsRecordedOnceItsRequestIsAnswered(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat"}}
	s := &scope{stack: stack, shareSuffix: "share-secret-2", rotated: "now", shareIsNew: true}
	s.generated = []v1alpha1.GeneratedSecret{
		{Name: "chat-digest", UID: "1"}, {Name: "chat-share-secret", UID: "2"}, {Name: "chat-share-secret-2", UID: "3"}, {Name: "chat-login"},
	}
	names := func() []string {
		var all []string
		for _, record := range s.recorded() {
			all = append(all, record.Name)
		}
		return all
	}
	g.Expect(names()).To(Equal([]string{"chat-digest", "chat-share-secret"}), "not answered")
	s.stack.Status.Requests = &v1alpha1.Requests{RotateShareSecret: "now"}
	g.Expect(names()).To(Equal([]string{"chat-digest", "chat-share-secret-2"}), "answered")
	s.rotated, s.shareIsNew = "", false
	g.Expect(names()).To(Equal([]string{"chat-digest", "chat-share-secret-2"}), "later")
	s.generated[2].UID = ""
	g.Expect(names()).To(Equal([]string{"chat-digest", "chat-share-secret"}), "the new one does not exist")
}
