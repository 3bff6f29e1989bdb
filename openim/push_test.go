package openim_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// vendors are the specs of the golden files in testdata/push.
func vendors() map[string]*v1alpha1.Push {
	return map[string]*v1alpha1.Push{
		"fcm": {FCM: &v1alpha1.FCM{CredentialsRef: v1alpha1.KeyReference{Name: "fcm", Key: "any.json"}}},
		"getui": {GeTui: &v1alpha1.GeTui{
			URL: "https://restapi.getui.com/v2/app", ChannelID: "messages", ChannelName: `News: "all" #1`,
		}},
		"jpush":             {JPush: &v1alpha1.JPush{}},
		"jpush-development": {JPush: &v1alpha1.JPush{URL: "https://push.example.com:8443/v3", Intent: "intent:#Intent;end", APNS: "Development"}},
	}
}

func renderedPush(t *testing.T, tag string, push *v1alpha1.Push) string {
	t.Helper()
	s := settings(t, tag)
	s.Push = push
	p, _ := openim.Lookup(openim.Push)
	files, err := openim.Render(p, s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return files[string(openim.PushFile)]
}

// openim-push.yml of each vendor is a golden file. It is the same at all releases. UPDATE_GOLDEN=1 writes the files.
func TestTheConfigurationOfEachVendorIsWhatWasReviewed(t *testing.T) {
	for name, push := range vendors() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join("testdata", "push", name+".yml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(file, []byte(renderedPush(t, "v3.8.3", push)), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			for _, r := range openim.Releases() {
				g.Expect(renderedPush(t, r.Tag, push)).To(Equal(string(want)), r.Tag)
			}
		})
	}
}

// A stack without push has the same file as before push was offered: no pod of it restarts.
func TestWithoutPushThereIsNoVendor(t *testing.T) {
	NewWithT(t).Expect(renderedPush(t, "v3.8.3", nil)).To(HaveSuffix(
		"maxConcurrentWorkers: 3\n# No push vendor.\nenable: \"\"\nfullUserCache: true\n"))
}

// OpenIM joins the path of FCM's file with its configuration folder.
func TestTheFileOfFCMIsFoundFromTheConfigurationFolder(t *testing.T) {
	g := NewWithT(t)
	var parsed struct{ FCM struct{ FilePath string } }
	g.Expect(yaml.Unmarshal([]byte(renderedPush(t, "v3.8.3", vendors()["fcm"])), &parsed)).To(Succeed())
	g.Expect(path.Join("/etc/openim", parsed.FCM.FilePath)).To(Equal(path.Join(openim.SecretsDir, openim.FCMDir, openim.FCMFile)))
}

// What a user writes stays one value, whatever is in it.
func TestTextsForAVendorCannotAddKeys(t *testing.T) {
	for _, text := range []string{`"`, `\`, "a: b", "# c", "{x: y}", "'", "<b>", " ", "*", "null", "~", "\u2028enable: fcm", "é"} {
		g := NewWithT(t)
		out := renderedPush(t, "v3.8.3", &v1alpha1.Push{GeTui: &v1alpha1.GeTui{ChannelName: v1alpha1.PushText(text)}})
		var parsed struct {
			Enable string
			GeTui  map[string]string
		}
		vendor := out[strings.Index(out, "enable: getui"):strings.Index(out, "fullUserCache")]
		g.Expect(yaml.UnmarshalStrict([]byte(vendor), &parsed)).To(Succeed())
		g.Expect(parsed.GeTui).To(And(HaveLen(5), HaveKeyWithValue("channelName", text)), "%q", text)
		g.Expect(parsed.Enable).To(Equal("getui"))
	}
}
