//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/openimstack/openim-operator/hack/render"
)

// runHelm runs the pinned Helm against the suite's cluster and returns its output.
func runHelm(ctx context.Context, args ...string) (string, error) {
	dir, err := os.MkdirTemp("", "openim-operator-e2e-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := writeKubeconfig(kubeconfig); err != nil {
		return "", err
	}
	command := render.Tool(ctx, environment.Root, "helm", nil, args...)
	command.Env = append(command.Env, "KUBECONFIG="+kubeconfig)
	out, err := command.CombinedOutput()
	return string(out), err
}

// writeKubeconfig writes the suite's connection as a kubeconfig for Helm.
func writeKubeconfig(path string) error {
	c := environment.Cluster.Config
	const name = "e2e"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData, CertificateAuthority: c.CAFile, InsecureSkipTLSVerify: c.Insecure, TLSServerName: c.ServerName}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: c.CertData, ClientCertificate: c.CertFile, ClientKeyData: c.KeyData, ClientKey: c.KeyFile,
		Token: c.BearerToken, TokenFile: c.BearerTokenFile, Exec: c.ExecProvider,
	}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}

func repositoryOf(reference string) string {
	return reference[:strings.LastIndex(reference, ":")]
}

func tagOf(reference string) string {
	return reference[strings.LastIndex(reference, ":")+1:]
}
