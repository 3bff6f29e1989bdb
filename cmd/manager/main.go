// Command manager runs the operator. `manager probe ...` is the prober, which tries connections from inside a pod.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/netpol/probe"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		os.Exit(probe.Main(os.Args[2:], os.Stdout))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

// options of the command line.
type options struct {
	metricsAddress, probeAddress string
	leaderElection               bool
	watchNamespaces              string
	wrapperImage                 string
	probe                        prober.Options
	probePullSecrets             string
}

func run() error {
	var o options
	flag.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "where Prometheus metrics are served, or 0 for nowhere")
	flag.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flag.BoolVar(&o.leaderElection, "leader-elect", false, "elect a leader, so that one of several replicas works at a time")
	flag.StringVar(&o.watchNamespaces, "watch-namespaces", "", "comma-separated namespaces to watch; empty for all")
	flag.StringVar(&o.wrapperImage, "wrapper-image", os.Getenv("RELATED_IMAGE_WRAPPER"), "image of the wrapper when a stack names none; default $RELATED_IMAGE_WRAPPER")
	flag.StringVar(&o.probe.Image, "probe-image", os.Getenv("RELATED_IMAGE_PROBE"), "image of the pods that try the lockdown, the operator's own; default $RELATED_IMAGE_PROBE; without one nothing is tried")
	flag.StringVar(&o.probePullSecrets, "probe-pull-secrets", "", "comma-separated names of the pull secrets of --probe-image, in the namespaces of stacks and the operator's")
	flag.StringVar(&o.probe.Namespace, "operator-namespace", os.Getenv("OPERATOR_NAMESPACE"), "namespace of the operator, where an intruder stands, too; default $OPERATOR_NAMESPACE, or that of its service account")
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	if o.wrapperImage == "" {
		return errors.New("no wrapper image: set RELATED_IMAGE_WRAPPER or --wrapper-image")
	}

	o.probe.WatchNamespaces = namespaces(o.watchNamespaces)
	for _, name := range namespaces(o.probePullSecrets) {
		o.probe.PullSecrets = append(o.probe.PullSecrets, corev1.LocalObjectReference{Name: name})
	}
	if o.probe.Namespace == "" {
		o.probe.Namespace = inCluster()
	}

	mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme(),
		Cache:                         controllers.CacheOptions(o.probe.WatchNamespaces),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "openim-operator.openimstack.dev",
		LeaderElectionReleaseOnCancel: true, // the process ends right after
	})
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	loop := prober.New(mgr.GetClient(), mgr.GetAPIReader(), o.probe)
	if err := loop.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the prober: %w", err)
	}
	reconciler := controllers.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controllers.FieldOwner), loop,
		manifests.Options{WrapperImage: o.wrapperImage})
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("setting up health checks: %w", err)
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// inCluster is the namespace of the pod's service account, empty outside a cluster.
func inCluster() string {
	const file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace" // where the kubelet puts it
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func namespaces(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
