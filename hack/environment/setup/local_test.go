package setup

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// TestRegistrationsAreTheKeysThatEndWithAnAddress plays etcd's JSON API.
func TestRegistrationsAreTheKeysThatEndWithAnAddress(t *testing.T) {
	g := NewWithT(t)
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	asked := map[string]map[string]any{}
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked[r.URL.Path] = body
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"kvs":[{"key":%q,"create_revision":"41"},{"key":%q,"create_revision":"7"}]}`,
			encode("openim.im.chat/user/10.244.0.7:10320"), encode("openim.im.chat/config"))
	}))
	defer server.Close()
	r := Registrations{address: strings.TrimPrefix(server.URL, "http://"), root: "openim.im.chat/"}

	g.Expect(r.All(t.Context())).To(Equal(map[string]int64{"openim.im.chat/user/10.244.0.7:10320": 41}))
	g.Expect(asked["/v3/kv/range"]).To(And(HaveKeyWithValue("key", encode("openim.im.chat/")),
		HaveKeyWithValue("range_end", encode("openim.im.chat0"))), "what follows the last key of the stack")

	g.Expect(r.Delete(t.Context(), "openim.im.chat/user/10.244.0.7:10320")).To(Succeed())
	g.Expect(asked["/v3/kv/deleterange"]).To(Equal(map[string]any{"key": encode("openim.im.chat/user/10.244.0.7:10320")}), "one key alone")

	status = http.StatusServiceUnavailable
	_, err := r.All(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("/v3/kv/range answered HTTP 503")))
}

func TestUsageOfAProcess(t *testing.T) {
	g := NewWithT(t)
	used, err := usage("/proc/self")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(used.RSS).To(BeNumerically(">", 1<<20))
	g.Expect(used.Anonymous).To(And(BeNumerically(">", 0), BeNumerically("<", used.RSS)))
	for start := time.Now(); used.CPU == 0 && time.Since(start) < time.Minute; { // reading is work: until a tick of it is counted
		used, err = usage("/proc/self")
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(used.CPU).To(BeNumerically(">", 0))
	_, err = usage("/proc/0")
	g.Expect(err).To(HaveOccurred())

	size, _, err := SupervisorBinary("self")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(size).To(BeNumerically(">", 1<<20))
	_, err = (&Environment{}).Supervisors(&v1alpha1.OpenIMStack{})
	g.Expect(err).To(MatchError(ContainSubstring("CLUSTER=local")))
}
