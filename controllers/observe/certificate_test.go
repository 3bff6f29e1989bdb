package observe_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/controllers/observe"
)

func TestTheCertificateIsThatOfTheOldestPodThatServes(t *testing.T) {
	volume := func(secret string) corev1.Volume {
		return corev1.Volume{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}
	}
	wants := func(secret string, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
		d := deployment(change...)
		if secret != "" {
			d.Spec.Template.Spec.Volumes = append(d.Spec.Template.Spec.Volumes, volume(secret))
		}
		return d
	}
	has := func(secret string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Volumes = append(p.Spec.Volumes, volume(secret)) }
	}
	complete := func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 }
	deleted := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }
	youngest := func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-time.Second)) }
	for name, c := range map[string]struct {
		gateway *appsv1.Deployment
		pods    []corev1.Pod
		want    string
	}{
		"no pod yet":                            {wants("tls"), nil, "tls"},
		"none that is asked for":                {wants(""), nil, ""},
		"the template is complete":              {wants("tls", complete), []corev1.Pod{pod(older, beReady)}, "tls"},
		"new pods do not serve yet":             {wants("tls"), []corev1.Pod{pod(has("tls")), pod(older, beReady)}, ""},
		"both serve":                            {wants("tls"), []corev1.Pod{pod(has("tls"), beReady), pod(older, beReady)}, ""},
		"the earlier pods are about to end":     {wants("tls"), []corev1.Pod{pod(has("tls"), beReady), pod(older, beReady, deleted)}, "tls"},
		"the earlier pods no longer serve":      {wants("tls"), []corev1.Pod{pod(has("tls"), beReady), pod(older)}, "tls"},
		"nobody serves":                         {wants("tls"), []corev1.Pod{pod(has("tls")), pod(older)}, ""},
		"another certificate":                   {wants("new"), []corev1.Pod{pod(has("new")), pod(older, has("tls"), beReady)}, "tls"},
		"no certificate from now on":            {wants(""), []corev1.Pod{pod(beReady), pod(older, has("tls"), beReady)}, "tls"},
		"back, and the failed pods never ready": {wants(""), []corev1.Pod{pod(has("tls"), youngest), pod(older, beReady)}, ""},
		"held, and an earlier pod was moved":    {wants("tls"), []corev1.Pod{pod(has("tls")), pod(older, youngest, beReady)}, ""},
		"a foreign pod with the labels": {wants("tls"), []corev1.Pod{pod(has("tls"), beReady), pod(older, beReady, func(p *corev1.Pod) {
			p.OwnerReferences = nil
		})}, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(observe.Certificate(c.gateway, c.pods)).To(Equal(c.want))
		})
	}
}
