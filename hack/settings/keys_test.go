package main

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestKeysOf(t *testing.T) {
	g := NewWithT(t)
	keys, err := keysOf(map[string]string{
		"config.go": `package config
var ServerFile = "server.yml"
type Server struct {
	RPC struct {
		Ports []int ` + "`mapstructure:\"ports\"`" + `
	} ` + "`mapstructure:\"rpc\"`" + `
	Inner Inner
	Days int64 ` + "`mapstructure:\"days\"`" + `
}
type Inner struct { SetToAdmin bool ` + "`yaml:\"other\"`" + ` }
func (s *Server) GetConfigFileName() string { return ServerFile }
func (n *Notes) GetConfigFileName() string { return NotesFile }`,
		"parse.go": "package config\nconst NotesFile = \"notification.yaml\"\ntype Notes struct { A string }",
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys).To(Equal(map[string]map[string]string{
		"server.yml":       {"rpc.ports": "[]int", "inner.setToAdmin": "bool", "days": "int64"},
		"notification.yml": {"a": "string"},
	}))
}

func TestWhatIsNotUnderstoodIsAnError(t *testing.T) {
	const method = "\nfunc (s *Server) GetConfigFileName() string { return File }"
	for name, source := range map[string]string{
		"no file":   "package config",
		"no name":   "package config\ntype Server struct { A string }" + method,
		"a map":     "package config\nconst File = \"a.yml\"\ntype Server struct { A map[string]string }" + method,
		"embedded":  "package config\nconst File = \"a.yml\"\ntype Server struct { Inner }\ntype Inner struct { A string }" + method,
		"two lists": "package config\nconst File = \"a.yml\"\ntype Server struct { A [][]string }" + method,
		"no Go":     "package",
	} {
		_, err := keysOf(map[string]string{"config.go": source})
		NewWithT(t).Expect(err).To(HaveOccurred(), name)
	}
}
