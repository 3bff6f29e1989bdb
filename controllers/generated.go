package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
)

// collection is when to look again at an object that the garbage collector is about to delete.
const collection = 10 * time.Second

// generateSecrets creates the Secrets that users need not provide, each on its first use. A Secret that the stack had and that does not
// exist is lost. Nobody outside of the stack knows the share.secret, the assertion key and the digest key: new ones are generated, with an
// event. Clients have pinned the login key, and the custody key decrypts what is stored: these are generated again only on request.
//
// A Secret was in use when the status lists it, or when a Deployment of the stack reads it: a restored stack has no status.
func (r *Reconciler) generateSecrets(ctx context.Context, s *scope) error {
	s.generated = slices.Clone(s.stack.Status.GeneratedSecrets)
	r.giveUpLoginKeys(s)
	if err := r.chooseShareSecret(ctx, s); err != nil {
		return err
	}
	var failures []error
	for _, g := range generated(s.stack, s.shareSuffix) {
		if err := r.generateSecret(ctx, s, g); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// generatedSecret is a Secret that the operator generates. A lost one with an annotation is generated again only on request.
type generatedSecret struct {
	suffix, key string
	annotation  string
	// loss is what a lost Secret costs: the end of a sentence that starts with a restart, or with what is lost.
	loss string
}

// generated returns the Secrets that the operator generates for a spec. share is the suffix of the share.secret.
func generated(stack *v1alpha1.OpenIMStack, share string) []generatedSecret {
	secrets := []generatedSecret{{suffix: v1alpha1.SuffixDigest, key: v1alpha1.KeyDigest,
		loss: "the readers of a password or key that was written since the last rollout restart once"}}
	if stack.Spec.Wrapper.ExternalRef == nil {
		secrets = append(secrets, generatedSecret{suffix: v1alpha1.SuffixAssertionKey, key: v1alpha1.KeyAssertionKey,
			loss: "gateway and backend restart"})
	}
	if stack.Spec.SecretRef == nil {
		secrets = append(secrets, generatedSecret{suffix: share, key: v1alpha1.KeyShareSecret,
			loss: "rpc-auth and the backend restart, and OpenIM's tokens are made again"})
	}
	if users := stack.Spec.Wrapper.Auth.Users; users != nil {
		secrets = append(secrets, generatedSecret{suffix: v1alpha1.SuffixCustody, key: v1alpha1.KeyCustody,
			annotation: v1alpha1.AnnotationRegenerateCustody,
			loss:       "the key of all sessions, stored tokens and enrolment codes"})
		if users.ServerKeys == nil && users.ServerKeyFingerprint == "" {
			secrets = append(secrets, generatedSecret{suffix: v1alpha1.SuffixLogin, key: v1alpha1.KeyLogin,
				annotation: v1alpha1.AnnotationRegenerateLogin,
				loss:       "the key by which clients recognise the gateway"})
		}
	}
	return secrets
}

func (r *Reconciler) generateSecret(ctx context.Context, s *scope, g generatedSecret) error {
	name := types.NamespacedName{Namespace: s.stack.Namespace, Name: v1alpha1.ChildName(s.stack.Name, g.suffix)}
	found, err := r.secretMetadataOf(ctx, s, name)
	if err != nil {
		return err
	}
	record := s.record(name.Name)
	request := s.request(g)
	if found != nil {
		if ownedByEarlierStack(found, s.stack) {
			// The garbage collector deletes it, and its deletion wakes nobody: the Secret is not this stack's.
			return outcome.NewWaiting(v1alpha1.ReasonNameConflict, fmt.Sprintf("reading Secret %s: it belongs to a deleted stack of this "+
				"name: wait until it is deleted, or remove its owner reference to keep it", name), collection)
		}
		record.UID = string(found.UID)
		if !s.suspended() {
			record.AnsweredRequest = request // nothing was lost
		}
		return nil
	}
	used, err := r.wasUsed(ctx, s, record)
	if err != nil {
		return err
	}
	if used && g.annotation != "" && request == record.AnsweredRequest {
		s.lost = append(s.lost, g.problem(s.stack, name.Name))
		return nil
	}
	if s.suspended() {
		s.pending = append(s.pending, "Secret/"+name.Name)
		return nil
	}
	if err := r.createSecret(ctx, s, g, record, used); err != nil {
		return err
	}
	record.AnsweredRequest = request
	return nil
}

// createSecret generates the Secret and records it. replaced tells that an earlier one was lost.
func (r *Reconciler) createSecret(
	ctx context.Context, s *scope, g generatedSecret, record *v1alpha1.GeneratedSecret, replaced bool,
) error {
	meta := metav1.ObjectMeta{Name: record.Name, Namespace: s.stack.Namespace, Labels: manifests.CommonLabels(s.stack.Name)}
	if g.suffix != v1alpha1.SuffixLogin { // clients have pinned it: it survives the deletion of the stack
		meta.OwnerReferences = []metav1.OwnerReference{manifests.OwnerReference(s.stack)}
	}
	immutable := g.suffix != v1alpha1.SuffixCustody // the custody key is rotated in place (docs/token-vault.md)
	secret, err := r.applier.GenerateSecret(ctx, meta, g.key, immutable)
	if err != nil {
		return err
	}
	record.UID = string(secret.UID)
	if !replaced {
		s.note(eventkind.Created, secret)
		return nil
	}
	r.event(s, secret, eventkind.SecretRegenerated,
		fmt.Sprintf("Secret %s was lost, and another value was generated: %s", record.Name, g.consequence()))
	return nil
}

// consequence returns what another value causes.
func (g generatedSecret) consequence() string {
	if g.annotation != "" {
		return "lost is " + g.loss
	}
	return g.loss
}

// problem returns the problem of a lost Secret that is generated again only on request.
func (g generatedSecret) problem(stack *v1alpha1.OpenIMStack, name string) dependencies.Problem {
	remedy := "restore it from a backup"
	if g.suffix == v1alpha1.SuffixLogin {
		remedy += ", or name a Secret with your own keys in spec.wrapper.auth.users.serverKeys"
	}
	remedy += ", or accept another value: set the annotation " + g.annotation + " to the present time in RFC 3339"
	if !validRequest(stack, stack.Annotations[g.annotation]) {
		remedy += " (its present value is no time in RFC 3339 after the creation of the stack)"
	}
	lost := g.loss
	if g.suffix == v1alpha1.SuffixLogin {
		lost = strings.Join(append([]string{lost}, stack.Status.LoginKeys...), " ")
	}
	return dependencies.Problem{
		Reason: v1alpha1.ReasonGeneratedSecretLost, Field: "metadata.name", Secret: name, Stalled: true,
		Components: []string{v1alpha1.ComponentBackend}, // only it reads what is not generated again by itself
		Message:    fmt.Sprintf("Secret %q does not exist, and with it is lost %s: %s", name, lost, remedy),
	}
}

// record returns the status of a generated Secret, which it adds when there is none.
func (s *scope) record(name string) *v1alpha1.GeneratedSecret {
	i := slices.IndexFunc(s.generated, func(g v1alpha1.GeneratedSecret) bool { return g.Name == name })
	if i < 0 {
		i = len(s.generated)
		s.generated = append(s.generated, v1alpha1.GeneratedSecret{Name: name})
	}
	return &s.generated[i]
}

// request returns the request for another value, answered or not. An invalid one counts as the one that was answered.
func (s *scope) request(g generatedSecret) string {
	record := s.record(v1alpha1.ChildName(s.stack.Name, g.suffix))
	if value := s.stack.Annotations[g.annotation]; g.annotation != "" && value != "" && validRequest(s.stack, value) {
		return value
	}
	return record.AnsweredRequest
}

// maxRequest is the longest value of a request, as in the CRD.
const maxRequest = 64

// validRequest reports whether the value of an annotation is a request, or absent. A request from before the creation of the stack was
// restored with the stack, and what it asked for was done then.
func validRequest(stack *v1alpha1.OpenIMStack, value string) bool {
	if value == "" {
		return true
	}
	at, err := time.Parse(time.RFC3339, value)
	return err == nil && len(value) <= maxRequest && !at.Before(stack.CreationTimestamp.Time)
}

// giveUpLoginKeys answers a request to accept other keys of the login. It is answered for keys of the user's own, too.
func (r *Reconciler) giveUpLoginKeys(s *scope) {
	users := s.stack.Spec.Wrapper.Auth.Users
	if users == nil || s.suspended() {
		return
	}
	login := generatedSecret{suffix: v1alpha1.SuffixLogin, annotation: v1alpha1.AnnotationRegenerateLogin}
	record, request := s.record(v1alpha1.ChildName(s.stack.Name, login.suffix)), s.request(login)
	if request == record.AnsweredRequest {
		return
	}
	s.loginKeysGivenUp = true
	if users.ServerKeys != nil || users.ServerKeyFingerprint != "" {
		record.AnsweredRequest = request // else generateSecret answers it
	}
}

// wasUsed reports whether the stack has used a Secret that does not exist.
func (r *Reconciler) wasUsed(ctx context.Context, s *scope, record *v1alpha1.GeneratedSecret) (bool, error) {
	if record.UID != "" {
		return true, nil
	}
	if record.Name == v1alpha1.ChildName(s.stack.Name, v1alpha1.SuffixLogin) && len(s.stack.Status.LoginKeys) > 0 {
		return true, nil
	}
	if s.liveDeployments == nil {
		// From the API server: the cache may be behind, and it is read on the first use of a Secret alone.
		var list appsv1.DeploymentList
		labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
		if err := r.live.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels); err != nil {
			return false, fmt.Errorf("listing Deployments that read Secret %s: %w", record.Name, err)
		}
		s.liveDeployments = &list
	}
	digest := record.Name == v1alpha1.ChildName(s.stack.Name, v1alpha1.SuffixDigest)
	return slices.ContainsFunc(s.liveDeployments.Items, func(d appsv1.Deployment) bool {
		hashed := digest && d.Spec.Template.Annotations[v1alpha1.AnnotationCredentials] != ""
		return !ownedByEarlierStack(&d, s.stack) && (hashed || readsSecret(&d.Spec.Template.Spec, record.Name))
	}), nil
}

// ownedByEarlierStack reports whether an object belongs to a deleted stack of the same name. The garbage collector deletes such an object.
func ownedByEarlierStack(object metav1.Object, stack *v1alpha1.OpenIMStack) bool {
	owner := metav1.GetControllerOf(object)
	return owner != nil && owner.Kind == manifests.OwnerReference(stack).Kind && owner.UID != stack.UID
}

// readsSecret reports whether the containers of a pod get a Secret by a volume or by their environment.
func readsSecret(pod *corev1.PodSpec, name string) bool {
	for _, volume := range pod.Volumes {
		if volume.Secret != nil && volume.Secret.SecretName == name {
			return true
		}
	}
	for _, container := range pod.Containers {
		for _, env := range container.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil && env.ValueFrom.SecretKeyRef.Name == name {
				return true
			}
		}
	}
	return false
}

// recorded returns the records that say something. Of the generated values of share.secret the last is recorded; a new one only once its
// request is answered: until then the request asks for the same one again.
func (s *scope) recorded() []v1alpha1.GeneratedSecret {
	present := v1alpha1.ChildName(s.stack.Name, s.shareSuffix)
	early := s.shareIsNew && s.answered().RotateShareSecret != s.rotated
	made := slices.ContainsFunc(s.generated, func(g v1alpha1.GeneratedSecret) bool { return g.Name == present && g.UID != "" })
	return slices.DeleteFunc(slices.Clone(s.generated), func(g v1alpha1.GeneratedSecret) bool {
		other := made && (g.Name != present) != early && shareNumber(s.stack.Name, g.Name) > 0
		return other || g.UID == "" && g.AnsweredRequest == ""
	})
}
