package dependencies

import (
	"errors"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// objectStorage resolves the object store: its place on the network, its credentials, and MinIO's authority.
func (r *resolver) objectStorage() error {
	spec := r.stack.Spec.Dependencies.ObjectStorage
	settings, credentials, kind := openim.ObjectStorageOf(spec)
	if settings == nil {
		return nil
	}
	r.facts.Settings.ObjectStorage = settings
	const section = "spec.dependencies.objectStorage"
	field := section + "." + kind
	if settings.Kind == openim.StorageAWS && !r.facts.Settings.Release.StorageAWS() && r.facts.Settings.Release.Tag != "" {
		defer r.keepPlace(openim.PartyObjectStorage)
		r.invalid(v1alpha1.ReasonUnsupportedByRelease, field, "OpenIM %s does not know the object store aws: use v3.8.3-patch.6 or later, or "+
			"write another kind", r.stack.Spec.Version)
	}
	var digest string
	var unread error
	if m := spec.MinIO; m != nil && m.TLS != nil {
		var files []openim.StoreFile
		files, digest, unread = r.storeFiles(field, nil, &v1alpha1.StoreTLS{CASecretRef: m.TLS.CASecretRef}, false)
		r.setFiles(openim.ObjectStorage, files)
	}
	id, secret := settings.CredentialsEnv()
	err := errors.Join(
		unread,
		r.placeStorage(field, section+".peers", *settings, peers{spec.Peers, spec.PeerPort}),
		r.credentials(openim.ObjectStorage, field+".credentialsRef", credentials, []credential{
			{key: v1alpha1.KeyAccessKeyID, env: id}, {key: v1alpha1.KeySecretAccessKey, env: secret},
		}),
	)
	r.addHash(openim.ObjectStorage, digest)
	return err
}

// placeStorage resolves the address of the store. Hosts of clouds cannot be named by a policy.
func (r *resolver) placeStorage(field, peersField string, settings openim.ObjectStorageSettings, given peers) (err error) {
	if settings.Enable() == openim.StorageMinIO {
		return r.locate(openim.ObjectStorage, field+".internalAddress", peersField, []string{settings.InternalAddress}, given)
	}
	r.facts.Endpoints[openim.ObjectStorage], err = r.placeURLs(openim.PartyObjectStorage, field, peersField, given, remote{
		process: openim.RPCThird, peers: "objectStorage.peers", who: "the store",
	}, settings.URL())
	return err
}
