package dependencies

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/mongouri"
	"github.com/openimstack/openim-operator/openim"
)

// mongodb resolves either form of the reference.
func (r *resolver) mongodb() error {
	spec := r.stack.Spec.Dependencies.MongoDB
	const field = "spec.dependencies.mongodb"
	r.facts.Settings.MongoDB.Database = spec.Database
	at := openim.Location{Party: openim.PartyMongoDB}
	if spec.ResourceRef != nil {
		found, err := r.followMongoDB(field, openim.MongoDB, &spec)
		at.Source = sourceOf(spec.ResourceRef)
		if err != nil || !found {
			r.unknown(at.Party, at.Source, spec.Peers)
			return err
		}
		defer r.consent(spec.ResourceRef)()
	}
	files, digest, unread := r.storeFiles(field, spec.ResourceRef, spec.TLS, true)
	r.setFiles(openim.MongoDB, files)
	options := mongoTLS(spec.TLS, openim.StoreDir(openim.MongoDB))
	if spec.URIRef != nil {
		at.Source = source(spec)
		uri, err := r.connectionString(field, spec)
		if err != nil || uri == nil {
			r.unknown(at.Party, at.Source, spec.Peers)
			return errors.Join(unread, err)
		}
		r.facts.Settings.MongoDB = openim.MongoDBSettings{Database: uri.database}
		r.claimURI(fieldOf(field, spec.ResourceRef, "uriRef"), uri)
		env := openim.EnvName(openim.MongoDBFile, openim.KeyURI)
		variables := []corev1.EnvVar{envVar(env, spec.URIRef.Name, spec.URIRef.Key)}
		if suffix := uri.suffix(options); suffix != "" {
			variables = []corev1.EnvVar{
				envVar(openim.ConnectionStringEnv, spec.URIRef.Name, spec.URIRef.Key),
				{Name: env, Value: "$(" + openim.ConnectionStringEnv + ")" + suffix},
			}
		}
		r.facts.Credentials[openim.MongoDB] = variables
		r.facts.CredentialHashes[openim.MongoDB] = joinHashes(r.hash(uri.text), digest)
		r.facts.Endpoints[openim.MongoDB], err = r.places(
			at, fieldOf(field, spec.ResourceRef, "uriRef"), field+".peers", uri.hosts, peers{spec.Peers, spec.PeerPort})
		return errors.Join(unread, err)
	}
	settings := openim.MongoDBSettings{
		Addresses: hostPorts(spec.Addresses), Database: database(r.stack, spec), AuthSource: spec.AuthSource,
		Credentials: spec.CredentialsRef != nil, Options: joinOptions(r.mongoOptions(field, spec), options),
	}
	r.facts.Settings.MongoDB = settings
	var unplaced error
	r.facts.Endpoints[openim.MongoDB], unplaced = r.places(
		at, fieldOf(field, spec.ResourceRef, "addresses"), field+".peers", settings.Addresses, peers{spec.Peers, spec.PeerPort})
	err := errors.Join(
		unread, unplaced,
		r.credentials(openim.MongoDB, fieldOf(field, spec.ResourceRef, "credentialsRef"), spec.CredentialsRef, []credential{
			{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.MongoDBFile, openim.KeyUsername), urlSafe: true},
			{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.MongoDBFile, openim.KeyPassword), urlSafe: true},
		}),
	)
	if settings.Credentials && settings.Options != "" {
		// Behind the variables that it is composed of: the kubelet knows only the earlier ones.
		r.facts.Credentials[openim.MongoDB] = append(r.facts.Credentials[openim.MongoDB],
			corev1.EnvVar{Name: openim.EnvName(openim.MongoDBFile, openim.KeyURI), Value: settings.ComposedURI()})
	}
	r.addHash(openim.MongoDB, digest)
	return err
}

// source names the key of the Secret that holds a connection string, or the object that leads to it: a copy has another name for each
// content.
func source(spec v1alpha1.MongoDB) string {
	if spec.ResourceRef != nil {
		return sourceOf(spec.ResourceRef)
	}
	return spec.URIRef.Name + "/" + spec.URIRef.Key
}

// wrapperMongoDB resolves the backend's MongoDB, which is OpenIM's unless the spec names another.
func (r *resolver) wrapperMongoDB() error {
	spec, field, name := r.stack.Spec.Dependencies.MongoDB, "spec.dependencies.mongodb", openim.MongoDB
	if own := r.stack.Spec.Wrapper.MongoDB; own != nil {
		spec, field, name = *own, "spec.wrapper.mongodb", openim.Dependency(openim.PartyWrapperMongoDB)
	}
	if spec.ResourceRef != nil {
		found, err := r.followMongoDB(field, name, &spec)
		if err != nil || !found {
			r.unknown(openim.PartyWrapperMongoDB, sourceOf(spec.ResourceRef), spec.Peers)
			return err
		}
		defer r.consent(spec.ResourceRef)()
	}
	store, err := r.mongodbStore(field, spec)
	r.facts.Wrapper.MongoDB = store
	return err
}

func (r *resolver) mongodbStore(field string, spec v1alpha1.MongoDB) (store openim.WrapperStore, err error) {
	at := openim.Location{Party: openim.PartyWrapperMongoDB}
	if spec.ResourceRef != nil {
		at.Source = sourceOf(spec.ResourceRef)
	}
	files, digest, unread := r.storeFiles(field, spec.ResourceRef, spec.TLS, true)
	options := mongoTLS(spec.TLS, openim.WrapperFilesDir)
	if spec.URIRef != nil {
		at.Source = source(spec)
		uri, err := r.connectionString(field, spec)
		if err != nil || uri == nil {
			r.unknown(at.Party, at.Source, spec.Peers)
			return store, errors.Join(unread, err)
		}
		store = openim.WrapperStore{
			URI: &uri.selector, Database: uri.database, Options: uri.missing(options), Files: files, FilesHash: digest,
		}
		r.claimURI(fieldOf(field, spec.ResourceRef, "uriRef"), uri)
		store.Endpoints, err = r.places(
			at, fieldOf(field, spec.ResourceRef, "uriRef"), field+".peers", uri.hosts, peers{spec.Peers, spec.PeerPort})
		return store, errors.Join(unread, err)
	}
	store = openim.WrapperStore{
		Addresses: hostPorts(spec.Addresses), Database: database(r.stack, spec), AuthSource: spec.AuthSource,
		Options: joinOptions(r.mongoOptions(field, spec), options), Files: files, FilesHash: digest,
	}
	store.Endpoints, err = r.places(
		at, fieldOf(field, spec.ResourceRef, "addresses"), field+".peers", store.Addresses, peers{spec.Peers, spec.PeerPort})
	return store, errors.Join(unread, err, r.storeLogin(&store, fieldOf(field, spec.ResourceRef, "credentialsRef"), spec.CredentialsRef, true))
}

// connectionString is the parsed connection string of a Secret.
type connectionString struct {
	selector corev1.SecretKeySelector
	text     []byte
	hosts    []string
	database string
}

// srvScheme begins connection strings that name hosts by DNS.
const srvScheme = "mongodb+srv://"

// connectionString reads the Secret behind uriRef. It is nil when there is a problem.
func (r *resolver) connectionString(field string, spec v1alpha1.MongoDB) (*connectionString, error) {
	ref, from := spec.URIRef, fieldOf(field, spec.ResourceRef, "uriRef")
	shown := r.shown(ref.Name)
	selector, value, err := r.key(from, ref.Name, ref.Key)
	if err != nil || value == nil {
		return nil, err
	}
	if srv := string(value); len(srv) >= len(srvScheme) && strings.EqualFold(srv[:len(srvScheme)], srvScheme) {
		r.invalid(v1alpha1.ReasonSecretInvalid, from, "key %q of Secret %q begins with %s, whose hosts are in DNS, where no "+
			"policy can follow them: write mongodb:// with the hosts and ports of its SRV record, the options of its TXT record, and tls=true",
			ref.Key, shown, srvScheme)
		return nil, nil
	}
	hosts, ok := hostsOf(string(value))
	if !ok {
		r.invalid(v1alpha1.ReasonSecretInvalid, from,
			"key %q of Secret %q is not a connection string: write mongodb://user:password@host:port/database", ref.Key, shown)
		return nil, nil
	}
	if spec.TLS != nil {
		if said := mongouri.TLSOf(string(value)); said.Off || said.More {
			r.invalid(v1alpha1.ReasonSecretInvalid, fieldOf(field, spec.ResourceRef, "tls"), "the connection string in key %q of Secret %q says "+
				"tls=false, or sets other options of TLS: remove its options of TLS, or remove tls here, or "+
				"the certificates of the binding", ref.Key, shown)
			return nil, nil
		}
	}
	name, ok := databaseOf(string(value))
	switch {
	case spec.Database != "":
		name = spec.Database
	case !ok:
		r.invalid(v1alpha1.ReasonSecretInvalid, from, "the path of the connection string in key %q of Secret %q is not a valid "+
			"database name: write letters, digits, '_' and '-', or write the name to database", ref.Key, shown)
		return nil, nil
	case name == "":
		name = database(r.stack, spec)
	}
	return &connectionString{selector: selector, text: value, hosts: hosts, database: name}, nil
}

// claimURI adds the claim to the database of a connection string.
func (r *resolver) claimURI(field string, uri *connectionString) {
	c := claims{namespace: r.stack.Namespace, all: r.facts.Claims}
	c.add(openim.MongoDB, field, uri.hosts, "database "+uri.database)
	r.facts.Claims = c.all
}

// database returns the database that the spec names, or the stack's default.
func database(stack *v1alpha1.OpenIMStack, spec v1alpha1.MongoDB) string {
	if spec.Database != "" {
		return spec.Database
	}
	return openim.DefaultDatabase(stack.Namespace, stack.Name)
}

// hostsOf returns the hosts of a connection string of the form mongodb://[user:password@]host[:port][,...][/...].
func hostsOf(uri string) ([]string, bool) {
	if !strings.HasPrefix(uri, "mongodb://") {
		return nil, false
	}
	hosts, ok := mongouri.Hosts(uri)
	for i, host := range hosts {
		if _, _, err := splitAddress(host); err != nil {
			hosts[i] += ":27017"
		}
		if _, _, err := splitAddress(hosts[i]); err != nil || strings.ContainsAny(host, "@/") { // a host that was escaped
			return nil, false
		}
	}
	return hosts, ok
}

// databaseForm is the form of the CRD's field. The name is written to a ConfigMap: no part of credentials has this form, because '@' is
// excluded.
var databaseForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// reservedDatabases are MongoDB's own. In the path of a connection string they name the database in which the user is looked up.
var reservedDatabases = []string{"admin", "local", "config"}

// databaseOf returns the database of a connection string: mongodb://hosts/database?options. The name is empty when the string names no
// database, or one of MongoDB's own. ok is false for an invalid name.
func databaseOf(uri string) (name string, ok bool) {
	name, ok = mongouri.Database(uri)
	if !ok || name != "" && !databaseForm.MatchString(name) {
		return "", false
	}
	if slices.Contains(reservedDatabases, name) {
		return "", true
	}
	return name, true
}
