package manifests

import (
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// addBackend adds the only holder of OpenIM's secret and of the keys that users log in with.
func (b *builder) addBackend() error {
	component := b.component(v1alpha1.ComponentBackend)
	mounts := &mounts{}
	config := backendConfig{
		Listen:               listen(component, graph.BackendPort),
		Telemetry:            listener{Listen: listen(component, graph.TelemetryPort)},
		AssertionKeyFile:     mounts.key("assertion", &b.facts.AssertionKey, "key"),
		Tracing:              tracing(b.stack),
		Debug:                &listener{Listen: debugListen},
		ShutdownGraceSeconds: shutdownGrace,
	}
	config.OpenIM.APIURL = "http://" + b.address(string(openim.API), string(openim.HTTP))
	config.OpenIM.AdminUserID = openim.AdminUserID
	config.OpenIM.SecretFile = mounts.key("share", &b.facts.ShareSecret, "secret")
	config.Admins = b.admins(mounts)
	if users := b.stack.Spec.Wrapper.Auth.Users; users != nil {
		config.OpenIM.Release = b.stack.Spec.Version
		config.OpenIM.ExternalURL = users.Audience + userPrefix
		if storage := b.stack.Spec.Dependencies.ObjectStorage; storage != nil {
			config.OpenIM.ObjectURL = storage.MinIO.ExternalAddress
		}
		config.Users = b.login(mounts)
		config.Redis = b.redis(mounts)
		config.MongoDB = b.mongodb(mounts)
		config.CustodyKeyFile = mounts.key("custody", &b.facts.Wrapper.CustodyKey, "key")
	}
	return b.addRole(role{
		component: component, config: config, mounts: mounts, credentials: []string{b.facts.AssertionKeyHash, b.facts.ShareSecretHash},
		size: effective(b.stack.Spec.Wrapper.Backend, wrapperReplicas),
	})
}

// redis says where the wrapper's own Redis is. Stacks that share one have a prefix each.
func (b *builder) redis(mounts *mounts) *redisConfig {
	store := b.facts.Wrapper.Redis
	config := &redisConfig{Addresses: store.Addresses, KeyPrefix: b.stack.Namespace + "/" + b.stack.Name + ":", Database: store.Number}
	config.UsernameFile, config.PasswordFile = storeLogin("redis", store, mounts)
	if store.TLS {
		config.TLS = &redisTLSConfig{CAFile: mounts.key("ca-redis", store.CA, "ca.crt")}
	}
	return config
}

func (b *builder) mongodb(mounts *mounts) *mongodbConfig {
	store := b.facts.Wrapper.MongoDB
	config := &mongodbConfig{Addresses: store.Addresses, Database: store.Database, AuthSource: store.AuthSource, URIFile: mounts.key("mongodb", store.URI, "uri")}
	config.UsernameFile, config.PasswordFile = storeLogin("mongodb", store, mounts)
	return config
}

// storeLogin mounts user name and password of a store, which are keys of one Secret, and returns their paths; "" for what is not there.
func storeLogin(name string, store openim.Store, mounts *mounts) (username, password string) {
	var items []corev1.KeyToPath
	var secret string
	for _, selector := range []*corev1.SecretKeySelector{store.Username, store.Password} {
		if selector != nil {
			secret, items = selector.Name, append(items, keyFile(selector.Key, selector.Key))
		}
	}
	if len(items) == 0 {
		return "", ""
	}
	dir := mounts.secretDir(name, secret, items...)
	if store.Username != nil {
		username = path.Join(dir, store.Username.Key)
	}
	if store.Password != nil {
		password = path.Join(dir, store.Password.Key)
	}
	return username, password
}
