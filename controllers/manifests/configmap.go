package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// configMap returns an immutable ConfigMap that is named by its content. A changed configuration is another object: the pods that read it
// are rolled out one by one, and a pod that restarts meanwhile still finds the configuration that it was created with.
func (b *builder) configMap(c graph.Component, files map[string]string) (*corev1.ConfigMap, error) {
	// encoding/json writes maps in the order of their keys.
	content, err := json.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("naming the configuration of %s: %w", c.Name, err)
	}
	sum := sha256.Sum256(content)
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: b.meta(b.child(c)+"-"+hex.EncodeToString(sum[:5]), c),
		Data:       files,
		Immutable:  ptr.To(true),
	}, nil
}
