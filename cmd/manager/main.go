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
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/insight"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/version"
)

func main() {
	// Probe pods run the operator's own image, so that the operator needs no second one.
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		os.Exit(probe.Main(os.Args[2:], os.Stdout))
	}
	if version.Asked(os.Args[1:]) {
		fmt.Println(version.Line("manager"))
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

// options are the flags of the command line.
type options struct {
	metricsAddress, probeAddress string
	profileAddress               string
	leaderElection               bool
	watchNamespaces              string
	crossNamespaceReferences     string
	wrapperImage                 string
	supervisorImage              string
	probe                        prober.Options
	probePullSecrets             string
	rollouts                     int
}

// bind adds the flags.
func (o *options) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080",
		"address on which Prometheus metrics are served; 0 serves none")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081",
		"address on which /healthz and /readyz are served")
	flags.StringVar(&o.profileAddress, "pprof-bind-address", "0",
		"address on which profiles for go tool pprof are served, for example 127.0.0.1:8082; 0 serves none")
	flags.BoolVar(&o.leaderElection, "leader-elect", false,
		"elect a leader, so that one of several replicas is active at a time")
	flags.StringVar(&o.watchNamespaces, "watch-namespaces", "",
		"comma-separated namespaces to watch; empty for all")
	flags.StringVar(&o.crossNamespaceReferences, "cross-namespace-references", referencesAny,
		"Services of other namespaces that stacks may refer to: Any, or Granted, those whose namespace permits it by a ReferenceGrant or by "+
			"the annotation "+v1alpha1.AnnotationReferencedBy)
	flags.StringVar(&o.wrapperImage, "wrapper-image", os.Getenv("RELATED_IMAGE_WRAPPER"),
		"image of the wrapper for stacks that name none; default $RELATED_IMAGE_WRAPPER")
	flags.StringVar(&o.supervisorImage, "supervisor-image", os.Getenv("RELATED_IMAGE_SUPERVISOR"),
		"image with the supervisor of OpenIM's pods; default $RELATED_IMAGE_SUPERVISOR")
	flags.StringVar(&o.probe.Image, "probe-image", os.Getenv("RELATED_IMAGE_PROBE"),
		"image of the probe pods, which is the operator's own; default $RELATED_IMAGE_PROBE; without an image no probe runs")
	flags.StringVar(&o.probePullSecrets, "probe-pull-secrets", "",
		"comma-separated names of the pull secrets for --probe-image, in the namespaces of the stacks and of the operator")
	flags.IntVar(&o.rollouts, "max-concurrent-rollouts", controllers.DefaultRollouts,
		"number of stacks whose pods are changed at a time, at least 1; a first installation does not count")
	flags.StringVar(&o.probe.Namespace, "operator-namespace", os.Getenv("OPERATOR_NAMESPACE"),
		"namespace of the operator, in which an intruder pod runs too; default $OPERATOR_NAMESPACE, or the namespace of the service account")
}

func run() error {
	var o options
	o.bind(flag.CommandLine)
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	ctrl.Log.WithName("setup").Info("starting", "version", version.String())
	if err := limitMemory(os.Getenv(memoryLimitVariable)); err != nil {
		return err
	}
	// Without an image no gateway and no backend could start: refuse at once instead of reporting it for each stack.
	if o.wrapperImage == "" {
		return errors.New("no wrapper image: set RELATED_IMAGE_WRAPPER or --wrapper-image")
	}
	if o.supervisorImage == "" {
		return errors.New("no supervisor image: set RELATED_IMAGE_SUPERVISOR or --supervisor-image")
	}
	if o.rollouts < 1 {
		return fmt.Errorf("--max-concurrent-rollouts is %d: write 1 or more", o.rollouts)
	}

	o.probe.WatchNamespaces = names(o.watchNamespaces)
	access, err := o.access()
	if err != nil {
		return err
	}
	for _, name := range names(o.probePullSecrets) {
		o.probe.PullSecrets = append(o.probe.PullSecrets, corev1.LocalObjectReference{Name: name})
	}
	if o.probe.Namespace == "" {
		o.probe.Namespace = inCluster()
	}

	mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme(),
		Cache:                         controllers.CacheOptions(o.probe.WatchNamespaces),
		NewCache:                      controllers.NewCache,
		Client:                        controllers.ClientOptions(),
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.probeAddress,
		PprofBindAddress:              o.profileAddress,
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "openim-operator.openimstack.dev",
		LeaderElectionReleaseOnCancel: true, // the process exits right after Start returns
	})
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	platform, err := controllers.PlatformUserIDs(mgr.GetRESTMapper())
	if err != nil {
		return fmt.Errorf("looking for OpenShift's admission: %w", err)
	}
	access.PlatformUserIDs, o.probe.PlatformUserIDs = platform, platform
	// The reconciler tells the prober the intended connections of each stack, and reads the results from it.
	loop := prober.New(mgr.GetClient(), mgr.GetAPIReader(), o.probe)
	if err := loop.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the prober: %w", err)
	}
	reconciler := controllers.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controllers.FieldOwner), loop,
		manifests.Options{WrapperImage: o.wrapperImage, SupervisorImage: o.supervisorImage}, access)
	reconciler.LimitRollouts(o.rollouts)
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := ctrlmetrics.Registry.Register(insight.NewCollector(mgr.GetClient())); err != nil {
		return fmt.Errorf("registering the metrics of stacks: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("setting up health checks: %w", err)
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}

// Values of --cross-namespace-references.
const (
	referencesAny     = "Any"
	referencesGranted = "Granted"
)

// access returns the limits of references to other namespaces.
func (o *options) access() (dependencies.Access, error) {
	if o.crossNamespaceReferences != referencesAny && o.crossNamespaceReferences != referencesGranted {
		return dependencies.Access{}, fmt.Errorf("reading --cross-namespace-references: unknown value %q: write %s or %s",
			o.crossNamespaceReferences, referencesAny, referencesGranted)
	}
	return dependencies.Access{
		Namespaces: o.probe.WatchNamespaces, Granted: o.crossNamespaceReferences == referencesGranted,
	}, nil
}

// scheme returns a scheme with the kinds of Kubernetes and of the operator.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(gatewayv1.Install(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// inCluster returns the namespace of the pod's service account, empty outside a cluster.
func inCluster() string {
	const file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace" // mounted by the kubelet
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// names splits a comma-separated list, without empty names.
func names(list string) []string {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			all = append(all, name)
		}
	}
	return all
}
