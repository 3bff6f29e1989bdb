package load

import (
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// Flags say what to read. The flags of the connection are kubectl's own, under the same names.
type Flags struct {
	Connection *genericclioptions.ConfigFlags

	// AllNamespaces selects the stacks of all namespaces.
	AllNamespaces bool
	// FromFiles is a folder or a file of manifests. With it no cluster is contacted.
	FromFiles string
	// MongoDBAddresses are the addresses behind mongodb.uriRef, which is a Secret and so is not read.
	MongoDBAddresses []string
	// WrapperImage is the image of stacks that name none; empty for the image of the plugin's own release.
	WrapperImage string
	// SupervisorImage is the image of the supervisor; empty for the image of the plugin's own release.
	SupervisorImage string
}

// ConnectionFlags returns kubectl's flags for the connection to a cluster. Two are left out because they would have no effect: the plugin
// keeps no cache on disk, and compression is not an option of its client.
func ConnectionFlags() *genericclioptions.ConfigFlags {
	flags := genericclioptions.NewConfigFlags(true)
	flags.CacheDir, flags.DisableCompression = nil, nil
	return flags
}

// namespace returns the namespace of the command line, empty when none was given.
func (f *Flags) namespace() string {
	if f.Connection.Namespace == nil {
		return ""
	}
	return *f.Connection.Namespace
}

// AddAllNamespaces adds -A.
func (f *Flags) AddAllNamespaces(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.AllNamespaces, "all-namespaces", "A", false, "select the stacks of all namespaces")
}

// AddFiles adds the flags of commands that can do without a cluster.
func (f *Flags) AddFiles(flags *pflag.FlagSet) {
	flags.StringVar(&f.FromFiles, "from-files", "",
		"read the manifests of this folder or file (.yaml, .yml, .json) and contact no cluster; "+
			"-n is then the namespace of objects that name none")
	flags.StringSliceVar(&f.MongoDBAddresses, "mongodb-addresses", nil,
		"host:port,... behind mongodb.uriRef, which is in a Secret and so is not read")
}
