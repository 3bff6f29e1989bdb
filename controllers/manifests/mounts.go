package manifests

import (
	"cmp"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/openim"
)

// mounts collects the files that a role of the wrapper reads, or one of OpenIM's processes. Mounted files follow their object without a
// restart, because no mount has a subPath.
type mounts struct {
	// dir is the folder below which all are mounted. Empty: the wrapper's.
	dir     string
	volumes []corev1.Volume
	mounts  []corev1.VolumeMount
}

func keyFile(key, file string) corev1.KeyToPath { return corev1.KeyToPath{Key: key, Path: file} }

// secret mounts keys of a Secret and returns the path of the first.
func (m *mounts) secret(name, secret string, items ...corev1.KeyToPath) string {
	return path.Join(m.secretDir(name, secret, items...), items[0].Path)
}

// secretDir mounts keys of a Secret, or all of them when none is named, and returns the folder.
func (m *mounts) secretDir(name, secret string, items ...corev1.KeyToPath) string {
	return m.add(name, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: secret, Items: items, DefaultMode: ptr.To[int32](0o440),
	}})
}

// key mounts a key of a Secret under a fixed file name, and returns its path, or "" for a nil selector.
func (m *mounts) key(name string, selector *corev1.SecretKeySelector, file string) string {
	if selector == nil {
		return ""
	}
	return m.secret(name, selector.Name, keyFile(selector.Key, file))
}

// files mounts keys of several Secrets in one folder.
func (m *mounts) files(name string, files []openim.StoreFile) {
	if len(files) > 0 {
		m.add(name, storeFiles(files))
	}
}

// storeFiles returns a volume with keys of several Secrets.
func storeFiles(files []openim.StoreFile) corev1.VolumeSource {
	volume := &corev1.ProjectedVolumeSource{DefaultMode: ptr.To[int32](0o440)}
	for _, file := range files {
		volume.Sources = append(volume.Sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: file.Key.LocalObjectReference, Items: []corev1.KeyToPath{keyFile(file.Key.Key, file.Name)},
		}})
	}
	return corev1.VolumeSource{Projected: volume}
}

// configMap mounts keys of a ConfigMap, or all of them when none is named, and returns the folder.
func (m *mounts) configMap(name, configMap string, items ...corev1.KeyToPath) string {
	return m.add(name, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, Items: items, DefaultMode: ptr.To[int32](0o444),
	}})
}

// add mounts a volume below the folder. No folder contains another, because they are read-only.
func (m *mounts) add(name string, source corev1.VolumeSource) string {
	dir := path.Join(cmp.Or(m.dir, wrapperDir), strings.ReplaceAll(name, "-", "/"))
	m.volumes = append(m.volumes, corev1.Volume{Name: name, VolumeSource: source})
	m.mounts = append(m.mounts, corev1.VolumeMount{Name: name, MountPath: dir, ReadOnly: true})
	return dir
}
