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
	"github.com/openimstack/openim-operator/controllers/lockdown/probe"
	"github.com/openimstack/openim-operator/controllers/manifests"
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
}

func run() error {
	var o options
	flag.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "where Prometheus metrics are served, or 0 for nowhere")
	flag.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flag.BoolVar(&o.leaderElection, "leader-elect", false, "elect a leader, so that one of several replicas works at a time")
	flag.StringVar(&o.watchNamespaces, "watch-namespaces", "", "comma-separated namespaces to watch; empty for all")
	flag.StringVar(&o.wrapperImage, "wrapper-image", os.Getenv("RELATED_IMAGE_WRAPPER"), "image of the wrapper when a stack names none; default $RELATED_IMAGE_WRAPPER")
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	if o.wrapperImage == "" {
		return errors.New("no wrapper image: set RELATED_IMAGE_WRAPPER or --wrapper-image")
	}

	mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme(),
		Cache:                         controllers.CacheOptions(namespaces(o.watchNamespaces)),
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
	reconciler := controllers.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controllers.FieldOwner),
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

func namespaces(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
