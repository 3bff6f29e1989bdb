package revision_test

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// golden returns the stack of a golden case, and what is rendered for its components.
func golden(t *testing.T, name string) (*v1alpha1.OpenIMStack, []client.Object, map[string]revision.Rendering) {
	t.Helper()
	stack, objects := manifeststest.Build(t, filepath.Join(manifeststest.Dir(), name))
	stack.UID, stack.Generation = "uid-of-the-stack", 7
	return stack, objects, renderings(objects)
}

// renderings returns the templates of Deployments with the immutable ConfigMaps that they mount.
func renderings(objects []client.Object) map[string]revision.Rendering {
	configMaps := map[string]*corev1.ConfigMap{}
	for _, o := range objects {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Immutable != nil {
			configMaps[c.Name] = c
		}
	}
	all := map[string]revision.Rendering{}
	for _, o := range objects {
		d, ok := o.(*appsv1.Deployment)
		if !ok {
			continue
		}
		r := revision.Rendering{Template: d.Spec.Template, ConfigMaps: map[string]map[string]string{}}
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil && configMaps[v.ConfigMap.Name] != nil {
				r.ConfigMaps[v.ConfigMap.Name] = configMaps[v.ConfigMap.Name].Data
			}
		}
		all[d.Labels[v1alpha1.LabelComponent]] = r
	}
	return all
}

// template returns a pod template whose container has the image.
func template(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}}}
}

// code is the present code of an operator: it renders each component from the spec's version, from facts and images, and from itself.
type code struct {
	version string
	calls   int
}

// render renders api from the version, gateway from the image, and msg from the share secret's hash.
func (c *code) render(in revision.Inputs) (map[string]revision.Rendering, error) {
	c.calls++
	all := map[string]revision.Rendering{
		"api": {Template: template(in.Spec.Version + c.version), ConfigMaps: map[string]map[string]string{
			"api-" + in.Spec.Version: {"api.yml": in.Spec.Version},
		}},
		"gateway": {Template: template(in.Images.Wrapper + c.version)},
		"msg":     {Template: template(in.Facts.ShareSecretHash + c.version)},
	}
	for _, name := range in.Unresolved {
		delete(all, name)
	}
	return all, nil
}

// history proposes and keeps, as the operator does.
type history struct {
	*WithT
	code    *code
	request revision.Request
}

func newHistory(t *testing.T) *history {
	h := &history{WithT: NewWithT(t), code: &code{version: "-1"}}
	h.request = revision.Request{Components: []string{"api", "gateway", "msg"}, Images: revision.Images{Wrapper: "wrapper:1"}}
	h.request.Inputs.Spec.Version, h.request.Inputs.Facts.ShareSecretHash = "v1", "secret1"
	return h
}

// propose returns the proposal, read from its encoded form, and makes it the newest revision.
func (h *history) propose() revision.Proposal {
	p, err := revision.Propose(h.request, h.code.render)
	h.Expect(err).NotTo(HaveOccurred())
	p.Data = h.keep(p.Data)
	return p
}

// keep makes a revision, read from its encoded form, the newest one.
func (h *history) keep(d revision.Data) revision.Data {
	text, err := revision.Encode(d)
	h.Expect(err).NotTo(HaveOccurred())
	d, err = revision.Decode(text)
	h.Expect(err).NotTo(HaveOccurred())
	h.request.History = append([]revision.Data{d}, h.request.History...)
	return d
}

func images(d revision.Data) map[string]string {
	all := map[string]string{}
	for name, c := range d.Components {
		all[name] = c.Template.Spec.Containers[0].Image
	}
	return all
}
