package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/openim"
)

// The share.secret is replaced in three run revisions, each completed before the next: the backend gets both secrets and keeps to the one
// that OpenIM accepts; openim-rpc-auth gets the new one, and its old pods go first; the backend forgets the old one. Which step is next
// follows from the revision that was completed last and from the Secret that is wanted, so nothing else is stored.

// chooseShareSecret finds the generated share.secret that the stack uses, and answers a request for another one by the next number.
func (r *Reconciler) chooseShareSecret(ctx context.Context, s *scope) error {
	if s.stack.Spec.SecretRef != nil {
		s.shareSuffix = v1alpha1.SuffixShareSecret
		return nil
	}
	number, err := r.shareSecretNumber(ctx, s)
	if err != nil {
		return err
	}
	asked := s.requestOf(v1alpha1.AnnotationRotateShareSecret)
	pending := asked != "" && asked != s.answered().RotateShareSecret && validRequest(s.stack, asked) && !s.suspended()
	if pending && s.stack.Status.CurrentRevision != "" && s.stack.Status.Rollout == nil {
		s.rotated, s.shareIsNew = asked, true
		number++
	} else if pending && s.stack.Status.CurrentRevision == "" {
		// The stack never ran, so its value is new; or the status was lost, and nobody can show whether the request is new.
		s.rotated = asked
	}
	s.shareSuffix = shareSuffix(number)
	return nil
}

// shareSecretNumber returns the highest number of the stack's generated share.secret: that of the status, or else that of the Secrets that
// exist. The first has the number 1.
func (r *Reconciler) shareSecretNumber(ctx context.Context, s *scope) (int, error) {
	highest := 0
	for _, record := range s.stack.Status.GeneratedSecrets {
		if record.UID != "" {
			highest = max(highest, shareNumber(s.stack.Name, record.Name))
		}
	}
	if highest > 0 {
		return highest, nil
	}
	// From the API server: a number that the cache lacks would bring an earlier value back.
	secrets, err := listGenerated(ctx, r.live, s)
	if err != nil {
		return 0, err
	}
	for i := range secrets.Items {
		if !ownedByEarlierStack(&secrets.Items[i], s.stack) {
			highest = max(highest, shareNumber(s.stack.Name, secrets.Items[i].Name))
		}
	}
	return max(highest, 1), nil
}

// shareSuffix returns the suffix of the nth generated share.secret.
func shareSuffix(number int) string {
	if number <= 1 {
		return v1alpha1.SuffixShareSecret
	}
	return v1alpha1.SuffixShareSecret + "-" + strconv.Itoa(number)
}

// shareNumber returns the number of a generated share.secret, 0 for another Secret.
func shareNumber(stack, name string) int {
	first := v1alpha1.ChildName(stack, v1alpha1.SuffixShareSecret)
	if name == first {
		return 1
	}
	digits, ok := strings.CutPrefix(name, first+"-")
	number, err := strconv.Atoi(digits)
	if !ok || err != nil || number < 2 || number > maxShareNumber || strconv.Itoa(number) != digits {
		return 0
	}
	return number
}

// maxShareNumber bounds the number, so that its digits fit a name.
const maxShareNumber = 999_999

// shareSecrets returns which share.secret is wanted, and which one it replaces. With strategy AllAtOnce nothing is replaced in steps.
func (r *Reconciler) shareSecrets(ctx context.Context, s *scope) (dependencies.ShareSecrets, error) {
	if s.shareSuffix == "" {
		return dependencies.ShareSecrets{}, errors.New("it is not known which share.secret the stack has")
	}
	secrets := dependencies.ShareSecrets{Generated: v1alpha1.ChildName(s.stack.Name, s.shareSuffix)}
	wanted := secrets.Generated
	if ref := s.stack.Spec.SecretRef; ref != nil {
		wanted = ref.Name
	}
	upgrade := s.stack.Spec.Upgrade
	completed, err := r.completedRun(ctx, s)
	if err != nil {
		return secrets, err
	}
	if completed == "" || s.stack.Spec.Wrapper.ExternalRef != nil || upgrade != nil && upgrade.Strategy == v1alpha1.UpgradeAllAtOnce {
		return secrets, nil
	}
	shares, err := r.sharesOf(ctx, s, completed)
	if bad := new(revision.DataError); apierrors.IsNotFound(err) || errors.As(err, &bad) {
		return secrets, nil // revise reports it
	}
	if err != nil {
		return secrets, err
	}
	secrets.Previous, secrets.Waits = shares.replaced(wanted)
	return secrets, nil
}

// sharesOfRun are the Secrets with share.secret that the pods of a run revision read.
type sharesOfRun struct {
	// both is true when the revision has openim-rpc-auth and a backend.
	both    bool
	auth    string
	backend []string
}

func sharesIn(d revision.Data) sharesOfRun {
	auth, hasAuth := d.Components[string(openim.RPCAuth)]
	backend, hasBackend := d.Components[v1alpha1.ComponentBackend]
	if !hasAuth || !hasBackend {
		return sharesOfRun{}
	}
	return sharesOfRun{
		true, manifests.ShareSecretOf(&auth.Template.Spec), manifests.ShareSecretsOfBackend(&backend.Template.Spec),
	}
}

// sharesOf returns the Secrets with share.secret of a run revision. Its data, which never change, are read once.
func (r *Reconciler) sharesOf(ctx context.Context, s *scope, name string) (sharesOfRun, error) {
	known := r.runs.of(s.stack)
	if shares, ok := known.shares[name]; ok {
		return shares, nil
	}
	d, err := r.runData(ctx, s, name)
	if err != nil {
		return sharesOfRun{}, err
	}
	shares := sharesIn(d)
	known.shares[name] = shares
	return shares, nil
}

// completedRun returns the name of the run revision to which the last rollout was completed, "" when there is none. When the status was
// lost, it is the newest that was completed once, as for the planner.
func (r *Reconciler) completedRun(ctx context.Context, s *scope) (string, error) {
	if name := s.stack.Status.CurrentRevision; name != "" || s.stack.Status.Rollout != nil {
		return name, nil
	}
	var list appsv1.ControllerRevisionList
	labels := client.MatchingLabels(revision.Labels(manifests.CommonLabels(s.stack.Name)))
	if err := r.client.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels); err != nil {
		return "", fmt.Errorf("listing the run revisions: %w", err)
	}
	var newest *appsv1.ControllerRevision
	for i := range list.Items {
		one := &list.Items[i]
		if one.Annotations[v1alpha1.AnnotationRolledOut] == "true" && (newest == nil || one.Revision > newest.Revision) {
			newest = one
		}
	}
	if newest == nil {
		return "", nil
	}
	return newest.Name, nil
}

// replaced returns the share.secret that the completed revision has and that is not the wanted one, "" when there is none, and whether its
// backend does not know the wanted one yet.
func (c sharesOfRun) replaced(wanted string) (previous string, waits bool) {
	if !c.both || c.auth == wanted {
		return "", false
	}
	return c.auth, !slices.Contains(c.backend, wanted)
}
