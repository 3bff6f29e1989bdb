package openim_test

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
)

// Names that MongoDB takes, and one for each stack: names with the same letters in other places, and such as have to be cut.
func TestTheDefaultDatabaseIsOfOneStackAlone(t *testing.T) {
	g := NewWithT(t)
	long, longer := strings.Repeat("n", 63), strings.Repeat("s", 40)
	seen := map[string]string{}
	for _, s := range [][2]string{
		{"im", "chat"}, {"a-b", "c"}, {"a", "b-c"}, {long, longer}, {long[:62] + "x", longer}, {long, longer[:39] + "x"}, {long, "s"}, {"n",
			longer},
		{strings.Repeat("n", 30), strings.Repeat("s", 25)}, {strings.Repeat("n", 30), strings.Repeat("s", 26)},
	} {
		name := openim.DefaultDatabase(s[0], s[1])
		g.Expect(name).To(MatchRegexp(`^[a-z0-9_-]{1,63}$`), "MongoDB takes no dot, and 63 bytes at most")
		g.Expect(seen).NotTo(HaveKey(name), "%s is %s's already", name, seen[name])
		seen[name] = s[0] + "/" + s[1]
		prefix := openim.DefaultTopicPrefix(s[0], s[1])
		g.Expect(regexp.MustCompile(`^[A-Za-z0-9._-]{1,236}$`).MatchString(prefix)).To(BeTrue(), "Kafka takes 249 bytes with toOfflinePush "+
			"behind it")
	}
	g.Expect(openim.DefaultDatabase("im", "chat")).To(Equal("openim_im_chat"))
	g.Expect(openim.DefaultTopicPrefix("im", "chat")).To(Equal("im.chat."))
}
