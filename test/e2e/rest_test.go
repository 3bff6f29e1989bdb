//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/test/e2e/apiserverlog"
)

const (
	// stillness is how long a stack must rest without a write.
	stillness = 3 * time.Minute
	// probes bounds the probes in that time: one by the interval (five minutes), and one for an earlier change.
	probes = 2
	// operatorUser is the operator's user name at the API server.
	operatorUser = "system:serviceaccount:" + setup.OperatorNamespace + ":openim-operator"
)

// connects are requests that the API server's audit log counts as writes although they change no object: the suite's own exec and
// port-forward.
var connects = []string{"exec", "portforward", "attach", "proxy"}

// rest counts writes at the API server while read-only specs run.
func rest() {
	var (
		mark  apiserverlog.Mark
		began time.Time
		used  map[string]setup.Supervisor
		reads float64
	)
	It("begins to rest", func(ctx SpecContext) {
		if environment.APIServerLog == "" {
			Skip("the API server's audit log is needed: CLUSTER=local")
		}
		observe(ctx, setup.TruthTable(stack)) // the suite's last writes: afterwards the prober is in every pod
		var err error
		mark, err = apiserverlog.Now(environment.APIServerLog)
		Expect(err).NotTo(HaveOccurred())
		began = time.Now()
		used, err = environment.Supervisors(stack)
		Expect(err).NotTo(HaveOccurred())
		reads = etcdReads(ctx)
	}, SpecTimeout(2*time.Minute))

	It("delivers while it rests", func(ctx SpecContext) { deliver(ctx, "quietly") }, SpecTimeout(time.Minute))

	It("is isolated while it rests", func(ctx SpecContext) {
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	}, SpecTimeout(2*time.Minute))

	It("keeps secrets in Secrets: not in configuration, logs, events or status", noSecretsElsewhere, SpecTimeout(2*time.Minute))

	It("collects a bundle that helps, without a secret or a message", func(ctx SpecContext) { bundled(ctx) }, SpecTimeout(5*time.Minute))

	It("lets two people chat by three commands of the plugin, and again after a device was revoked", converse, SpecTimeout(5*time.Minute))

	It("gives no pod of OpenIM or the wrapper a token of the API server", func(ctx SpecContext) {
		for _, pod := range pods(ctx) {
			Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()), pod.Name)
			for _, volume := range pod.Spec.Volumes {
				if volume.Projected != nil { // such as the authorities of a store
					Expect(volume.Projected.Sources).To(HaveEach(HaveField("ServiceAccountToken", BeNil())), "%s, volume %s", pod.Name, volume.Name)
				}
			}
		}
	}, SpecTimeout(time.Minute))

	It("rests: no write to the API server in three minutes except a probe's", func(ctx SpecContext) {
		if environment.APIServerLog == "" {
			Skip("the API server's audit log is needed: CLUSTER=local")
		}
		Expect(began).NotTo(BeZero())
		Consistently(ctx, func(g Gomega) {
			all, err := mark.Since()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(apiserverlog.Select(all, apiserverlog.By(operatorUser), notLease, notProbe, notStatus)).To(BeEmpty(), "writes of the operator")
			g.Expect(apiserverlog.Select(all, apiserverlog.In(stack.Namespace), changing, notProbe, notStatus)).
				To(BeEmpty(), "writes to the stack's objects")
			g.Expect(len(apiserverlog.Select(all, isStatus))).To(BeNumerically("<=", probes), "one write of the status for each probe")
		}).WithTimeout(max(time.Second, stillness-time.Since(began))).WithPolling(5 * time.Second).Should(Succeed())
		all, err := mark.Since()
		Expect(err).NotTo(HaveOccurred())
		leases := apiserverlog.Select(all, apiserverlog.By(operatorUser), notProbe, notStatus)
		Expect(leases).NotTo(BeEmpty(), "the log contains the operator's renewals of its lease")
		AddReportEntry("writes in "+time.Since(began).Round(time.Second).String(), stillnessReport(len(leases), len(all)))
	}, SpecTimeout(stillness+time.Minute))

	It("rests: the supervisors use little memory and CPU, read etcd seldom, and their program is static", func(ctx SpecContext) {
		if environment.APIServerLog == "" {
			Skip("the pods must be processes of this machine: CLUSTER=local")
		}
		supervisorsAtRest(used, began)
		rate := (etcdReads(ctx) - reads) / time.Since(began).Seconds()
		AddReportEntry("reads of etcd", fmt.Sprintf("%.2f a second", rate))
		Expect(rate).To(And(BeNumerically(">", 0.2), BeNumerically("<=", supervisorReads)), "reads of etcd a second, by all supervisors")
	}, SpecTimeout(2*time.Minute))
}

// etcdReads returns how often clients have read from etcd, of which there are none at rest but the supervisors of the stack.
func etcdReads(ctx SpecContext) float64 {
	GinkgoHelper()
	etcd, err := environment.Registrations(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	count, err := etcd.Reads(ctx)
	Expect(err).NotTo(HaveOccurred())
	return count
}

func stillnessReport(leases, all int) string {
	return "operator: none but a probe's and " + count(
		leases,
		"renewal of its leader-election lease",
		"renewals of its leader-election lease",
	) +
		"; objects in the stack's namespace: none, by anybody; whole cluster: " + count(
		all,
		"write",
		"writes",
	)
}

func notLease(w apiserverlog.Write) bool { return w.Object.Resource != "leases" }

// notProbe excludes the probe's pods and the cluster's own writes about them.
func notProbe(w apiserverlog.Write) bool { return !strings.Contains(w.Object.Name, "-probe-") }

// isStatus keeps writes of the stack's status, which record a probe's result.
func isStatus(w apiserverlog.Write) bool {
	return w.Object.Resource == "openimstacks" && w.Object.Subresource == "status" && w.Object.Name == stack.Name
}

func notStatus(w apiserverlog.Write) bool { return !isStatus(w) }

func changing(w apiserverlog.Write) bool { return !slices.Contains(connects, w.Object.Subresource) }

// pods lists the pods of the suite's stack.
func pods(ctx SpecContext) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(
		environment.Cluster.List(ctx, &list, client.InNamespace(stack.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack.Name}),
	).To(Succeed())
	Expect(list.Items).NotTo(BeEmpty())
	return list.Items
}

// noSecretsElsewhere searches all other objects and logs for the values of the Secrets in the stack's namespace.
func noSecretsElsewhere(ctx SpecContext) {
	secrets := secretValues(ctx, stack.Namespace)
	for container, text := range texts(ctx) {
		holdsNone(container, text, secrets)
	}
}

// secretValues returns the values of all Secrets of some namespaces, and the sessions of the suite's users, by where they are from.
func secretValues(ctx context.Context, namespaces ...string) map[string][]byte {
	GinkgoHelper()
	public := stack.Spec.Wrapper.Auth.Admins.Issuers[0].JWKS.SecretRef.Key
	values := map[string][]byte{}
	for _, namespace := range namespaces {
		var secrets corev1.SecretList
		Expect(environment.Cluster.List(ctx, &secrets, client.InNamespace(namespace))).To(Succeed())
		for _, secret := range secrets.Items {
			for key, value := range secret.Data {
				if value = bytes.TrimSpace(value); key != public && len(value) > 0 {
					values["Secret "+namespace+"/"+secret.Name+", key "+key] = value
				}
			}
		}
	}
	for name, user := range users {
		values["session of "+name] = []byte(user.Session.Token())
	}
	return values
}

// holdsNone fails when a text holds a secret or a token.
func holdsNone(name string, text []byte, secrets map[string][]byte) {
	GinkgoHelper()
	for of, value := range secrets {
		Expect(bytes.Contains(text, value)).To(BeFalse(), "%s holds the value of %s", name, of)
		encoded := base64.StdEncoding.EncodeToString(value)
		Expect(bytes.Contains(text, []byte(encoded))).To(BeFalse(), "%s holds the value of %s, in base64", name, of)
	}
	Expect(string(text)).NotTo(MatchRegexp(`eyJ[A-Za-z0-9_-]{8,}\.eyJ`), "%s holds a token", name)
}
