package main

import (
	"bytes"
	"io"
	"testing"

	. "github.com/onsi/gomega"
)

func TestBadCommandLinesSayWhatToWrite(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no command: use build"},
		{"unknown command", []string{"bake"}, "use build, binaries or programs"},
		{"no program", []string{"programs"}, "name at least one program"},
		{"unknown program", []string{"programs", "mysql"}, `unknown program "mysql": use etcd, ferretdb, kafka, mongodb, openim, preflight, s3, supervisor, wrapper`},
		{"unknown image", []string{"build", "--only", "infra-mysql"}, `unknown image "infra-mysql"`},
		{"prefix without a slash", []string{"build", "--prefix", "registry.example.com/im"}, "must end with a slash"},
		{"push to nowhere", []string{"build", "--push"}, "--push needs --prefix"},
		{"stray argument", []string{"build", "infra-redis"}, "takes flags only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("IMAGE_PREFIX", "")
			var stdout bytes.Buffer
			g := NewWithT(t)
			g.Expect(command(t.Context(), c.args, &stdout, io.Discard)).To(MatchError(ContainSubstring(c.want)))
			g.Expect(stdout.String()).To(BeEmpty(), "programs read what is printed there")
		})
	}
}
