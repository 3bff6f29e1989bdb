//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
)

const (
	// edgeNamespace holds Traefik and the clients that call it.
	edgeNamespace = "edge"
	// traefikName is the name of Traefik's objects, its IngressClass among them.
	traefikName = "traefik"
	// traefikPort is the port at which Traefik's pod serves HTTPS, and statusPort the one of its readiness.
	traefikPort, statusPort = 8443, 8080
	// publicAddress is the address that a cloud's load balancer would write to Traefik's Service: no cloud is here. Traefik copies it to
	// Ingresses and Gateways.
	publicAddress = "192.0.2.80"
	// nameLabel is the label by which the stack's clients and Services select pods of the edge.
	nameLabel = "app.kubernetes.io/name"
)

// traefikArgs is Traefik's configuration: one entry point, Ingresses, and the Gateway API. Everything else is its default; it trusts no
// X-Forwarded-For of its clients and follows no Service of type ExternalName.
var traefikArgs = []string{
	"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
	fmt.Sprintf("--entrypoints.public.address=:%d", traefikPort), "--entrypoints.public.asdefault=true",
	fmt.Sprintf("--entrypoints.status.address=:%d", statusPort), "--ping=true", "--ping.entrypoint=status",
	"--providers.kubernetesingress=true",
	"--providers.kubernetesingress.ingressendpoint.publishedservice=" + edgeNamespace + "/" + traefikName,
	"--providers.kubernetesgateway=true",
	"--providers.kubernetesgateway.statusaddress.service.namespace=" + edgeNamespace,
	"--providers.kubernetesgateway.statusaddress.service.name=" + traefikName,
}

// traefikRules are the rights that Traefik uses for Ingresses and the Gateway API, and no others. Secrets hold the hosts' certificates.
var traefikRules = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"services", "secrets", "configmaps", "namespaces", "nodes"},
		Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{discoveryv1.GroupName}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{networkingv1.GroupName}, Resources: []string{"ingresses", "ingressclasses"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{networkingv1.GroupName}, Resources: []string{"ingresses/status"}, Verbs: []string{"update"}},
	{APIGroups: []string{gatewayGroup}, Resources: []string{
		"gatewayclasses", "gateways", "httproutes", "grpcroutes", "tlsroutes", "referencegrants", "backendtlspolicies",
	}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{gatewayGroup}, Resources: []string{
		"gatewayclasses/status", "gateways/status", "httproutes/status", "grpcroutes/status", "tlsroutes/status", "backendtlspolicies/status",
	}, Verbs: []string{"update"}},
}

// edgeMeta returns the metadata of an object of the edge.
func edgeMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: edgeNamespace, Name: name, Labels: map[string]string{nameLabel: name}}
}

// startTraefik starts Traefik in a namespace of its own, until the container of specs ends, and waits until it is ready.
func startTraefik(ctx SpecContext, image string) {
	GinkgoHelper()
	cluster := metav1.ObjectMeta{Name: "openim-e2e-traefik"}
	meta := edgeMeta(traefikName)
	controller := "traefik.io/ingress-controller"
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.ClusterRole{ObjectMeta: cluster, Rules: traefikRules},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: cluster, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: cluster.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: edgeNamespace, Name: meta.Name}},
		},
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: traefikName}, Spec: networkingv1.IngressClassSpec{Controller: controller}},
	} {
		Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object.DeepCopyObject().(client.Object)))).To(Succeed())
		Expect(environment.Cluster.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object))).To(Succeed())
		}, NodeTimeout(time.Minute))
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, Selector: meta.Labels, LoadBalancerClass: ptr.To("example.com/none"),
		Ports: []corev1.ServicePort{{Name: "https", Port: 443, TargetPort: intstr.FromInt32(traefikPort)}},
	}}
	Expect(environment.Cluster.Create(ctx, service)).To(Succeed())
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: publicAddress}}
	Expect(environment.Cluster.Status().Update(ctx, service)).To(Succeed())
	Expect(environment.Cluster.Create(ctx, edgeDeployment(meta, image, traefikArgs, statusPort, nil))).To(Succeed())
	Expect(environment.Cluster.WaitForDeployment(ctx, client.ObjectKey{Namespace: edgeNamespace, Name: traefikName})).To(Succeed())
}

// edgeDeployment returns a Deployment of one pod of Traefik's image, under the restricted pod security standard. ready is the port of the
// pod's readiness. files, unless they are nil, are a ConfigMap that is mounted at /etc/traefik.
func edgeDeployment(meta metav1.ObjectMeta, image string, args []string, ready int32, files *corev1.ConfigMap) *appsv1.Deployment {
	pod := corev1.PodSpec{
		EnableServiceLinks: ptr.To(false), TerminationGracePeriodSeconds: ptr.To[int64](5),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "traefik", Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
				TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(ready)},
			}, PeriodSeconds: 1},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
	if files == nil {
		pod.ServiceAccountName = meta.Name
		pod.Containers[0].ReadinessProbe.ProbeHandler = corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/ping", Port: intstr.FromInt32(ready)},
		}
	} else {
		pod.AutomountServiceAccountToken = ptr.To(false)
		pod.Volumes = []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: files.Name}},
		}}}
		pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "files", MountPath: "/etc/traefik"}}
	}
	return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: pod},
	}}
}

// edgePod returns the ready pod of a Deployment of the edge.
func edgePod(ctx context.Context, name string) *corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	var found *corev1.Pod
	Eventually(ctx, func(g Gomega) {
		g.Expect(environment.Cluster.List(ctx, &pods, client.InNamespace(edgeNamespace), client.MatchingLabels{nameLabel: name})).To(Succeed())
		i := slices.IndexFunc(pods.Items, func(p corev1.Pod) bool { return truthtable.Ready(&p) && p.DeletionTimestamp == nil })
		g.Expect(i).To(BeNumerically(">=", 0), "no ready pod of %s", name)
		found = &pods.Items[i]
	}).WithTimeout(time.Minute).Should(Succeed())
	return found
}

// edgeExists creates the namespace of the edge, until the container of specs ends.
func edgeExists(ctx SpecContext) {
	GinkgoHelper()
	labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: edgeNamespace, Labels: maps.Clone(labels)}}
	Expect(environment.Cluster.Remove(ctx, namespace.DeepCopy(), &corev1.NamespaceList{})).To(Succeed())
	Expect(environment.Cluster.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(environment.RemoveNamespaces(ctx, edgeNamespace)).To(Succeed()) }, NodeTimeout(2*time.Minute))
}

// keepEdge prints what Traefik logged last.
func keepEdge(ctx context.Context) {
	var pods corev1.PodList
	if err := environment.Cluster.List(ctx, &pods, client.InNamespace(edgeNamespace)); err != nil {
		GinkgoWriter.Printf("the edge's pods could not be listed: %v\n", err)
	}
	for _, pod := range pods.Items {
		log, err := environment.Cluster.Clientset.CoreV1().Pods(pod.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: ptr.To[int64](100)}).DoRaw(ctx)
		GinkgoWriter.Printf("log of %s (%v):\n%s\n", pod.Name, err, log)
	}
}

// gatewayAddresses returns where the gateway's pods are.
func gatewayAddresses(ctx SpecContext) []string {
	GinkgoHelper()
	var found []string
	for _, pod := range pods(ctx) {
		if pod.Labels[v1alpha1.LabelComponent] == v1alpha1.ComponentGateway && pod.DeletionTimestamp == nil && pod.Status.PodIP != "" {
			found = append(found, pod.Status.PodIP)
		}
	}
	return found
}

// edgeImage builds Traefik's image.
func edgeImage(ctx context.Context) string {
	GinkgoHelper()
	image, err := environment.BuildImage(ctx, setup.TraefikImage)
	Expect(err).NotTo(HaveOccurred())
	return image
}
