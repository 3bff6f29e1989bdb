package settings_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// Every key that is rendered for a vendor is a key of OpenIM's own structs at each dialect: viper ignores others without a word. Each is
// set by a field of spec.push.
func TestTheKeysOfAVendorAreOpenIMs(t *testing.T) {
	process, _ := openim.Lookup(openim.Push)
	for _, d := range settings.Dialects() {
		for name, push := range map[string]*v1alpha1.Push{
			"fcm": {FCM: &v1alpha1.FCM{}}, "getui": {GeTui: &v1alpha1.GeTui{}}, "jpush": {JPush: &v1alpha1.JPush{}},
		} {
			g := NewWithT(t)
			files, err := openim.Render(process, openim.Settings{Release: release(t, d.Releases[0]), Push: push})
			g.Expect(err).NotTo(HaveOccurred())
			var parsed map[string]any
			g.Expect(yaml.Unmarshal([]byte(files[string(openim.PushFile)]), &parsed)).To(Succeed())
			g.Expect(parsed).To(HaveKeyWithValue("enable", name))
			count := 0
			for section, value := range parsed {
				members, _ := value.(map[string]any)
				for key := range members {
					if section == "rpc" || section == "prometheus" {
						continue
					}
					count++
					full := section + "." + key
					g.Expect(d.Files[openim.PushFile]).To(HaveKey(full), "%s at %s", name, d.Releases[0])
					row, _ := settings.RowOf(openim.PushFile, full)
					g.Expect(row.Class).To(Equal(settings.Field), full)
					g.Expect(row.Field).To(HavePrefix("push." + name))
				}
			}
			g.Expect(count).To(BeNumerically(">", 0), name)
		}
	}
}

func TestTheVendorIsNoOverride(t *testing.T) {
	for key, says := range map[string]string{
		"enable": "it is set by spec.push: remove it here", "geTui.appKey": "it is set by spec.push.getui",
		"jpush.masterSecret": "it is set by spec.push.jpush", "fcm.filePath": "it is set by spec.push.fcm.credentialsRef",
		"fcm.authURL": "it is the operator's, because credentials would come from the network",
	} {
		problem := settings.Check(release(t, "v3.8.3"), openim.PushFile, key, "x")
		NewWithT(t).Expect(problem).NotTo(BeNil(), key)
		NewWithT(t).Expect(strings.HasPrefix(problem.Text, says)).To(BeTrue(), problem.Text)
	}
}
