package dependencies

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// push resolves the vendor's credentials and its place on the network.
func (r *resolver) push() error {
	const field = "spec.push"
	spec := r.stack.Spec.Push
	switch {
	case spec == nil:
		return nil
	case spec.FCM != nil:
		return r.fcm(field+".fcm.credentialsRef", spec.FCM.CredentialsRef)
	case spec.GeTui != nil:
		return errors.Join(
			r.pushKeys(field+".getui.credentialsRef", spec.GeTui.CredentialsRef, openim.KeyGeTuiAppKey, openim.KeyGeTuiSecret),
			r.placePush(field+".getui.url", string(spec.GeTui.URL)),
		)
	case spec.JPush != nil:
		return errors.Join(
			r.pushKeys(field+".jpush.credentialsRef", spec.JPush.CredentialsRef, openim.KeyJPushAppKey, openim.KeyJPushSecret),
			r.placePush(field+".jpush.url", string(openim.JPushURL(*spec.JPush))),
		)
	}
	return nil // the schema of the CRD excludes it
}

// pushKeys adds the environment variables with a vendor's keys.
func (r *resolver) pushKeys(field string, ref v1alpha1.LocalReference, appKey, masterSecret string) error {
	variables, hash, err := r.variables(field, ref.Name, []credential{
		{key: v1alpha1.KeyAppKey, env: openim.EnvName(openim.PushFile, appKey)},
		{key: v1alpha1.KeyMasterSecret, env: openim.EnvName(openim.PushFile, masterSecret)},
	})
	r.facts.Push.Credentials, r.facts.Push.Hash = variables, hash
	return err
}

// fcm checks the file of FCM's service account, and places the hosts that OpenIM calls with it.
func (r *resolver) fcm(field string, ref v1alpha1.KeyReference) error {
	addresses := []string{"https://" + openim.FCMHost}
	selector, file, err := r.key(field, ref.Name, ref.Key)
	if file != nil {
		account, problem := parseServiceAccount(file)
		if problem != "" {
			r.invalid(v1alpha1.ReasonSecretInvalid, field, "key %q of Secret %q is not the file of an FCM service account: %s", ref.Key, ref.Name,
				problem)
		} else {
			r.facts.Push.File, r.facts.Push.Hash = &selector, r.hash(file)
			addresses = append(addresses, account.tokenURI())
		}
	}
	return errors.Join(err, r.placePush(field, addresses...))
}

// placePush resolves the hosts of URLs that openim-push calls.
func (r *resolver) placePush(field string, urls ...string) (err error) {
	spec := r.stack.Spec.Push
	r.facts.Push.Endpoints, err = r.placeURLs(openim.PartyPush, field, "spec.push.peers", peers{spec.Peers, spec.PeerPort}, remote{
		process: openim.Push, peers: "push.peers", who: "the vendor",
	}, urls...)
	return err
}

// remote says in a problem's text which server one process reaches on the internet, and the field for its peers.
type remote struct {
	process    openim.Name
	peers, who string
}

// placeURLs resolves the hosts of URLs that one process calls, and adds their location. Without peers, a host that no policy can name must
// be reached by an entry of spec.network.extraEgress.
func (r *resolver) placeURLs(party openim.Party, field, peersField string, given peers, to remote, urls ...string) (
	[]openim.Endpoint, error,
) {
	at := openim.Location{Party: party, Peers: openim.NetworkPeers(r.stack.Namespace, given.list)}
	var found []openim.Endpoint
	var failures []error
	for _, text := range urls {
		if host := unnameable(text, r.stack.Namespace); host != "" && len(given.list) == 0 {
			if !r.hasExtraEgress(to.process) {
				r.invalid(v1alpha1.ReasonPeersNeeded, peersField, "a NetworkPolicy cannot name the host %q: write the addresses of %s, "+
					"or the pods of a proxy, to %s, or to an entry of network.extraEgress that names %s", host, to.who, to.peers, to.process)
			}
			continue
		}
		address, err := r.placeURL(field, peersField, text, given)
		failures = append(failures, err)
		if address != nil && !slices.ContainsFunc(at.Addresses, func(a openim.Address) bool { return a.Text == address.Text }) {
			at.Addresses = append(at.Addresses, *address)
			found = merge(found, address.Endpoints)
		}
	}
	r.facts.Locations = append(r.facts.Locations, at)
	return found, errors.Join(failures...)
}

// hasExtraEgress reports whether the spec lets a process connect to other peers. Which servers these are is not known.
func (r *resolver) hasExtraEgress(process openim.Name) bool {
	network := r.stack.Spec.Network
	return network != nil && slices.ContainsFunc(network.ExtraEgress, func(e v1alpha1.ExtraEgress) bool {
		return slices.Contains(e.Components, v1alpha1.ComponentName(process))
	})
}

// unnameable returns the host of a URL when it is neither an address nor a Service, else "".
func unnameable(text, namespace string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return "" // placeURL refuses it
	}
	host := parsed.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	if _, ok := ServiceOf(host, namespace); ok {
		return ""
	}
	return host
}

// hostPortOf returns host:port of a URL, with the default port of its scheme.
func hostPortOf(parsed *url.URL) string {
	port := parsed.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	}
	return net.JoinHostPort(parsed.Hostname(), port)
}
