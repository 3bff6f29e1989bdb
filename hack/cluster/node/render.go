package node

import (
	"bytes"
	"embed"
	"fmt"
	"text/template"
)

//go:embed templates
var templates embed.FS

// values holds the variables of the templates.
type values struct {
	Name, State, PKI, Socket             string
	NodeIP, JoinIP, APIPort, APIEndpoint string
	PodCIDR, PodFirstIP, ServiceCIDR     string
	DNSIP, ClusterDomain, Bridge         string
	PodCgroup, PauseImage, CoreDNSImage  string
	CNIBin, KubernetesVersion            string
	LacksSysResource                     bool
}

func newValues(p paths) values {
	return values{
		Name: Name, State: p.State, PKI: p.PKI(), Socket: p.Socket(),
		NodeIP: nodeIP, JoinIP: joinIP, APIPort: apiPort, APIEndpoint: apiEndpoint,
		PodCIDR: podCIDR, PodFirstIP: podFirstIP, ServiceCIDR: serviceCIDR,
		DNSIP: dnsIP, ClusterDomain: clusterDNS, Bridge: bridge,
		PodCgroup: podCgroup, PauseImage: pauseImage,
	}
}

func render(name string, v values) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, name, v); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return out.Bytes(), nil
}
